/** A second process for the tests: drains the queue and writes a line for each thing it sends. */
import { appendFileSync } from 'node:fs'
import { closeDb } from '../base/db'
import { drain, handle } from './index'

const file = process.argv[2] ?? ''
handle('test', async (delivery) => {
  appendFileSync(file, `${delivery.id}\n`)
})
if (process.argv[3] === 'die') {
  handle('test', async (delivery) => {
    appendFileSync(file, `${delivery.id}\n`)
    process.kill(process.pid, 'SIGKILL')
  })
}
await drain()
await closeDb()
