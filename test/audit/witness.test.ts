import { createPublicKey, generateKeyPairSync, hash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeCheckpoint } from '../../src/audit/checkpoint.ts'
import { cosign, cosignedAt } from '../../src/audit/cosignature.ts'
import { consistencyRanges, hashOf } from '../../src/audit/merkle.ts'
import { readNote, readVerifier, signNote, writeNote, writeSignature, writeVerifier } from '../../src/audit/note.ts'
import { growTiles, nodeReader } from '../../src/audit/tiles.ts'
import { readSubmission, writeSubmission } from '../../src/audit/witness.ts'
import { buildWitnessServer } from '../../src/http/witness-server.ts'
import { openWitness } from '../../src/jobs/witness-state.ts'
import { codeOf } from '../support/coded-error.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'
const NAME = 'witness.example.gov.cn/w1'
const log = generateKeyPairSync('ed25519')
const own = generateKeyPairSync('ed25519')
const verifier = { name: NAME, publicKey: own.publicKey }
const state = mkdtempSync(path.join(tmpdir(), 'gridbridge-witness-'))
afterAll(() => rmSync(state, { recursive: true }))

const leavesOf = (size: number, salt = ''): readonly Buffer[] =>
  Array.from({ length: size }, (_, place) => hash('sha256', `${salt}${place}`, 'buffer'))

interface Sent {
  readonly oldSize?: number
  readonly size: number
  readonly leaves?: readonly Buffer[]
  readonly key?: typeof log.privateKey
  readonly origin?: string
}

/** What the signer of a log with these leaves sends. */
function submissionOf({
  oldSize = 0,
  size,
  leaves = leavesOf(size),
  key = log.privateKey,
  origin = ORIGIN,
}: Sent): string {
  const read = nodeReader(growTiles(0, [], leaves))
  const root = hashOf({ start: 0, end: size }, read)
  const proof = consistencyRanges(Math.min(oldSize, size), { start: 0, end: size }).map((range) => hashOf(range, read))
  return writeSubmission({ oldSize, proof, note: signNote(writeCheckpoint({ origin, size, root }), origin, key) })
}

const open = (isNewLog: boolean) =>
  buildWitnessServer(
    openWitness({
      name: NAME,
      privateKey: own.privateKey,
      logs: [{ name: ORIGIN, publicKey: createPublicKey(log.privateKey) }],
      state,
      isNewLog,
    }),
  )

let server = open(true)
const send = (payload: string) => server.inject({ method: 'POST', url: '/add-checkpoint', payload })

describe('a cosignature', () => {
  const note = signNote(`${ORIGIN}\n0\n${hash('sha256', '', 'base64')}\n`, ORIGIN, log.privateKey)

  test('is laid out as C2SP tlog-cosignature has it, by a key of type 4', () => {
    const { bytes } = cosign(note.text, NAME, own.privateKey, 1_679_315_147)
    const raw = own.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
    const id = hash('sha256', Buffer.concat([Buffer.from(`${NAME}\n`), Buffer.from([4]), raw]), 'buffer').subarray(0, 4)
    expect(bytes.subarray(0, 12).toString('hex')).toBe(`${id.toString('hex')}00000000641850cb`)
    expect(bytes).toHaveLength(4 + 8 + 64)
    expect(writeVerifier(verifier, 'cosignature')).toMatch(new RegExp(`^${NAME}\\+${id.toString('hex')}\\+B`))
    expect(readVerifier(writeVerifier(verifier, 'cosignature'), 'cosignature')?.name).toBe(NAME)
    expect(readVerifier(writeVerifier(verifier, 'cosignature'))).toBeNull()
    expect(readVerifier(writeVerifier(verifier), 'cosignature')).toBeNull()
  })

  test('holds for its text, its time and its witness alone', () => {
    const made = cosign(note.text, NAME, own.privateKey, 1_679_315_147)
    const cosigned = { ...note, signatures: [...note.signatures, made] }
    expect(cosignedAt(cosigned, verifier)).toBe(1_679_315_147)
    expect(cosignedAt(note, verifier)).toBeNull()
    expect(cosignedAt({ ...cosigned, text: note.text.replace('0', '1') }, verifier)).toBeNull()
    expect(cosignedAt(cosigned, { ...verifier, publicKey: log.publicKey })).toBeNull()
    for (const at of [0, 11, 12, 75]) {
      const bytes = Buffer.from(made.bytes)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      expect(cosignedAt({ ...note, signatures: [{ name: NAME, bytes }] }, verifier), `byte ${at}`).toBeNull()
    }
    expect(cosignedAt({ ...note, signatures: [{ name: NAME, bytes: made.bytes.subarray(0, 8) }] }, verifier)).toBeNull()
  })
})

