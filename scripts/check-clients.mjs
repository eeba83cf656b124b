#!/usr/bin/env node
/**
 * Signs somebody in through clients that others wrote, unchanged, against a real portal: Apache's mod_auth_openidc and
 * Python's Authlib (Debian: apache2 libapache2-mod-auth-openidc python3-authlib python3-requests). Each signs in, sees who it
 * is, and learns of the end: Apache by back-channel logout, Authlib by a refresh that fails. Ends with code 1 if anything is
 * not as it should be.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Browser } from '../bench/browser.mjs'
import { Connection, Cookies } from '../bench/http.mjs'
import { endAll, gatehouse, newFolder, startPortal } from '../bench/processes.mjs'
import { closeSeed, people } from '../bench/seed.mjs'
import { freePort } from './free-port.mjs'

const folder = newFolder()
let failed = 0
function check(what, good, got = '') {
  if (!good) failed++
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'}  ${what}${got ? `: ${got}` : ''}\n`)
}

const portal = await startPortal({ folder })
const target = {
  origin: portal.origin,
  databaseUrl: portal.databaseUrl,
  redisUrl: portal.redisUrl,
  password: 'harbour lantern seventeen',
}
const issuer = `${portal.origin}/oidc`
const [email] = await people(target, 'person-', 1)
const children = []

/** One page of an app, as a browser asks for it. */
async function page(app, at) {
  const headers = { cookie: app.cookies.header(), accept: 'text/html', 'sec-fetch-mode': 'navigate' }
  const answer = await app.connection.get(at, headers)
  app.cookies.take(answer.setCookies)
  return answer
}

/** What a browser does at an app: keeps its cookies and follows where it is sent, into the portal and back. */
async function visit(app, person, at) {
  let url = new URL(at, app.origin)
  for (let hops = 0; hops < 10; hops++) {
    if (url.origin === portal.origin) {
      person.target = { ...target, redirectUri: app.redirectUri }
      url = await person.walk(url.pathname + url.search)
      continue
    }
    const answer = await page(app, url.pathname + url.search)
    if (!answer.headers.location) return answer
    url = new URL(answer.headers.location, url)
  }
  throw new Error(`${at} goes round in circles`)
}

async function apache() {
  const port = await freePort()
  const app = { origin: `http://localhost:${port}`, cookies: new Cookies() }
  app.connection = new Connection(app.origin)
  app.redirectUri = `${app.origin}/protected/callback`
  const added = await gatehouse(
    portal,
    ...['client', 'add', '--name', 'Apache', '--redirect-uri', app.redirectUri, '--json'],
    ...['--backchannel-logout-uri', `${app.redirectUri}?logout=backchannel`],
  )
  const root = path.join(folder, 'site/protected')
  mkdirSync(root, { recursive: true })
  const modules = [
    'mpm_event',
    'authn_core',
    'authz_core',
    'authz_user',
    'dir',
    'include',
    'mime',
    'auth_openidc',
  ]
  const [config, log] = [path.join(folder, 'apache.conf'), path.join(folder, 'apache.log')]
  // Apache gives its rights away, and reads then.
  chmodSync(folder, 0o755)
  writeFileSync(
    config,
    `ServerRoot /usr/lib/apache2
${modules.map((name) => `LoadModule ${name}_module modules/mod_${name}.so`).join('\n')}
ServerName localhost
TypesConfig /etc/mime.types
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${log}
LogLevel warn
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
DocumentRoot ${path.join(folder, 'site')}
AddOutputFilter INCLUDES .html
DirectoryIndex index.html
OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID ${added.client_id}
OIDCClientSecret ${added.client_secret}
OIDCRedirectURI ${app.redirectUri}
OIDCCryptoPassphrase not-a-secret-of-anybody
OIDCPKCEMethod S256
OIDCScope "openid email profile"
OIDCSSLValidateServer Off
OIDCSessionType server-cache
<Directory ${path.join(folder, 'site')}>
  Options +Includes
  Require all granted
</Directory>
<Location /protected>
  AuthType openid-connect
  Require valid-user
</Location>
`,
  )
  writeFileSync(
    path.join(root, 'index.html'),
    'sub=<!--#echo var="OIDC_CLAIM_sub" --> email=<!--#echo var="OIDC_CLAIM_email" -->',
  )
  const child = spawn('apache2', ['-f', config, '-DFOREGROUND'], { stdio: 'ignore' })
  children.push(child)
  const complaints = () => (existsSync(log) ? readFileSync(log, 'utf8') : '')
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`Apache did not start:\n${complaints()}`)
    if (await fetch(app.origin).catch(() => null)) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const person = new Browser(target)
  await person.signIn(email)
  const inside = await visit(app, person, '/protected/')
  const who = (await person.session()).userId
  check(
    'Apache (mod_auth_openidc): signed in, with the claims',
    inside.body.includes(`sub=${who} email=${email}`),
    `${inside.status} ${inside.body.slice(0, 120)}`,
  )
  const again = await page(app, '/protected/')
  check('Apache: its own session holds', again.status === 200, String(again.status))
  await gatehouse(portal, 'session', 'revoke', '--user', who, '--json')
  let after = 200
  for (let tries = 0; tries < 50 && after === 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    after = (await page(app, '/protected/')).status
  }
  check('Apache: told of the end by back-channel logout', after === 302, String(after))
  person.close()
  app.connection.close()
}

