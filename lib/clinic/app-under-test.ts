/** What is done with the app under test, and how it is seen whether somebody is signed in there. */
import { randomBytes } from 'node:crypto'
import { Agent, type Left, type Page, Trouble } from './agent'
import type { CheckId } from './checks'
import { formsOf } from './forms'
import type { Asked, Grant, Patient, StandIn } from './stand-in'
import { ELSEWHERE, logoutToken, type Person } from './tokens'

export interface Where {
  /** Loading it begins a sign-in, or the press of a button that is there. */
  startUrl: URL
  /** What stands on that button, where there are several. */
  press?: string
  /** Looks different to whoever is signed in; null: where a sign-in ends. */
  signedInUrl: URL | null
}

/** Words that only one sign-in has, by what they are; found on a page they tell who is signed in. */
type Words = Record<'sub' | 'name' | 'email' | 'info', string>

/** A sign-in that the app began and that waits for its answer. */
export interface Begun {
  agent: Agent
  asked: Asked
}

export interface SignIn extends Begun {
  grant: Grant
  words: Words
  answer: Page | Left
}

const isLeft = (page: Page | Left): page is Left => 'to' in page
const place = ({ url }: Page): string => `${url.origin}${url.pathname}`

const word = (): string => `x${randomBytes(6).toString('hex')}`

export class AppUnderTest {
  readonly #home: ReadonlySet<string>
  #signedInUrl: URL | null
  #out: Page | null = null
  #in: Page | null = null
  #shown: (keyof Words)[] = []

