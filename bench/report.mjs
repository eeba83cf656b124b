/** Figures as a person reads them. */

export const ms = (value) =>
  !Number.isFinite(value)
    ? '–'
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(value >= 1 ? 2 : 3)

export const count = (value) => (value >= 100 ? Math.round(value).toLocaleString('en-GB') : value.toFixed(1))

export const times = (value) => (Number.isFinite(value) ? `${value.toFixed(value >= 10 ? 0 : 2)}×` : '–')

/** A table in Markdown with its columns aligned; the first to the left, the others to the right. */
export function table(head, rows) {
  const widths = head.map((name, column) =>
    Math.max(3, name.length, ...rows.map((row) => String(row[column] ?? '').length)),
  )
  const line = (cells) =>
    `| ${cells.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[column]) : String(cell ?? '').padStart(widths[column]))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? `:${'-'.repeat(width + 1)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
