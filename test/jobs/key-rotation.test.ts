import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import {
  announceSealingKey,
  retireKey,
  rewrapKeys,
  stepRotation,
  type RotationContext,
  type RotationStep,
} from '../../src/jobs/key-rotation.ts'
import { makeHolder } from '../../src/jobs/key-refresh.ts'
import { openKeyRing } from '../../src/security/key-ring.ts'
import { openLiveKeyRing, type LiveKeyRing } from '../../src/security/live-key-ring.ts'
import { openBytes, seal } from '../../src/security/seal.ts'
import { readDataKeys } from '../../src/store/data-keys.ts'
import { tellHeldKeys } from '../../src/store/key-holders.ts'
import { countSealedBy, lockSealedBy, sealedPlaces, type SealedValue } from '../../src/store/sealed-values.ts'
import type { CorrectionsStage } from '../http/corrections-stage.ts'
import { codeOf } from '../support/coded-error.ts'
import type { TestInstallation } from '../support/installation.ts'
import { residentRows } from '../support/ledger.ts'
import { openSealedStage } from '../support/sealed-stage.ts'

const OLD = 1
const NEW = 8
const kek = Buffer.from(inject('keyEncryptionKey'), 'base64')
const otherKek = Buffer.alloc(32, 5)
const provider = { name: 'test', load: () => Promise.resolve([kek]) }

let stage: CorrectionsStage
let installation: TestInstallation
let keys: LiveKeyRing
let context: RotationContext

beforeEach(async () => {
  stage = await openSealedStage('key-rotation')
  installation = stage.installation
  keys = await openLiveKeyRing(provider, await readDataKeys(installation.database.query))
  context = { database: installation.database, keys, actor: 'operator:test', drainMs: 0 }
})
afterEach(() => stage.close())

const refresh = async (): Promise<void> => keys.refresh(await readDataKeys(installation.database.query))
const announce = (suite: 'standard' | 'gm' = 'standard', keyEncryptionKey: Buffer = kek): Promise<number> =>
  announceSealingKey(context, { keyEncryptionKey, suite })

async function step(): Promise<RotationStep> {
  await refresh()
  return stepRotation(context)
}

async function rotateToEnd(): Promise<RotationStep> {
  for (;;) {
    const done = await step()
    if (done.state === 'done' || done.state === 'none') return done
  }
}

/** Every sealed value that names one of these keys, by its place. */
async function valuesOf(...ids: readonly number[]): Promise<ReadonlyMap<string, readonly SealedValue[]>> {
  const found = new Map<string, readonly SealedValue[]>()
  for (const place of sealedPlaces) {
    const whole = { ...place, blocks: 1000 }
    found.set(`${place.table}.${place.column}`, await lockSealedBy(installation.database.query, whole, 0, ids))
  }
  return found
}

/** What all of it says in clear, in some order. */
async function clearTexts(ring: LiveKeyRing, ...ids: readonly number[]): Promise<readonly string[]> {
  const values = await valuesOf(...ids)
  return [...values]
    .flatMap(([place, held]) =>
      held.map(({ bound, sealed }) => `${place} ${bound} ${openBytes(ring.sealKey, bound, sealed).toString('latin1')}`),
    )
    .toSorted()
}

const places = (): Promise<readonly unknown[]> =>
  installation.asOwner(
    `select feed_id, source_record_id, version, change_tx, change_seq, changed_at, digest from gridbridge.record order by 1, 2`,
  )

const auditOf = (): Promise<readonly unknown[]> =>
  installation.asOwner(
    `select convert_from(body, 'UTF8')::jsonb->>'type' as type, actor, convert_from(body, 'UTF8')::jsonb->>'object' as object
       from audit.entry where event_type like 'key.%' order by lane_id, lane_seq`,
  )

