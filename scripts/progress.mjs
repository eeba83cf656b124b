/** One line that says what is going on and for how long; on a terminal it is redrawn, elsewhere printed once. */
export function progressLine(out = process.stdout) {
  let text = ''
  let since = 0
  let timer
  const seconds = () => ((performance.now() - since) / 1000).toFixed(0)
  const draw = () => out.write(`\r\x1b[2K  ${text} … ${seconds()} s`)
  const finish = () => {
    clearInterval(timer)
    if (!text) return
    if (out.isTTY) out.write('\r\x1b[2K')
    text = ''
  }
  return {
    say: (next) => {
      finish()
      text = next
      since = performance.now()
      if (!out.isTTY) out.write(`  ${text} …\n`)
      else {
        draw()
        timer = setInterval(draw, 1000)
        timer.unref()
      }
    },
    end: finish,
  }
}