test('the published example of a submission is read, and nothing that is laid out otherwise', () => {
  const example = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`
  const read = readSubmission(example)
  expect([read?.oldSize, read?.proof.length, read?.note.signatures.length]).toEqual([20_852_014, 4, 2])
  expect(read === null ? '' : writeSubmission(read)).toBe(example)
  const wrong = [
    example.replace('old ', 'old  '),
    example.replace('20852014', '020852014'),
    example.replace('old 20852014\n', ''),
    example.replace('PlRN', 'Pl!N'),
    example.replace('=\n\nexample', '=\nexample'),
    `old 1\n${'PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n'.repeat(64)}${example.slice(example.indexOf('\n\n') + 1)}`,
  ]
  for (const text of wrong) expect(readSubmission(text), text.slice(0, 60)).toBeNull()
})

describe('a witness', () => {
  const cosignedBy = (sent: string, answered: string) => {
    const note = readNote(`${writeNote(readSubmission(sent)?.note ?? { text: '', signatures: [] })}${answered}`)
    return note === null ? null : cosignedAt(note, verifier)
  }

  test('cosigns a log that grows, again as often as it is asked', async () => {
    for (const [oldSize, size] of [
      [0, 5],
      [5, 300],
      [300, 300],
      [300, 301],
    ] as const) {
      const sent = submissionOf({ oldSize, size })
      const answer = await send(sent)
      expect(answer.statusCode, `${oldSize} to ${size}`).toBe(200)
      const seconds = cosignedBy(sent, answer.body)
      expect(Math.abs((seconds ?? 0) - Date.now() / 1000)).toBeLessThan(5)
    }
  })

  const other = leavesOf(300, 'x')
  const refusals: readonly (readonly [string, number, string])[] = [
    ['nothing that can be read', 400, 'old 301\n'],
    ['an old size above the new one', 400, submissionOf({ oldSize: 302, size: 301 })],
    ['a log that it does not watch', 404, submissionOf({ oldSize: 301, size: 302, origin: 'another/1' })],
    ['another key', 403, submissionOf({ oldSize: 301, size: 302, key: own.privateKey })],
    ['an old size that it did not cosign last', 409, submissionOf({ oldSize: 300, size: 302 })],
    ['a shorter log', 409, submissionOf({ oldSize: 0, size: 200 })],
    ['another tree of the same size', 409, submissionOf({ oldSize: 301, size: 301, leaves: leavesOf(301, 'x') })],
    ['a fork', 422, submissionOf({ oldSize: 301, size: 400, leaves: [...other, ...leavesOf(100)] })],
    [
      'a fork in the last entry',
      422,
      submissionOf({ oldSize: 301, size: 302, leaves: [...leavesOf(300), ...leavesOf(2, 'y')] }),
    ],
    [
      'a proof too long',
      422,
      submissionOf({ oldSize: 301, size: 302 }).replace('\n\n', `\n${hash('sha256', '', 'base64')}\n\n`),
    ],
  ]

  test.each(refusals)('refuses %s with %d', async (_what, status, sent) => {
    const answer = await send(sent)
    expect(answer.statusCode).toBe(status)
    const told = status === 409 ? ['301\n', 'text/x.tlog.size'] : ['', 'text/plain; charset=utf-8']
    expect([answer.body, answer.headers['content-type']]).toEqual(told)
  })

  test('of submissions that come at once takes one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, turn) => send(submissionOf({ oldSize: 301, size: 302 + turn }))),
    )
    expect(answers.map(({ statusCode }) => statusCode).toSorted((one, next) => one - next)).toEqual([
      200,
      ...Array<number>(7).fill(409),
    ])
  })

  test('knows after a restart what it cosigned, and does not start where that was lost', async () => {
    const { body } = await send(submissionOf({ oldSize: 0, size: 1 }))
    await server.close()
    server = open(false)
    expect((await send(submissionOf({ oldSize: 0, size: 1 }))).body).toBe(body)
    const size = Number(body)
    expect(
      (await send(submissionOf({ oldSize: size, size: size + 9, leaves: leavesOf(size + 9, 'x') }))).statusCode,
    ).toBe(422)
    for (const file of readdirSync(state)) rmSync(path.join(state, file))
    expect(await codeOf(() => Promise.resolve().then(() => open(false)))).toBe('AUDIT_FORKED')
  })
})

test('a line is written as a note has it', () => {
  expect(writeSignature({ name: NAME, bytes: Buffer.from([1, 2, 3]) })).toBe(`— ${NAME} AQID\n`)
})