describe('a rotation of the sealing key', () => {
  test('seals everything again, changes no record for those who follow changes, and destroys the old key', async () => {
    const before = await clearTexts(keys, OLD)
    for (const [place, values] of await valuesOf(OLD)) expect([place, values.length > 0]).toEqual([place, true])
    const changes = await places()
    expect(await announce()).toBe(NEW)
    expect(await rotateToEnd()).toMatchObject({ state: 'done', retired: [OLD] })
    expect(await clearTexts(keys, NEW)).toEqual(before)
    expect([...(await countSealedBy(installation.database.query)).keys()]).toEqual([NEW])
    expect(await places()).toEqual(changes)
    const [row] = await installation.asOwner('select wrapped, retired_at from gridbridge.data_key where key_id = 1')
    expect(row).toMatchObject({ wrapped: null, retired_at: expect.any(Date) as Date })
    const later = await openLiveKeyRing(provider, await readDataKeys(installation.database.query))
    expect(await codeOf(() => later.sealKey(OLD))).toBe('KEY_UNAVAILABLE')
    expect(await step()).toMatchObject({ state: 'none' })
  })

  test('is written into the audit log: who, and which keys', async () => {
    await announce()
    await rotateToEnd()
    const types = ['key.announced', 'key.active', 'key.retired']
    const entries = (await auditOf()) as readonly { readonly type: string; readonly actor: string }[]
    expect(entries.map(({ type }) => type).toSorted()).toEqual(types.toSorted())
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set(['operator:test']))
  })

  test('waits for every living process to open the new key, and for none that is gone', async () => {
    const { query } = installation.database
    const [slow, gone] = [makeHolder('slow'), makeHolder('gone')]
    await tellHeldKeys(query, slow, { newest: OLD, sealing: OLD })
    await tellHeldKeys(query, gone, { newest: OLD, sealing: OLD })
    await installation.asOwner(
      `update gridbridge.key_holder set seen_at = clock_timestamp() - interval '31 seconds' where process = 'gone'`,
    )
    await announce()
    expect(await step()).toMatchObject({ state: 'announced', waitsFor: 'slow to open key 8' })
    expect(keys.sealing.id).toBe(OLD)
    await tellHeldKeys(query, slow, { newest: NEW, sealing: OLD })
    await step()
    await refresh()
    expect(keys.sealing.id).toBe(NEW)
    // It opens both, but may still write what the old one sealed.
    await step()
    expect(await step()).toMatchObject({ state: 'sealing', waitsFor: 'slow to seal with key 8', retired: [] })
    await tellHeldKeys(query, slow, { newest: NEW, sealing: NEW })
    expect(await rotateToEnd()).toMatchObject({ state: 'done' })
  })

  test('destroys nothing before what is under way had time to end', async () => {
    await announce()
    context = { ...context, drainMs: 60_000 }
    await step()
    await step()
    expect(await step()).toMatchObject({
      state: 'sealing',
      waitsFor: expect.stringMatching(/^what is under way/) as string,
    })
    context = { ...context, drainMs: 0 }
    expect(await rotateToEnd()).toMatchObject({ state: 'done' })
  })

  test('that was asked for twice is one, and one that was broken off goes on', async () => {
    expect([await announce(), await announce()]).toEqual([NEW, NEW])
    await step()
    await refresh()
    let looks = 0
    const broken = await stepRotation(context, () => (looks += 1) > 1)
    expect(broken).toMatchObject({ state: 'sealing', complete: false })
    expect(broken.resealed).toBeGreaterThan(0)
    expect((await countSealedBy(installation.database.query)).get(OLD)).toBeGreaterThan(0)
    expect(await announce()).toBe(NEW)
    expect(await rotateToEnd()).toMatchObject({ state: 'done' })
  })

  test('never overwrites what is saved meanwhile, and takes it up in the next pass', async () => {
    await announce()
    await step()
    await refresh()
    const { promise: saved, resolve: save } = Promise.withResolvers<void>()
    const { promise: isHeld, resolve: held } = Promise.withResolvers<void>()
    const saving = installation.database.transaction(async ({ query }) => {
      const bound = `feed-secrets|${stage.feed.code}`
      const secrets = seal(keys.sealKey(OLD), bound, '{"saved":"meanwhile"}')
      await query('update feed set secrets = $2 where feed_id = $1', [stage.feed.feedId, secrets])
      held()
      await saved
    })
    await isHeld
    await stepRotation(context)
    save()
    await saving
    expect((await countSealedBy(installation.database.query)).get(OLD)).toBeGreaterThan(0)
    expect(await codeOf(() => retireKey(context, OLD))).toBe('KEY_IN_USE')
    expect(await rotateToEnd()).toMatchObject({ state: 'done' })
    const texts = await clearTexts(keys, NEW)
    expect(texts.filter((text) => text.endsWith('{"saved":"meanwhile"}'))).toHaveLength(1)
  })

  test('does not seal again what does not open, and keeps its key', async () => {
    await installation.asOwner(
      `update gridbridge.record set sealed = set_byte(sealed, 25, get_byte(sealed, 25) # 1) where ctid = '(0,1)'`,
    )
    await announce()
    await step()
    await step()
    expect(await step()).toMatchObject({ state: 'sealing', broken: 1, waitsFor: '1 values that do not open' })
    expect(await codeOf(() => retireKey(context, OLD))).toBe('KEY_IN_USE')
  })
})

