import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { EMPTY_HEAD } from '../../src/audit/entry.ts'
import { bad, CHECKPOINTS, unclear, type Alteration } from './alteration.ts'
import { ofParts } from './alterations-of-parts.ts'
import { flipBit, rewriteLane, rewriteLine, signAgain, type AlteredPackage } from './altered-package.ts'

const ORIGIN = 'audit.example.gov.cn/share/1'

/** Of the whole log of 600 entries, signed at 300, 340 and 600. */
const ofWhole: readonly Omit<Alteration, 'of'>[] = [
  {
    name: 'a body',
    alter: ({ editLines }) => editLines((lines) => lines.with(17, rewriteLine(lines[17]!, { object: 'run/1' }))),
    expected: bad(17, 'leaf-differs'),
  },
  {
    name: 'a body that is none any more',
    alter: ({ editLines }) => editLines((lines) => lines.with(17, { ...lines[17]!, body: 'bm9uZQ==' })),
    expected: bad(17, 'leaf-differs'),
  },
  ...['leaf', 'entryId', 'recordedAt', 'type', 'actor', 'outcome', 'feed', 'dataset', 'count', 'laneId'].map(
    (column) => ({
      name: `the column ${column}`,
      alter: ({ editLines }: AlteredPackage) =>
        editLines((lines) => lines.with(341, { ...lines[341]!, [column]: 'x' })),
      expected: bad(341, 'column-differs'),
    }),
  ),
  {
    name: 'an entry removed',
    alter: ({ editLines }) => editLines((lines) => lines.toSpliced(299, 1)),
    expected: bad(299, 'entry-missing'),
  },
  {
    name: 'the first entry removed',
    alter: ({ editLines }) => editLines((lines) => lines.slice(1)),
    expected: bad(0, 'entry-missing'),
  },
  {
    name: 'the last entry removed',
    alter: ({ editLines }) => editLines((lines) => lines.slice(0, -1)),
    expected: bad(599, 'entry-missing'),
  },
  {
    name: 'a range of entries removed',
    alter: ({ editLines }) => editLines((lines) => lines.toSpliced(40, 100)),
    expected: bad(40, 'entry-missing'),
  },
  {
    name: 'two entries swapped',
    alter: ({ editLines }) =>
      editLines((lines) => lines.with(50, { ...lines[70]!, index: 50 }).with(70, { ...lines[50]!, index: 70 })),
    expected: bad(50, 'leaf-differs'),
  },
  {
    name: 'an entry put in',
    alter: ({ editLines }) => editLines((lines) => lines.toSpliced(80, 0, lines[80]!)),
    expected: bad(80, 'entry-missing'),
  },
  {
    name: 'an entry put in with every index moved up',
    alter: ({ editLines }) =>
      editLines((lines) => lines.toSpliced(80, 0, lines[79]!).map((line, index) => ({ ...line, index }))),
    expected: bad(80, 'leaf-differs'),
  },
  {
    name: 'an entry and its tile, so that the next in its lane follows another one',
    alter: ({ editLines, rebuild }) => {
      editLines((lines) => lines.with(350, rewriteLine(lines[350]!, { object: 'run/1' })))
      rebuild()
    },
    expected: bad(340, 'lane-rewritten', 351),
  },
  {
    name: 'what an entry says is before it, and its tile: the one before was confirmed',
    alter: ({ editLines, rebuild }) => {
      editLines((lines) => lines.with(300, rewriteLine(lines[300]!, { previous: EMPTY_HEAD.toString('hex') })))
      rebuild()
    },
    expected: bad(300, 'lane-rewritten'),
  },
  {
    name: 'a lane written anew from a place on, every hash fitting',
    alter: ({ editLines, rebuild }) => {
      editLines((lines) => rewriteLane(lines, 320))
      rebuild()
    },
    expected: bad(300, 'root-differs', 340),
  },
  {
    name: 'a lane written anew and signed by another key',
    alter: ({ editLines, rebuild, file }) => {
      editLines((lines) => rewriteLane(lines, 320))
      const note = signAgain(ORIGIN, 600, rebuild(), generateKeyPairSync('ed25519').privateKey)
      writeFileSync(file(CHECKPOINTS), `${JSON.stringify({ size: 600, note })}\n`)
    },
    expected: unclear('key-missing'),
  },
  {
    name: 'a hash of the lowest tile',
    alter: ({ edit }) => edit('tile/0/001', (bytes) => flipBit(bytes, 8 * 32 * 10)),
    expected: bad(266, 'leaf-differs'),
  },
  {
    name: 'a hash of a tile above',
    alter: ({ edit }) => edit('tile/1/000.p/2', (bytes) => flipBit(bytes, 8 * 40)),
    expected: bad(256, 'tile-differs', 512),
  },
  {
    name: 'a tile with something behind it',
    alter: ({ edit }) => edit('tile/0/000', (bytes) => Buffer.concat([bytes, bytes])),
    expected: bad(0, 'tile-differs'),
  },
  {
    name: 'the root of a checkpoint',
    alter: ({ edit }) =>
      edit(CHECKPOINTS, (bytes) =>
        bytes.toString().replace(/(340\\n)(.)/, (_all, size, first) => `${size}${first === 'A' ? 'B' : 'A'}`),
      ),
    expected: bad(340, 'checkpoint-forged', 340),
  },
  {
    name: 'the size beside a checkpoint',
    alter: ({ edit }) => edit(CHECKPOINTS, (bytes) => bytes.toString().replace('"size":340', '"size":339')),
    expected: bad(339, 'checkpoint-forged', 339),
  },
  {
    name: 'a checkpoint made up',
    alter: ({ edit }) =>
      edit(CHECKPOINTS, (bytes) => `${bytes.toString()}${JSON.stringify({ size: 400, note: 'nothing' })}\n`),
    expected: bad(400, 'checkpoint-forged', 400),
  },
  {
    name: 'the log cut below a checkpoint, and the manifest with it',
    alter: ({ editLines, reseal, rebuild }) => {
      editLines((lines) => lines.slice(0, 500))
      rebuild()
      reseal((manifest) => (manifest['to'] = 500))
    },
    expected: bad(340, 'log-shorter', 501),
  },
  {
    name: 'entries behind the last but one checkpoint removed, the others moved up and every hash fitting',
    alter: ({ editLines, rebuild, reseal }) => {
      editLines((lines) => lines.toSpliced(400, 3).map((line, index) => ({ ...line, index })))
      rebuild()
      reseal((manifest) => (manifest['to'] = 597))
    },
    // Whether a lane goes on behind what was removed, and how, is chance; where it does not, only the root tells.
    expected: { state: 'tampered', index: 340, fault: expect.stringMatching(/^(lane-|root-)/) as string },
  },
  {
    name: 'the readme',
    alter: ({ edit }) => edit('README.md', (bytes) => `${bytes.toString()}\n`),
    expected: { state: 'tampered', index: 0, upTo: 0, fault: 'file-differs' },
  },
  {
    name: 'a verifier',
    alter: ({ edit }) => edit('audit_verify.py', () => 'print(0)'),
    expected: { state: 'tampered', index: 0, upTo: 0, fault: 'file-differs' },
  },
  {
    name: 'a hash in the manifest',
    alter: ({ edit }) =>
      edit('manifest.json', (bytes) =>
        bytes.toString().replace(/("sm3": ")(.)/, (_all, name, first) => `${name}${first === '0' ? '1' : '0'}`),
      ),
    expected: { state: 'tampered', index: 0, upTo: 0, fault: 'file-differs' },
  },
  {
    name: 'a checkpoint removed',
    alter: ({ edit }) => edit(CHECKPOINTS, (bytes) => bytes.toString().split('\n').toSpliced(1, 1).join('\n')),
    expected: { state: 'tampered', index: 0, upTo: 0, fault: 'file-differs' },
  },
  {
    name: 'the packed entries cut',
    alter: ({ cut }) => cut('entries.ndjson.gz'),
    expected: unclear('file-unreadable'),
  },
  ...['manifest.json', 'entries.ndjson.gz', CHECKPOINTS, 'tile/0/001', 'tile/1', 'README.md'].map((name) => ({
    name: `${name} removed`,
    alter: ({ remove }: AlteredPackage) => remove(name),
    expected: unclear('file-missing'),
  })),
  { name: 'the manifest cut', alter: ({ cut }) => cut('manifest.json'), expected: unclear('file-unreadable') },
]

export const alterations: readonly Alteration[] = [
  ...ofWhole.map((one) => ({ ...one, of: 'whole' as const })),
  ...ofParts,
]
