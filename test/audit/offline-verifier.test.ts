import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openJudge, type Judge } from '../../prove/judges.ts'
import { createRandom } from '../../prove/random.ts'
import { consistencyRanges, hashOf, nodesOf } from '../../src/audit/merkle.ts'
import { writeProof } from '../../src/audit/tlog-proof.ts'
import { isSignedBySm2 } from '../../verifier/audit-verify.ts'
import { projectRoot } from '../support/command-line.ts'
import { hasPython } from '../support/evidence.ts'
import { alterPackage, flipBit } from './altered-package.ts'
import {
  addSm3Tree,
  createSigning,
  createSm2Signing,
  createWitness,
  makeEntries,
  makePackage,
  readerOf,
} from './made-package.ts'

// GB/T 32918.5-2017, annex A.2: signature of "message digest" with the default identity.
const published = {
  key: '0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13',
  signature:
    'f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa',
}

test('the published example of SM2 is right, and no other message, key or signature', () => {
  const [key, signature] = [Buffer.from(published.key, 'hex'), Buffer.from(published.signature, 'hex')]
  const message = Buffer.from('message digest')
  expect(isSignedBySm2(key, message, signature)).toBe(true)
  expect(isSignedBySm2(key, Buffer.from('message digesT'), signature)).toBe(false)
  expect(isSignedBySm2(flipBit(key, 8 * 40), message, signature)).toBe(false)
  for (const bit of [0, 255, 256, 511]) expect(isSignedBySm2(key, message, flipBit(signature, bit))).toBe(false)
  expect(isSignedBySm2(key, message, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false)
})

// RFC 8032 §7.1, tests 1 to 3: key, message, signature. GB/T 32905-2016, annex A: SM3 of "abc" and of "abcd" sixteen times.
const vectors = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, 'verifier')
import audit_verify as v
h = bytes.fromhex
ed = [
 ('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '', 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'),
 ('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72', '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'),
 ('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82', '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'),
]
for key, message, signature in ed:
    assert v.is_signed_by_ed25519(h(key), h(message), h(signature))
    assert not v.is_signed_by_ed25519(h(key), h(message) + b'x', h(signature))
    raised = int.from_bytes(h(signature)[32:], 'little') + v.ED_L
    assert not v.is_signed_by_ed25519(h(key), h(message), h(signature)[:32] + raised.to_bytes(32, 'little'))
