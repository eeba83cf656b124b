/**
 * The look of every mail: tables and inline styles, because mail programs know little else; the style
 * sheet only adds what some of them can do (dark mode, small screens).
 */
import type { ReactNode } from 'react'
import { inert } from '../safe'
import { moment, type Words } from '../words'

/** What a template knows besides its own props. */
export interface Look {
  locale: string
  words: Words
  product: string
  /** The public origin. */
  url: string
  /** `#rrggbb`, and black or white, whichever can be read on it. */
  brand: string
  onBrand: string
  /** Absolute https URL, or null. */
  logoUrl: string | null
}

/** What a template makes. */
export interface Draft {
  subject: string
  /** The line that mail programs show beside the subject. */
  preview: string
  title: string
  body: ReactNode
  /** The paragraphs of the text part, written by hand. */
  text: string[]
}

const FONT = "-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
const MONO = "ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono',monospace"

const SHEET = `
:root{color-scheme:light dark;supported-color-schemes:light dark}
body{margin:0;padding:0;width:100%!important;-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}
table{border-collapse:separate;border-spacing:0;mso-table-lspace:0;mso-table-rspace:0}
a{text-decoration:none}
@media (prefers-color-scheme:dark){
.page{background:#14151b!important}
.card{background:#1e2028!important;border-color:#343743!important}
.ink{color:#f1f2f6!important}
.soft{color:#b4b8c5!important}
.sunken{background:#282b35!important;border-color:#3b3f4c!important}
.line{border-color:#343743!important}
}
[data-ogsc] .ink{color:#f1f2f6!important}
[data-ogsc] .soft{color:#b4b8c5!important}
@media (max-width:600px){
.outer{padding:16px 10px!important}
.card{padding:28px 22px!important}
.code{font-size:30px!important;letter-spacing:5px!important}
.button,.button a{display:block!important;width:auto!important;text-align:center!important}
}`

export function Paragraph({ children, soft = false }: { children: ReactNode; soft?: boolean }) {
  return (
    <p
      className={soft ? 'soft' : 'ink'}
      style={{
        margin: '0 0 16px',
        fontFamily: FONT,
        fontSize: soft ? 14 : 16,
        lineHeight: soft ? '21px' : '25px',
        color: soft ? '#5a6072' : '#1d2130',
      }}
    >
      {children}
    </p>
  )
}

/** A one-time code, in one piece so that it can be copied and filled in by the system. */
export function Code({ children }: { children: string }) {
  return (
    <table role="presentation" width="100%" cellPadding={0} cellSpacing={0} style={{ margin: '0 0 22px' }}>
      <tbody>
        <tr>
          <td
            className="sunken ink code"
            align="center"
            style={{
              padding: '18px 12px',
              backgroundColor: '#f2f3f8',
              border: '1px solid #dfe2ec',
              borderRadius: 10,
              fontFamily: MONO,
              fontSize: 36,
              lineHeight: '44px',
              fontWeight: 600,
              letterSpacing: 8,
              color: '#1d2130',
            }}
          >
            {children}
          </td>
        </tr>
      </tbody>
    </table>
  )
}

/** One thing to do, and its address in words for programs that show no buttons. */
export function Button({ href, children, look }: { href: string; children: string; look: Look }) {
  return (
    <>
      <table
        role="presentation"
        cellPadding={0}
        cellSpacing={0}
        style={{ margin: '0 0 14px' }}
        className="button"
      >
        <tbody>
          <tr>
            <td align="center" style={{ borderRadius: 9, backgroundColor: look.brand }}>
              <a
                href={href}
                style={{
                  display: 'inline-block',
                  padding: '13px 26px',
                  border: `1px solid ${look.brand}`,
                  borderRadius: 9,
                  fontFamily: FONT,
                  fontSize: 16,
                  lineHeight: '22px',
                  fontWeight: 600,
                  color: look.onBrand,
                  textDecoration: 'none',
                }}
              >
                {children}
              </a>
            </td>
          </tr>
        </tbody>
      </table>
      <p
        className="soft"
        style={{
          margin: '0 0 22px',
          fontFamily: FONT,
          fontSize: 13,
          lineHeight: '19px',
          color: '#5a6072',
        }}
      >
        {look.words('common.copy_link')} <span style={{ wordBreak: 'break-all' }}>{href}</span>
      </p>
    </>
  )
}

/** Who asked: text that strangers can choose, so it is shown only where it is inert. */
export interface Asker {
  /** Worded in the reader's language: "Chrome on Linux". */
  device: { browser: string | null; os: string | null } | string | null
  /** For example "Berlin, Germany" or an IP address. */
  place: string | null
  at: Date | string
}

