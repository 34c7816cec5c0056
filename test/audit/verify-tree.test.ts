import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeCheckpoint } from '../../src/audit/checkpoint.ts'
import { leafHash } from '../../src/audit/entry.ts'
import { hashOf } from '../../src/audit/merkle.ts'
import { signNote, writeNote } from '../../src/audit/note.ts'
import { growTiles, nodeReader } from '../../src/audit/tiles.ts'
import { verifyTree, type TreeLeaf, type TreeVerdict } from '../../src/audit/verify-tree.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'
const { privateKey } = generateKeyPairSync('ed25519')
const verifier = { name: ORIGIN, publicKey: createPublicKey(privateKey) }

const MOST = 600
const leaves = Array.from({ length: MOST }, (_, place) => leafHash(Buffer.from(`entry ${place}`)))

function noteAt(size: number, of: readonly Buffer[] = leaves): string {
  const root = hashOf({ start: 0, end: size }, nodeReader(growTiles(0, [], of.slice(0, size))))
  return writeNote(signNote(writeCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, privateKey))
}

const whole = (size: number): TreeLeaf[] => leaves.slice(0, size).map((leaf) => ({ fromBody: leaf, fromTile: leaf }))
const another = leafHash(Buffer.from('another'))

async function* listed(places: readonly TreeLeaf[]): AsyncGenerator<TreeLeaf> {
  for (const place of places) yield await Promise.resolve(place)
}
const verify = (places: readonly TreeLeaf[], notes: readonly string[]): Promise<TreeVerdict> =>
  verifyTree(listed(places), notes, { verifier })

/** Sizes of checkpoints, and a place below the last of them. */
const signedLogs = fc
  .uniqueArray(fc.integer({ min: 1, max: MOST }), { minLength: 1, maxLength: 6 })
  .chain((sizes) =>
    fc.record({ sizes: fc.constant(sizes), at: fc.nat({ max: Math.max(...sizes) - 1 }), beyond: fc.nat({ max: 40 }) }),
  )

test('a log that was only added to since is whole', async () => {
  await fc.assert(
    fc.asyncProperty(signedLogs, async ({ sizes, beyond }) => {
      const last = Math.max(...sizes)
      const size = Math.min(MOST, last + beyond)
      const notes = sizes.map((at) => noteAt(at))
      expect(await verify(whole(size), notes)).toEqual({
        state: 'whole',
        leaves: size,
        checkpoints: sizes.length,
        signed: last,
      })
    }),
    { numRuns: 100 },
  )
})

test('an entry that was changed, removed or put in below the last checkpoint is named', async () => {
  const changes = fc.constantFrom<(places: TreeLeaf[], at: number) => unknown>(
    (places, at) => (places[at] = { fromBody: another, fromTile: leaves[at] ?? another }),
    (places, at) => (places[at] = { fromBody: null, fromTile: leaves[at] ?? another }),
  )
  await fc.assert(
    fc.asyncProperty(signedLogs, changes, async ({ sizes, at }, change) => {
      const places = whole(MOST)
      change(places, at)
      const verdict = await verify(
        places,
        sizes.map((size) => noteAt(size)),
      )
      expect(verdict).toMatchObject({ state: 'tampered', index: at })
    }),
    { numRuns: 200 },
  )
})

test('where the tiles were rewritten as well, the place behind the last checkpoint that fits is named', async () => {
  await fc.assert(
    fc.asyncProperty(signedLogs, async ({ sizes, at }) => {
      const places = whole(MOST)
      places[at] = { fromBody: another, fromTile: another }
      const verdict = await verify(
        places,
        sizes.map((size) => noteAt(size)),
      )
      const good = Math.max(0, ...sizes.filter((size) => size <= at))
      expect(verdict).toMatchObject({ state: 'tampered', index: good })
    }),
    { numRuns: 200 },
  )
})

test('a log that was cut below a checkpoint is named by its end', async () => {
  expect(await verify(whole(299), [noteAt(200), noteAt(300)])).toMatchObject({ state: 'tampered', index: 299 })
  expect(await verify([], [noteAt(300)])).toMatchObject({ state: 'tampered', index: 0 })
})

test('what cannot be decided is never whole', async () => {
  const stranger = generateKeyPairSync('ed25519').privateKey
  const foreign = writeNote(
    signNote(writeCheckpoint({ origin: ORIGIN, size: 1, root: leaves[0] ?? another }), ORIGIN, stranger),
  )
  const nonsense = writeNote(signNote('no checkpoint\n', ORIGIN, privateKey))
  for (const notes of [
    [],
    ['nonsense'],
    [nonsense],
    [noteAt(3), foreign],
    [noteAt(3).replace(ORIGIN, 'another.log/1')],
  ]) {
    expect(await verify(whole(3), notes)).toMatchObject({ state: 'undecided' })
  }
})
