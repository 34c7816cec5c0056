import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openBytes } from '../../src/security/seal.ts'
import { createWrappedKey, openDataKey, openKeyRing, type KeyRing } from '../../src/security/key-ring.ts'
import { readDataKeys } from '../../src/store/data-keys.ts'
import { lockSealedBy, sealedPlaces } from '../../src/store/sealed-values.ts'
import type { CorrectionsStage } from '../http/corrections-stage.ts'
import { codeOf } from '../support/coded-error.ts'
import { openSealedStage } from '../support/sealed-stage.ts'

/** Columns of bytes that hold no sealed value, and what they hold. */
const otherBytes: Readonly<Record<string, string>> = {
  'data_key.wrapped': 'data keys, under the key-encryption key',
  'record.subject': 'token',
  'record.digest': 'token',
  'rejection.source_token': 'token',
  'credential.secret_hash': 'token',
  'access_token.token_hash': 'token',
  'correction.content': 'keyed digest',
  'verification.content': 'keyed digest',
  'erased_record.token': 'token',
  'person_member.subject': 'token',
  'person_member.person': 'token',
  'person_conflict.person': 'token',
  'link_decision.subject': 'token',
  'export_draft.classes': 'keyed digests',
  'export_class.class': 'keyed digest',
  'account_request.first_half': 'keyed hash of an enrolment code',
  'sign_in.first_half': 'keyed hash of an enrolment code',
  'sign_in.second_half': 'keyed hash of an enrolment code',
  'export_part.subjects': 'tokens of persons for the audit log',
  'audit_report.digest': 'digest of a report',
}

/** Places whose values are bound to their owner alone and may change places among themselves: secrets of one client, cursors of one feed. */
const ofOneOwner: readonly ReadonlySet<string>[] = [
  new Set(['credential.sealed']),
  new Set(['subscription_secret.sealed']),
  new Set(['feed.cursor', 'feed.compare_cursor']),
]

interface Value {
  readonly place: string
  readonly bound: string
  readonly sealed: Buffer
}

let stage: CorrectionsStage
let keys: KeyRing
let values: readonly Value[]

beforeAll(async () => {
  stage = await openSealedStage('sealed-values')
  const { query } = stage.installation.database
  const kek = Buffer.from(inject('keyEncryptionKey'), 'base64')
  const wrapped = await readDataKeys(query)
  keys = openKeyRing(kek, [...wrapped, { ...createWrappedKey(kek, 9, 'seal', 'gm'), isActive: false }])
  const found: Value[] = []
  for (const place of sealedPlaces) {
    const held = await lockSealedBy(query, { ...place, blocks: 1000 }, 0, [1])
    found.push(...held.map(({ bound, sealed }) => ({ place: `${place.table}.${place.column}`, bound, sealed })))
  }
  values = found
})
afterAll(() => stage.close())

test('every column of bytes is a place of sealed values or is known to hold none, and no other column holds any', async () => {
  const columns = await stage.installation.asOwner<{ name: string; type: string }>(
    `select table_name || '.' || column_name as name, data_type as type from information_schema.columns
      where table_schema = 'gridbridge' and data_type in ('bytea', 'jsonb', 'json', 'text') order by 1`,
  )
  const places = new Set(sealedPlaces.map(({ table, column }) => `${table}.${column}`))
  const bytes = columns.filter(({ type }) => type === 'bytea').map(({ name }) => name)
  expect(bytes.filter((name) => !places.has(name) && !Object.hasOwn(otherBytes, name))).toEqual([])
  expect(Object.keys(otherBytes).filter((name) => !bytes.includes(name))).toEqual([])
  const names = new Set(columns.map(({ name }) => name))
  expect([...places].filter((name) => !names.has(name))).toEqual([])
  const elsewhere: string[] = []
  for (const { name } of columns.filter(({ type }) => type !== 'bytea')) {
    const [table, column] = name.split('.')
    // A sealed value in Base64 begins with its format and suite.
    const [row] = await stage.installation.asOwner<{ rows: number }>(
      `select count(*)::int as rows from gridbridge.${table} where "${column}"::text ~ '"sealed": ?"AQ[EI]A'`,
    )
    if ((row?.rows ?? 0) > 0) elsewhere.push(name)
  }
  expect(elsewhere.filter((name) => !places.has(name))).toEqual([])
})

test('whatever writes to a table of sealed values holds the keys that it names', async () => {
  const guarded = await stage.installation.asOwner<{ name: string }>(
    `select tgrelid::regclass::text || ' ' || tgname as name from pg_trigger where tgname like 'hold_keys_of_%'`,
  )
  const tables = [...new Set(sealedPlaces.map(({ table }) => table))]
  const wanted = tables.flatMap((table) => ['inserted', 'updated'].map((when) => `${table} hold_keys_of_${when}`))
  expect(guarded.map(({ name }) => name.replace('gridbridge.', '')).toSorted()).toEqual(wanted.toSorted())
})

test('every place holds something, and it opens as what it is bound to', () => {
  const filled = new Set(values.map(({ place }) => place))
  for (const { table, column } of sealedPlaces)
    expect([`${table}.${column}`, filled.has(`${table}.${column}`)]).toEqual([`${table}.${column}`, true])
  for (const { bound, sealed } of values) expect(openBytes(keys.sealKey, bound, sealed).length).toBeGreaterThan(0)
})

test('nothing opens in the place of anything else: not in another row, column or table', async () => {
  const moves = values.flatMap((one) => values.filter((other) => other !== one).map((other) => [one, other] as const))
  const refused: (readonly [string, string, string])[] = []
  for (const [one, other] of moves) {
    const isSame = one.bound === other.bound
    const isOfOneOwner = ofOneOwner.some((places) => places.has(one.place) && places.has(other.place))
    const code = await codeOf(() => openBytes(keys.sealKey, other.bound, one.sealed)).catch(() => 'opened')
    if (!(isSame && isOfOneOwner)) refused.push([one.place, other.place, code])
  }
  expect(refused.filter(([, , code]) => code !== 'SEAL_BROKEN')).toEqual([])
  expect(refused.length).toBeGreaterThan(1000)
})

test('nothing opens under another key, another suite or another format than it names', async () => {
  for (const { bound, sealed } of values) {
    const spoiled = [
      [0, 2],
      [1, 2],
      [3, 9],
      [2, 1],
    ].map(([at = 0, byte = 0]) => {
      const copy = Buffer.from(sealed)
      copy[at] = byte
      return copy
    })
    for (const copy of spoiled)
      expect(await codeOf(() => openBytes(keys.sealKey, bound, copy))).toMatch(/^(SEAL_BROKEN|KEY_UNAVAILABLE)$/)
  }
})

test('a wrapped data key does not open in the place of another', async () => {
  const kek = Buffer.from(inject('keyEncryptionKey'), 'base64')
  const wrapped = await readDataKeys(stage.installation.database.query)
  for (const one of wrapped)
    for (const other of wrapped.filter(({ id }) => id !== one.id))
      expect(await codeOf(() => openDataKey([kek], { ...other, wrapped: one.wrapped }))).toBe('KEY_UNAVAILABLE')
})