assert v.pure_sm3(b'abc').hex() == '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'
assert v.pure_sm3(b'abcd' * 16).hex() == 'debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732'
key, signature = h('${published.key}'), h('${published.signature}')
assert v.is_signed_by_sm2(key, b'message digest', signature)
assert not v.is_signed_by_sm2(key, b'message digesT', signature)
assert not v.is_signed_by_sm2(key, b'message digest', signature[:63] + b'x')
print('right')
`

const signing = createSigning()
const entries = makeEntries(70)
const read = readerOf(entries)
const rootAt = (size: number): Buffer => hashOf({ start: 0, end: size }, read)

describe.skipIf(!(await hasPython()))('both implementations', () => {
  let folder: string
  let judges: readonly Judge[]
  const at = (name: string): string => path.join(folder, name)

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'gridbridge-offline-'))
    judges = [openJudge('node'), openJudge('python')]
  })
  afterAll(async () => {
    for (const judge of judges) await judge.close()
    rmSync(folder, { recursive: true })
  })

  async function judgeAlike(given: readonly string[]) {
    const [node, python] = await Promise.all(judges.map((one) => one.judge(given)))
    expect(python).toEqual(node)
    return node
  }
  const withKey = (given: readonly string[]) => judgeAlike([...given, '--verifier', signing.verifier])

  test('the published examples of Ed25519, SM3 and SM2 are right in Python', () => {
    const { stdout, stderr } = spawnSync('python3', ['-c', vectors], { cwd: projectRoot, encoding: 'utf8' })
    expect([stdout, stderr]).toEqual(['right\n', ''])
  })

  test('the proof of every entry of every small tree holds, and with another entry, place or path does not', async () => {
    const file = at('one.tlog-proof')
    const pick = createRandom(20_261_130)
    for (let size = 1; size <= 70; size += 1 + pick(4)) {
      const index = pick(size)
      const head = { size, note: signing.noteAt(size, rootAt(size)) }
      const entry = entries[index] ?? { index: 0, body: Buffer.alloc(0) }
      const proof = writeProof(entry, head, read)
      writeFileSync(file, proof)
      expect(await withKey(['entry', file]), `${index} of ${size}`).toMatchObject({
        state: 'whole',
        index,
        signed: size,
      })
      writeFileSync(file, writeProof({ ...entry, body: Buffer.from('another') }, head, read))
      expect(await withKey(['entry', file])).toMatchObject({ state: 'tampered', index, fault: 'proof-fails' })
      writeFileSync(file, proof.replace(`index ${index}\n`, `index ${size}\n`))
      expect(await withKey(['entry', file])).toMatchObject({ state: 'tampered', index: size, fault: 'proof-fails' })
      writeFileSync(file, proof.replace(`\n${size}\n`, `\n${size + 1}\n`))
      expect(await withKey(['entry', file])).toMatchObject({ state: 'tampered', fault: 'checkpoint-forged' })
    }
  })

  test('a proof without the key of its log, or that is none, is not decided', async () => {
    const file = at('two.tlog-proof')
    writeFileSync(file, writeProof(entries[3] ?? entries[0]!, { size: 9, note: signing.noteAt(9, rootAt(9)) }, read))
    expect(await judgeAlike(['entry', file, '--verifier', createSigning().verifier])).toMatchObject({
      fault: 'key-missing',
    })
    expect(await judgeAlike(['entry', file])).toMatchObject({ state: 'undecided', fault: 'file-missing' })
    writeFileSync(file, 'nothing')
    expect(await withKey(['entry', file])).toMatchObject({ state: 'undecided', fault: 'file-unreadable' })
    expect(await withKey(['entry', at('nowhere')])).toMatchObject({ state: 'undecided', fault: 'file-missing' })
  })

  const write = (name: string, content: string): string => {
    writeFileSync(at(name), content)
    return at(name)
  }

  test('two checkpoints of one log are consistent, of two logs they are not', async () => {
    const pick = createRandom(20_261_201)
    const others = readerOf(
      makeEntries(70).map((entry, index) => (index === 0 ? { ...entry, leaf: rootAt(3) } : entry)),
    )
    for (let turn = 0; turn < 30; turn++) {
      const older = 1 + pick(70)
      const newer = older + pick(71 - older)
      const ranges = newer === older ? [] : consistencyRanges(older, { start: 0, end: newer })
      const proof = ranges.map((range) => `${hashOf(range, read).toString('base64')}\n`).join('')
      const one = write('older', signing.noteAt(older, rootAt(older)))
      const two = write('newer', signing.noteAt(newer, rootAt(newer)))
      const given = ['consistent', one, two, write('proof', proof)]
      expect(await withKey(given), `${older} ${newer}`).toMatchObject({ state: 'whole', from: older, signed: newer })
      write('older', signing.noteAt(older, hashOf({ start: 0, end: older }, others)))
      expect(await withKey(given)).toMatchObject({ state: 'tampered', index: 0, upTo: older, fault: 'not-continued' })
      if (newer === older) continue
      expect(await withKey(['consistent', two, one, at('proof')])).toMatchObject({ index: older, fault: 'log-shorter' })
      write('older', signing.noteAt(older, rootAt(older)))
      write('proof', `${proof}${rootAt(1).toString('base64')}\n`)
      expect(await withKey(given)).toMatchObject({ state: 'tampered', fault: 'not-continued' })
    }
  })

  test('a tree over SM3 that SM2 signed, and a witness, are judged with the rest', async () => {
    const witness = createWitness()
    const sm2 = createSm2Signing()
    await makePackage(at('two-trees'), entries, [40, 70], {
      noteAt: (size, root) => witness.cosign(signing.noteAt(size, root)),
      verifiers: [signing.verifier, witness.verifier],
    })
    addSm3Tree(at('two-trees'), entries, sm2)
    expect(await judgeAlike(['bundle', at('two-trees')])).toEqual({
      state: 'whole',
      entries: 70,
      lanes: 2,
      checkpoints: 3,
      anchors: 0,
      signed: 70,
      cosigned: 70,
      trees: ['sha256', 'sm3'],
    })
    cpSync(at('two-trees'), at('spoiled'), { recursive: true })
    const { edit } = alterPackage(at('spoiled'))
    edit('sm3/tile/0/000.p/70', (bytes) => flipBit(bytes, 8 * 32 * 5))
    expect(await judgeAlike(['bundle', at('spoiled')])).toMatchObject({ index: 5, upTo: 6, fault: 'leaf-differs' })
    cpSync(at('two-trees'), at('spoiled'), { recursive: true })
    edit('sm3/checkpoints.ndjson', (bytes) => bytes.toString().replace('70\\n', '71\\n'))
    expect(await judgeAlike(['bundle', at('spoiled')])).toMatchObject({ state: 'tampered', fault: 'checkpoint-forged' })
    cpSync(at('two-trees'), at('spoiled'), { recursive: true })
    edit('checkpoints.ndjson', (bytes) =>
      bytes
        .toString()
        .replaceAll(/(witness\S+ .{12})(.)/g, (_all, line: string, next) => `${line}${next === 'A' ? 'B' : 'A'}`),
    )
    expect(await judgeAlike(['bundle', at('spoiled')])).toMatchObject({ state: 'tampered', fault: 'checkpoint-forged' })
  })

  test('a pruned log leads to its signed root from what was kept of the rest', async () => {
    const cut = 37
    await makePackage(at('pruned'), entries, [30, 50, 70], { ...signing, verifiers: [signing.verifier] })
    const { editLines, reseal } = alterPackage(at('pruned'))
    editLines((lines) => lines.slice(cut))
    reseal((manifest) => (manifest['from'] = cut))
    const hashes = nodesOf({ start: 0, end: cut }).map((node) => read(node).toString('base64'))
    const lanes = entries
      .slice(cut - 2, cut)
      .map(({ laneId, laneSeq, leaf }) => ({ laneId, seq: laneSeq, head: Buffer.from(leaf).toString('hex') }))
    const state = write('state.json', JSON.stringify({ minIndex: cut, hashes, lanes }))
    expect(await judgeAlike(['pruned', state, at('pruned')])).toMatchObject({
      state: 'whole',
      entries: 70 - cut,
      signed: 70,
    })
    expect(await judgeAlike(['bundle', at('pruned')])).toMatchObject({ state: 'undecided', fault: 'file-missing' })
    write(
      'state.json',
      JSON.stringify({ minIndex: cut, hashes: [rootAt(2).toString('base64'), ...hashes.slice(1)], lanes }),
    )
    expect(await judgeAlike(['pruned', state, at('pruned')])).toMatchObject({
      index: cut,
      upTo: 50,
      fault: 'root-differs',
    })
    write('state.json', JSON.stringify({ minIndex: cut, hashes, lanes: lanes.slice(1) }))
    expect(await judgeAlike(['pruned', state, at('pruned')])).toMatchObject({ index: cut, fault: 'lane-broken' })
    write('state.json', JSON.stringify({ minIndex: cut, hashes: hashes.slice(1), lanes }))
    expect(await judgeAlike(['pruned', state, at('pruned')])).toMatchObject({
      state: 'undecided',
      fault: 'file-unreadable',
    })
    write('state.json', JSON.stringify({ minIndex: cut, hashes, lanes }))
    editLines((lines) => lines.toSpliced(5, 1))
    expect(await judgeAlike(['pruned', state, at('pruned')])).toMatchObject({ index: cut + 5, fault: 'entry-missing' })
  })

  test('kept checkpoints that nobody signed, and none, decide nothing', async () => {
    mkdirSync(at('kept'))
    await makePackage(at('short'), entries, [70], { ...signing, verifiers: [signing.verifier] })
    expect(await judgeAlike(['anchors', at('kept'), at('short')])).toMatchObject({ fault: 'file-missing' })
    write('kept/one', createSigning().noteAt(20, rootAt(20)))
    expect(await judgeAlike(['anchors', at('kept'), at('short')])).toMatchObject({ fault: 'anchor-unusable' })
    write('kept/one', signing.noteAt(20, rootAt(21)))
    expect(await judgeAlike(['anchors', at('kept'), at('short')])).toMatchObject({
      index: 0,
      upTo: 20,
      fault: 'root-differs',
    })
  })
})