  constructor(
    readonly standIn: StandIn,
    private readonly where: Where,
  ) {
    const { redirectUris, frontchannelLogoutUri } = standIn.patient
    const addresses = [where.startUrl.href, where.signedInUrl?.href, frontchannelLogoutUri, ...redirectUris]
    this.#home = new Set(
      addresses
        .flatMap((at) => (at && URL.canParse(at) ? new URL(at).origin : []))
        .filter((o) => o !== 'null'),
    )
    this.#signedInUrl = where.signedInUrl
  }

  get patient(): Patient {
    return this.standIn.patient
  }

  browser = (): Agent => new Agent(this.#home)

  /** Whether it sends sign-ins here already. @throws Trouble that says what stands against it */
  async isReady(): Promise<void> {
    await this.begin()
  }

  /** Presses "sign in". @throws Trouble */
  async begin(agent = this.browser()): Promise<Begun> {
    const { startUrl } = this.where
    let page = await agent.load(startUrl)
    if (!isLeft(page)) page = await this.#press(agent, page)
    if (!isLeft(page))
      throw new Trouble(
        `${startUrl.href} answers ${page.status} and sends nobody to sign in.`,
        'Give with --start-url the address whose loading begins a sign-in, or where a button does that works without script.',
      )
    if (!this.standIn.isAuthorization(page.to))
      throw new Trouble(
        `The app sends people to ${page.to.origin}${page.to.pathname} to sign in, not to the clinic.`,
        `Set the issuer of its test instance to ${this.standIn.issuer} and start it again.`,
      )
    return { agent, asked: this.standIn.asked(page.to) }
  }

  /** Presses the button of a page, if there is one. @throws Trouble when there are several to choose from */
  async #press(agent: Agent, page: Page): Promise<Page | Left> {
    const { press } = this.where
    const all = await formsOf(page)
    const meant = press ? all.filter(({ text }) => text.toLowerCase().includes(press.toLowerCase())) : all
    const [form] = meant
    if (!form) return page
    if (meant.length > 1)
      throw new Trouble(
        `${page.url.href} has ${meant.length} buttons.`,
        'Say with --press what stands on the one that signs in through the portal.',
      )
    return await agent.load(form.action, { fields: form.fields, from: page.url.origin })
  }

  /** Makes somebody new for a sign-in, with a mistake or without. */
  grantFor(asked: Asked, mistake: CheckId | null, again?: SignIn): { grant: Grant; words: Words } {
    const words = again?.words ?? { sub: word(), name: word(), email: word(), info: word() }
    const person: Person = again?.grant.person ?? {
      sub: `clinic-${words.sub}`,
      sid: `session-${word()}`,
      name: `Robin ${words.name}`,
      email: `${words.email}@clinic.example`,
    }
    return { grant: this.standIn.grant(asked, person, `Robin ${words.info}`, mistake), words }
  }

  /** The answer that a good provider gives. */
  answerTo({ asked, code }: Pick<Grant, 'asked' | 'code'>): Record<string, string> {
    return { code, ...(asked.state !== null && { state: asked.state }), iss: this.standIn.issuer }
  }

  /** Brings an answer to the app's redirect URI, as a browser would. */
  async deliver({ agent, asked }: Begun, params: Record<string, string>): Promise<Page | Left> {
    const url = new URL(asked.redirectUri)
    if (asked.responseMode === 'form_post')
      return agent.load(url, {
        fields: new URLSearchParams(params),
        from: new URL(this.standIn.issuer).origin,
      })
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
    return agent.load(url)
  }

  /** A whole sign-in in a browser of its own, with one mistake in the tokens or none. */
  async signIn(mistake: CheckId | null = null, again?: SignIn): Promise<SignIn> {
    const begun = await this.begin()
    const { grant, words } = this.grantFor(begun.asked, mistake, again)
    return { ...begun, grant, words, answer: await this.deliver(begun, this.answerTo(grant)) }
  }

  /** Read twice: what is said once, such as why something failed, says nothing about who is signed in. */
  async #look(agent: Agent): Promise<Page | null> {
    if (!this.#signedInUrl) return null
    await agent.load(this.#signedInUrl)
    const page = await agent.load(this.#signedInUrl)
    return isLeft(page) ? { url: page.to, status: 302, body: '' } : page
  }

  /**
   * Learns from a good sign-in how the app looks to whoever is signed in.
   * @returns false when it looks the same to everybody
   */
  async learn(signIn: SignIn): Promise<boolean> {
    const { answer, agent, words } = signIn
    this.#signedInUrl ??= isLeft(answer) ? null : answer.url
    const [out, inside] = [await this.#look(this.browser()), await this.#look(agent)]
    if (!out || !inside) return false
    this.#out = out
    this.#in = inside
    this.#shown = (Object.keys(words) as (keyof Words)[]).filter((name) => inside.body.includes(words[name]))
    return this.#shown.length > 0 || place(out) !== place(inside) || out.status !== inside.status
  }

  /** Whether userinfo can be seen on the page. */
  get showsUserinfo(): boolean {
    return this.#shown.includes('info')
  }

  /** Whether a sign-in is seen by these words alone, so that nothing is seen without them. */
  hangsOn(...names: (keyof Words)[]): boolean {
    const [out, inside] = [this.#out, this.#in]
    const placed = out && inside && (place(out) !== place(inside) || out.status !== inside.status)
    return !placed && this.#shown.every((one) => names.includes(one))
  }

  /** Whether the browser is signed in, as any of these people; null: that cannot be told. */
  async isSignedIn(agent: Agent, ...people: Words[]): Promise<boolean | null> {
    const page = await this.#look(agent)
    const [out, inside] = [this.#out, this.#in]
    if (!page || !out || !inside) return null
    if (people.some((words) => Object.values(words).some((one) => page.body.includes(one)))) return true
    const like = (other: Page) => page.status === other.status && place(page) === place(other)
    if (like(out)) return false
    return like(inside) ? true : null
  }

  /** Whether a page that is shown to this browser holds the word. */
  async shows(agent: Agent, text: string): Promise<boolean> {
    return (await this.#look(agent))?.body.includes(text) ?? false
  }

  /** Posts a logout token to the app, as the portal would. @returns the status of its answer */
  async logout(token: string): Promise<number> {
    const url = this.patient.backchannelLogoutUri ?? ''
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(15_000),
      body: new URLSearchParams({ logout_token: token }),
    }).catch(() => {
      throw new Trouble(`${url} does not answer.`)
    })
    await answer.body?.cancel()
    return answer.status
  }

  logoutToken = (person: Person, mistake: CheckId | null): Promise<string> =>
    logoutToken(
      { issuer: this.standIn.issuer, clientId: this.patient.clientId, person },
      this.standIn.signing,
      mistake,
    )

  /** Loads the front-channel logout address in the person's browser, as a page of the portal would. */
  async frontLogout({ agent, grant }: SignIn, mistake: CheckId | null): Promise<void> {
    const url = new URL(this.patient.frontchannelLogoutUri ?? '')
    const { sid } = grant.person
    url.searchParams.set('iss', mistake === 'front_iss' ? ELSEWHERE : this.standIn.issuer)
    url.searchParams.set('sid', mistake === 'front_sid' ? `${sid}-other` : sid)
    await agent.load(url)
  }
}
