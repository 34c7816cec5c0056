import { readFileSync } from 'node:fs'
import { visitSftp } from '../src/ingest/sources/file-sftp.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import type { SftpTask } from './sftp.ts'
import { answer } from './task.ts'

/** The product's own path of a file from an SFTP server to its private copy. */
const { transport, directory, name, bytes, secrets } = JSON.parse(readFileSync(0, 'utf8')) as SftpTask
const visit = visitSftp(transport, { directory, secrets, egress: createEgressGuard(['loopback']) })
const startedAt = performance.now()
const copied = await visit(async ({ open }) => {
  const copy = await open(name, bytes)
  const { size } = await copy.stat()
  await copy.close()
  return size
})
answer(copied, startedAt)
