/**
 * The proxies that docs/reverse-proxy.md has texts for, each as a program that runs the page's very text on loopback: only
 * names, ports and files are put in.
 */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const PAGE = readFileSync(path.resolve(import.meta.dirname, '../docs/reverse-proxy.md'), 'utf8')

/** The first block of code below a heading. */
function block(heading, language) {
  const section = PAGE.split(`\n${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1]
  if (!found) throw new Error(`docs/reverse-proxy.md has no ${language} below "${heading}"`)
  return found
}

const all = (text, pairs) => pairs.reduce((done, [from, to]) => done.replaceAll(from, to), text)

/** What every text names: where the portal and the guarded service are, and the public origin. */
const common = ({ origin, port, plainPort, portal, behind }) => [
  ['127.0.0.1:3000', `127.0.0.1:${portal}`],
  ['127.0.0.1:9000', `127.0.0.1:${behind}`],
  ['https://id.example.com', origin],
  [':443', `127.0.0.1:${port}`],
  [':80', `127.0.0.1:${plainPort}`],
]

const NGINX = {
  name: 'nginx',
  version: ['-v'],
  setups: ['plain', 'certificates', 'guard'],
  config(setup, at) {
    const people = block('## nginx', 'nginx')
    const text = {
      plain: people,
      certificates: people + block('### nginx: certificates', 'nginx'),
      guard: people.replace(/\}\s*$/, `${block('### nginx: auth_request', 'nginx')}}\n`),
    }[setup]
    const site = all(text, [
      ...common(at),
      ['listen 443', `listen 127.0.0.1:${at.port}`],
      ['listen 80', `listen 127.0.0.1:${at.plainPort}`],
      ['server_name id.example.com', 'server_name localhost'],
      ['server_name apps.id.example.com', `server_name ${at.apps}`],
      ['Host id.example.com;', `Host localhost:${at.port};`],
      ['/etc/ssl/id.example.com', at.file('site')],
      // As the page says of other ports.
      ['$host;', '$http_host;'],
    ])
    const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    return `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; pid ${at.file('nginx.pid')}; error_log stderr warn;
events {}
http { access_log off; ${scratch.map((name) => `${name}_temp_path ${at.file(`nginx-${name}`)};`).join(' ')}
${site} }`
  },
  args: (file, { folder }) => ['-p', folder, '-c', file],
}

const HAPROXY = {
  name: 'haproxy',
  version: ['-v'],
  setups: ['plain', 'certificates'],
  config(setup, at) {
    const plain = block('## HAProxy', 'haproxy')
    const text =
      setup === 'plain'
        ? plain
        : plain.replace(
            /frontend gatehouse\n[\s\S]*?(?=\nbackend)/,
            block('### HAProxy: certificates', 'haproxy'),
          )
    const site = (name) =>
      all(name, [
        ['/etc/ssl/id.example.com.pem', at.file('both.pem')],
        ['/etc/gatehouse/authority.pem', at.file('site.pem')],
        ['apps.id.example.com', at.apps],
      ])
    writeFileSync(
      at.file('names'),
      site(block('### HAProxy: certificates', 'text')).replaceAll('id.example.com', 'localhost'),
    )
    return all(site(text), [
      ...common(at),
      ['/etc/haproxy/names', at.file('names')],
      ['Host id.example.com', `Host localhost:${at.port}`],
    ])
  },
  args: (file) => ['-db', '-f', file],
}

const CADDY = {
  name: 'caddy',
  version: ['version'],
  setups: ['plain', 'certificates', 'guard'],
  config(setup, at) {
    const text = block(
      { plain: '## Caddy', certificates: '### Caddy: certificates', guard: '### Caddy: forward_auth' }[setup],
      'caddy',
    )
    const certificate = `tls ${at.file('site.pem')} ${at.file('site.key')}`
    const site = all(text, [
      ...common(at).slice(0, 3),
      ['header_up Host id.example.com', `header_up Host localhost:${at.port}`],
      ['apps.id.example.com {\n\ttls {', `${at.apps} {\n\t${certificate} {`],
    ]).replace(/^id\.example\.com \{/m, `localhost {\n\t${certificate}`)
    return `{
	admin off
	https_port ${at.port}
	http_port ${at.plainPort}
	default_bind 127.0.0.1
	skip_install_trust
}
${site}`
  },
  args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
}

const TEXTS = [NGINX, HAPROXY, CADDY]

/** Those whose program is on this machine, with what it says of its version. */
export function proxiesHere() {
  return TEXTS.flatMap((proxy) => {
    try {
      const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', proxy.name, ...proxy.version], {
        encoding: 'utf8',
      })
      return [{ ...proxy, version: said.split('\n')[0] }]
    } catch {
      return []
    }
  })
}

/**
 * Starts one with the page's text.
 * @param at where everything is: origin, port, plainPort, portal, behind, apps, folder, file
 * @param answers whether it answers yet
 * @returns the way to stop it
 */
export async function startProxy(proxy, setup, at, answers) {
  const file = at.file(`${proxy.name}-${setup}`)
  writeFileSync(file, proxy.config(setup, at))
  const child = spawn(proxy.name, proxy.args(file, at), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, XDG_DATA_HOME: at.folder, XDG_CONFIG_HOME: at.folder },
  })
  let complaints = ''
  child.stderr.on('data', (chunk) => {
    complaints = (complaints + chunk).slice(-4000)
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  for (let tries = 0; !(await answers()); tries++) {
    if (child.exitCode !== null || tries > 100) {
      child.kill('SIGKILL')
      throw new Error(`${proxy.name} did not start with its ${setup} text:\n${complaints}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return async () => {
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(late)
  }
}