const PYTHON = `
import json, sys
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import jwt, JsonWebKey
from authlib.oidc.core import CodeIDToken
from authlib.common.security import generate_token
import requests
issuer, client_id, secret, redirect = sys.argv[1:5]
meta = requests.get(issuer + '/.well-known/openid-configuration').json()
session = OAuth2Session(client_id, secret, scope='openid email profile', redirect_uri=redirect, code_challenge_method='S256',
                        token_endpoint_auth_method='client_secret_basic')
verifier, nonce = generate_token(48), generate_token(20)
url, state = session.create_authorization_url(meta['authorization_endpoint'], code_verifier=verifier, nonce=nonce)
print(json.dumps({'url': url}), flush=True)
token = session.fetch_token(meta['token_endpoint'], authorization_response=sys.stdin.readline().strip(), code_verifier=verifier, state=state)
keys = JsonWebKey.import_key_set(requests.get(meta['jwks_uri']).json())
claims = jwt.decode(token['id_token'], keys, claims_cls=CodeIDToken,
                    claims_options={'iss': {'value': issuer}, 'aud': {'value': client_id}}, claims_params={'nonce': nonce})
claims.validate()
info = session.get(meta['userinfo_endpoint']).json()
fresh = session.refresh_token(meta['token_endpoint'], refresh_token=token['refresh_token'])
seen = session.introspect_token(meta['introspection_endpoint'], token=fresh['access_token']).json()
print(json.dumps({'sub': claims['sub'], 'email': info['email'], 'rotated': fresh['refresh_token'] != token['refresh_token'],
                  'active': seen['active']}), flush=True)
sys.stdin.readline()
try:
    session.refresh_token(meta['token_endpoint'], refresh_token=fresh['refresh_token'])
    print(json.dumps({'refused': None}), flush=True)
except Exception as error:
    print(json.dumps({'refused': str(error)}), flush=True)
`

async function authlib() {
  const app = { redirectUri: 'http://localhost:9/callback' }
  const added = await gatehouse(
    portal,
    ...['client', 'add', '--name', 'Authlib', '--redirect-uri', app.redirectUri, '--json'],
  )
  const child = spawn(
    '/usr/bin/python3',
    ['-c', PYTHON, issuer, added.client_id, added.client_secret, app.redirectUri],
    {
      env: { ...process.env, AUTHLIB_INSECURE_TRANSPORT: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  children.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? '{}')
  const { url } = await next()
  const person = new Browser({ ...target, redirectUri: app.redirectUri })
  await person.signIn(email)
  const at = new URL(url)
  const back = await person.walk(at.pathname + at.search)
  child.stdin.write(`${back}\n`)
  const who = (await person.session()).userId
  const got = await next()
  check(
    'Authlib: signed in, ID token verified, userinfo',
    got.sub === who && got.email === email,
    JSON.stringify(got),
  )
  check('Authlib: refreshed, and introspected', got.rotated === true && got.active === true)
  await gatehouse(portal, 'session', 'revoke', '--user', who, '--json')
  child.stdin.write('\n')
  const { refused } = await next()
  check(
    'Authlib: refused after the end of the session',
    String(refused).includes('invalid_grant'),
    String(refused),
  )
  person.close()
}

try {
  await apache()
  await authlib()
} finally {
  for (const child of children) {
    if (child.exitCode === null && child.kill()) await once(child, 'exit')
  }
  await closeSeed()
  await endAll()
}
process.exitCode = failed > 0 ? 1 : 0
