import { createServer } from 'node:http'
import { announce, stopOnSignal } from '../demo/departments/serve.ts'
import { listen } from '../test/support/listen.ts'

/** A receiver that only acknowledges: it takes each body to its end and answers 200. */
const server = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(200).end())
})
const port = await listen(server)
stopOnSignal(server, () => Promise.resolve())
announce({ listening: `http://127.0.0.1:${port}/` })
