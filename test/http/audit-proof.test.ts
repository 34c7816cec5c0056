import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openJudge, type Judge } from '../../prove/judges.ts'
import { openSignedLog, type SignedLog } from '../support/evidence.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerAccount, type RegisteredAccount } from '../support/ledger.ts'
import { bearerOf, openDoor } from './door.ts'

let installation: TestInstallation
let server: FastifyInstance
let log: SignedLog
let judge: Judge
let folder: string
let auditor: RegisteredAccount
let engineer: RegisteredAccount

beforeAll(async () => {
  installation = await openTestInstallation('audit-proof', 3)
  server = await openDoor(installation)
  folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-proof-'))
  auditor = await registerAccount(installation, 'auditor-one', 'audit-administrator')
  engineer = await registerAccount(installation, 'system-one', 'system-administrator')
  log = openSignedLog(installation, folder)
  judge = openJudge('node')
})
afterAll(async () => {
  await judge.close()
  await log.close()
  await server.close()
  await installation.close()
  rmSync(folder, { recursive: true })
})

async function ask(client: RegisteredAccount, entryId: string) {
  const headers = { authorization: await bearerOf(server, client) }
  return server.inject({ url: `/api/v1/audit/entries/${entryId}/proof`, headers })
}

const idAt = async (place: string): Promise<string> => {
  const [row] = await installation.asOwner<{ id: string }>(
    `select entry_id as id from audit.entry left join audit.tree_leaf using (lane_id, lane_seq) where ${place} limit 1`,
  )
  return row?.id ?? ''
}

test('an audit administrator gets a proof that a verifier confirms, and the log tells of it', async () => {
  await log.grow(300)
  const entryId = await idAt('leaf_index = 257')
  const answer = await ask(auditor, entryId)
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8'])
  const file = path.join(folder, 'one.tlog-proof')
  writeFileSync(file, answer.body)
  expect(await judge.judge(['entry', file, '--verifier', log.verifier])).toMatchObject({ state: 'whole', index: 257 })
  const [told] = await installation.asOwner<{ actor: string; body: Buffer }>(
    `select actor, body from audit.entry where event_type = 'evidence.proven'`,
  )
  expect(told?.actor).toBe('account:auditor-one')
  expect(JSON.parse(told?.body.toString() ?? '')).toMatchObject({ object: `entry/${entryId}` })
})

test('nobody else does, and what is not there or not signed is not proven', async () => {
  const entryId = await idAt('leaf_index = 0')
  expect((await ask(engineer, entryId)).json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
  const unknown = await ask(auditor, '00000000-0000-4000-8000-000000000000')
  expect(unknown.json()).toMatchObject({ status: 404, code: 'EVIDENCE_EMPTY' })
  await installation.asOwner('delete from audit.checkpoint')
  expect((await ask(auditor, entryId)).json()).toMatchObject({ status: 409, code: 'EVIDENCE_UNSIGNED' })
})
