/** What axe finds wrong with a page as it stands: readable, named, of enough contrast (UI1). */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/**
 * In the page itself: axe's own adapter opens another page for each look.
 * @param rules only these; all of RULES where left out
 */
export async function axe(page: Page, ...rules: string[]): Promise<string[]> {
  // Half a megabyte to parse: once for each page that is loaded.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE)
  const what = rules.length > 0 ? { type: 'rule', values: rules } : { type: 'tag', values: RULES }
  return page.evaluate(async (runOnly) => {
    type Axe = {
      run(
        on: Document,
        how: object,
      ): Promise<{
        violations: { id: string; help: string; nodes: { target: unknown; failureSummary?: string }[] }[]
      }>
    }
    const { violations } = await (window as unknown as { axe: Axe }).axe.run(document, {
      runOnly,
      // A mail in its sandboxed frame never answers.
      iframes: false,
    })
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help} at ${node.target} ${node.failureSummary ?? ''}`),
    )
  }, what)
}
