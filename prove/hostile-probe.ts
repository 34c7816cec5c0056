/** Somebody else's requests, in a thread of its own so that nothing but the server keeps them waiting. Ends when it is told anything. */
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

export interface Probed {
  readonly asked: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly failed: number
}

const { base, authorization } = workerData as { readonly base: string; readonly authorization: string }
const EVERY_MS = 30
const taken: number[] = []
let failed = 0
const ending = new AbortController()
parentPort?.once('message', () => ending.abort())

while (!ending.signal.aborted) {
  const begun = performance.now()
  const url = taken.length % 2 === 0 ? '/readyz' : '/api/v1/account'
  const response = await fetch(base + url, { headers: { authorization } }).catch(() => null)
  await response?.arrayBuffer()
  if (response?.status !== 200) failed += 1
  taken.push(performance.now() - begun)
  await wait(EVERY_MS)
}
const sorted = taken.toSorted((one, other) => one - other)
const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
const probed: Probed = { asked: taken.length, p50: at(0.5), p99: at(0.99), failed }
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(probed)