function deviceName(device: Asker['device'], words: Words): string {
  const { browser, os } = typeof device === 'string' ? { browser: device, os: null } : (device ?? {})
  const [name, system] = [inert(browser), inert(os)]
  if (name && system) return words('common.device_on', { browser: name, os: system })
  return name ?? system ?? words('common.unknown_device')
}

function askedFacts(asker: Asker, { words, locale }: Look): [string, string][] {
  return [
    [words('common.device'), deviceName(asker.device, words)],
    [words('common.place'), inert(asker.place) ?? words('common.unknown_place')],
    [words('common.time'), moment(new Date(asker.at), locale)],
  ]
}

export const askedText = (title: string, asker: Asker, look: Look): string =>
  [title, ...askedFacts(asker, look).map(([name, value]) => `  ${name}: ${value}`)].join('\n')

export function Asked({ title, asker, look }: { title: string; asker: Asker; look: Look }) {
  const cell = {
    padding: '3px 0',
    fontFamily: FONT,
    fontSize: 14,
    lineHeight: '20px',
    verticalAlign: 'top',
  } as const
  return (
    <table
      role="presentation"
      width="100%"
      cellPadding={0}
      cellSpacing={0}
      className="line"
      style={{ margin: '4px 0 18px', borderTop: '1px solid #e4e6ee' }}
    >
      <tbody>
        <tr>
          <td
            colSpan={2}
            className="ink"
            style={{ ...cell, padding: '16px 0 6px', fontWeight: 600, color: '#1d2130' }}
          >
            {title}
          </td>
        </tr>
        {askedFacts(asker, look).map(([name, value]) => (
          <tr key={name}>
            <td width={84} className="soft" style={{ ...cell, color: '#5a6072' }}>
              {name}
            </td>
            <td className="ink" style={{ ...cell, color: '#1d2130' }}>
              {value}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Brand({ look }: { look: Look }) {
  if (look.logoUrl) {
    return (
      // biome-ignore lint/performance/noImgElement: this is a mail, not a page
      <img
        src={look.logoUrl}
        alt={look.product}
        height={30}
        style={{ display: 'block', height: 30, border: 0 }}
      />
    )
  }
  return (
    <span className="ink" style={{ fontFamily: FONT, fontSize: 18, fontWeight: 700, color: '#1d2130' }}>
      <span style={{ color: look.brand }}>●</span> {look.product}
    </span>
  )
}

/** The frame around every mail. */
export function Frame({ draft, look }: { draft: Draft; look: Look }) {
  return (
    <html lang={look.locale}>
      {/* biome-ignore lint/style/noHeadElement: this is a mail, not a page */}
      <head>
        <meta httpEquiv="Content-Type" content="text/html; charset=utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="supported-color-schemes" content="light dark" />
        {/* No program shall make links of what only looks like one. */}
        <meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no" />
        <title>{draft.subject}</title>
        {/* biome-ignore lint/security/noDangerouslySetInnerHtml: a constant of this file */}
        <style dangerouslySetInnerHTML={{ __html: SHEET }} />
      </head>
      <body className="page" style={{ margin: 0, padding: 0, backgroundColor: '#f3f4f8' }}>
        <div style={{ display: 'none', maxHeight: 0, overflow: 'hidden', opacity: 0 }}>{draft.preview}</div>
        <table
          role="presentation"
          width="100%"
          cellPadding={0}
          cellSpacing={0}
          className="page"
          bgcolor="#f3f4f8"
        >
          <tbody>
            <tr>
              <td align="center" className="outer" style={{ padding: '36px 16px' }}>
                <table
                  role="presentation"
                  width="100%"
                  cellPadding={0}
                  cellSpacing={0}
                  style={{ maxWidth: 560 }}
                >
                  <tbody>
                    <tr>
                      <td style={{ padding: '0 4px 18px' }}>
                        <Brand look={look} />
                      </td>
                    </tr>
                    <tr>
                      <td
                        className="card"
                        style={{
                          padding: '36px 40px 20px',
                          backgroundColor: '#ffffff',
                          border: '1px solid #e4e6ee',
                          borderRadius: 14,
                        }}
                      >
                        <h1
                          className="ink"
                          style={{
                            margin: '0 0 16px',
                            fontFamily: FONT,
                            fontSize: 23,
                            lineHeight: '30px',
                            fontWeight: 700,
                            color: '#1d2130',
                          }}
                        >
                          {draft.title}
                        </h1>
                        {draft.body}
                      </td>
                    </tr>
                    <tr>
                      <td
                        className="soft"
                        style={{
                          padding: '18px 4px 0',
                          fontFamily: FONT,
                          fontSize: 12,
                          lineHeight: '18px',
                          color: '#5a6072',
                        }}
                      >
                        {look.words('common.footer', { product: look.product, host: new URL(look.url).host })}
                      </td>
                    </tr>
                  </tbody>
                </table>
              </td>
            </tr>
          </tbody>
        </table>
      </body>
    </html>
  )
}