describe('a process that was away', () => {
  test('cannot write what nobody could open: its key is gone, and it is told to do it again', async () => {
    const stale = openKeyRing(kek, await readDataKeys(installation.database.query))
    await announce()
    await rotateToEnd()
    const secrets = seal(stale.sealing, `feed-secrets|${stage.feed.code}`, '{}')
    const { query } = installation.database
    const write = (): Promise<unknown> =>
      query('update feed set secrets = $2 where feed_id = $1', [stage.feed.feedId, secrets])
    expect(await codeOf(write)).toBe('KEY_RETIRED')
    expect(await codeOf(() => stage.runRows(residentRows(60, 61)))).toBe('KEY_RETIRED')
    expect([...(await countSealedBy(query)).keys()]).toEqual([NEW])
  })

  test('that is writing with a key holds up its end, and its value is counted', async () => {
    await announce()
    await rotateOnce()
    const { promise: written, resolve: end } = Promise.withResolvers<void>()
    const { promise: isHeld, resolve: held } = Promise.withResolvers<void>()
    const writing = installation.database.transaction(async ({ query }) => {
      const secrets = seal(keys.sealKey(OLD), `feed-secrets|${stage.feed.code}`, '{}')
      await query('update feed set secrets = $2 where feed_id = $1', [stage.feed.feedId, secrets])
      held()
      await written
    })
    await isHeld
    const retiring = codeOf(() => retireKey(context, OLD))
    expect(await Promise.race([retiring, new Promise((resolve) => setTimeout(resolve, 300, 'waits'))])).toBe('waits')
    end()
    await writing
    expect(await retiring).toBe('KEY_IN_USE')
  })

  /** Everything is sealed again, and the old key is still there. */
  async function rotateOnce(): Promise<void> {
    context = { ...context, drainMs: 60_000 }
    while (!((await step()).waitsFor || '').startsWith('what is under way')) continue
  }
})

describe('a rotation of the key-encryption key', () => {
  test('wraps every data key again in one go; the old one opens nothing, and running processes go on', async () => {
    const before = await clearTexts(keys, OLD)
    const rewrapped = await rewrapKeys(context, [otherKek, kek], 'standard')
    expect(rewrapped.rewrapped).toBe(7)
    expect(await rewrapKeys(context, [otherKek, kek], 'standard')).toMatchObject({ rewrapped: 0 })
    const wrapped = await readDataKeys(installation.database.query)
    expect(await codeOf(() => openLiveKeyRing(provider, wrapped))).toBe('KEY_UNAVAILABLE')
    const fresh = await openLiveKeyRing({ name: 'test', load: () => Promise.resolve([otherKek]) }, wrapped)
    expect(await clearTexts(fresh, OLD)).toEqual(before)
    await refresh()
    expect(await clearTexts(keys, OLD)).toEqual(before)
    expect(fresh.token('subject', 'one')).toBe(keys.token('subject', 'one'))
    expect(await auditOf()).toMatchObject([{ type: 'key.rewrapped', actor: 'operator:test' }])
  })

  test('changes nothing where one data key opens under none of those given', async () => {
    const before = await readDataKeys(installation.database.query)
    expect(await codeOf(() => rewrapKeys(context, [otherKek], 'standard'))).toBe('KEY_UNAVAILABLE')
    expect(await readDataKeys(installation.database.query)).toEqual(before)
  })
})

test('an installation changes to the other suite and back; what was sealed before opens all the while', async () => {
  const before = await clearTexts(keys, OLD)
  for (const [suite, id, from] of [
    ['gm', NEW, OLD],
    ['standard', NEW + 1, NEW],
  ] as const) {
    expect(await announce(suite)).toBe(id)
    await step()
    await refresh()
    expect(keys.sealing.suite.name).toBe(suite)
    expect(await clearTexts(keys, from, id)).toEqual(before)
    expect(await rotateToEnd()).toMatchObject({ state: 'done', retired: [from] })
    expect(await clearTexts(keys, id)).toEqual(before)
    const [row] = await installation.asOwner<{ suite: number }>(
      'select get_byte(wrapped, 1) as suite from gridbridge.data_key where key_id = $1',
      [id],
    )
    expect(row?.suite).toBe(suite === 'gm' ? 2 : 1)
  }
})
