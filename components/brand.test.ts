import { describe, expect, it } from 'vitest'
import { brandShades, brandSheet, contrast } from './brand'

const COLORS = [
  '#4353c9',
  '#000000',
  '#ffffff',
  '#ffdd00',
  '#00ff88',
  '#ff0055',
  '#777777',
  '#101820',
  '#f5f5f5',
]
const GROUND = { light: ['#ffffff', '#f0f1f5'], dark: ['#16171d', '#262832'] } as const

describe('brand colour', () => {
  it('measures contrast as WCAG does', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5)
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.478, 2)
  })

  for (const theme of ['light', 'dark'] as const) {
    it.each(COLORS)(`makes %s readable in the ${theme} theme`, (color) => {
      const { brand, hover, foreground, ink } = brandShades(color, theme)
      expect(contrast(brand, foreground)).toBeGreaterThanOrEqual(4.5)
      expect(contrast(hover, foreground)).toBeGreaterThanOrEqual(4.5)
      for (const ground of GROUND[theme]) {
        expect(contrast(brand, ground)).toBeGreaterThanOrEqual(3)
        expect(contrast(ink, ground)).toBeGreaterThanOrEqual(4.5)
      }
    })
  }

  it('whatever_colour_an_operator_chooses_text_on_it_can_be_read', () => {
    const steps = ['00', '33', '66', '80', '99', 'cc', 'ff']
    for (const r of steps)
      for (const g of steps)
        for (const b of steps)
          for (const theme of ['light', 'dark'] as const) {
            const color = `#${r}${g}${b}`
            const { brand, hover, foreground, ink } = brandShades(color, theme)
            const on = [contrast(brand, foreground), contrast(hover, foreground)]
            const ground = GROUND[theme].map((one) => contrast(ink, one))
            expect(Math.min(...on, ...ground), `${color} ${theme}`).toBeGreaterThanOrEqual(4.5)
          }
  })

  it('keeps a colour that is fit already', () => {
    expect(brandShades('#4353c9', 'light').brand).toBe('#4353c9')
  })

  it('css_injection_by_brand_colour_refused', () => {
    expect(brandSheet('red}body{display:none')).toBe('')
    expect(brandSheet('#4353c9</style>')).toBe('')
  })
})
