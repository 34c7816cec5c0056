import { readFileSync } from 'node:fs'
import { bad, CHECKPOINTS, unclear, type Alteration } from './alteration.ts'
import { flipBit, rewriteLine } from './altered-package.ts'

/** Of a range and of single entries: [220, 300), and 0, 255, 599. */
export const ofParts: readonly Alteration[] = [
  {
    name: 'a body',
    of: 'range',
    alter: ({ editLines }) => editLines((lines) => lines.with(7, rewriteLine(lines[7]!, { object: 'run/1' }))),
    expected: bad(227, 'leaf-differs'),
  },
  {
    name: 'an entry removed',
    of: 'range',
    alter: ({ editLines }) => editLines((lines) => lines.toSpliced(7, 1)),
    expected: bad(227, 'entry-missing'),
  },
  {
    name: 'an entry removed, and the manifest says it was never there',
    of: 'range',
    alter: ({ editLines, reseal }) => {
      editLines((lines) => lines.slice(0, -1))
      reseal((manifest) => (manifest['to'] = 299))
    },
    expected: { state: 'whole' },
  },
  {
    name: 'a body and the tile of it',
    of: 'range',
    alter: ({ editLines, edit }) => {
      let leaf = Buffer.alloc(0)
      editLines((lines) => {
        const rewritten = rewriteLine(lines[7]!, { object: 'run/1' })
        leaf = Buffer.from(rewritten.leaf, 'hex')
        return lines.with(7, rewritten)
      })
      edit('tile/0/000', (bytes) => Buffer.concat([bytes.subarray(0, 227 * 32), leaf, bytes.subarray(228 * 32)]))
    },
    expected: bad(227, 'lane-rewritten'),
  },
  {
    name: 'a tile',
    of: 'entries',
    alter: ({ edit }) => edit('tile/0/000', (bytes) => flipBit(bytes, 8 * 32 * 100)),
    expected: bad(0, 'tile-differs', 256),
  },
  {
    name: 'a tile above',
    of: 'entries',
    alter: ({ edit }) => edit('tile/1/000.p/2', (bytes) => flipBit(bytes, 8 * 40)),
    expected: bad(0, 'tile-differs', 256),
  },
  {
    name: 'a tile cut',
    of: 'entries',
    alter: ({ cut }) => cut('tile/0/000'),
    expected: unclear('file-unreadable'),
  },
  {
    name: 'a tile removed',
    of: 'entries',
    alter: ({ remove }) => remove('tile/0/000'),
    expected: unclear('file-missing'),
  },
  {
    name: 'the path of a proof',
    of: 'entries',
    alter: ({ edit }) =>
      edit('proofs/255.tlog-proof', (bytes) =>
        bytes.toString().replace(/(index 255\n)(.)/, (_all, index, first) => `${index}${first === 'A' ? 'B' : 'A'}`),
      ),
    expected: bad(255, 'proof-fails'),
  },
  {
    name: 'a proof shorter by one hash',
    of: 'entries',
    alter: ({ edit }) => edit('proofs/255.tlog-proof', (bytes) => bytes.toString().replace(/(index 255\n).+\n/, '$1')),
    expected: bad(255, 'proof-fails'),
  },
  {
    name: 'the place in a proof',
    of: 'entries',
    alter: ({ edit }) => edit('proofs/255.tlog-proof', (bytes) => bytes.toString().replace('index 255', 'index 254')),
    expected: bad(254, 'proof-fails'),
  },
  {
    name: 'a proof of another entry',
    of: 'entries',
    alter: ({ edit, file }) => edit('proofs/255.tlog-proof', () => readFileSync(file('proofs/0.tlog-proof'))),
    expected: bad(255, 'proof-fails'),
  },
  {
    name: 'a proof removed',
    of: 'entries',
    alter: ({ remove }) => remove('proofs/255.tlog-proof'),
    expected: unclear('file-missing'),
  },
  {
    name: 'the checkpoint of another tree',
    of: 'entries',
    alter: ({ edit, reseal }) => {
      edit(CHECKPOINTS, (bytes) => bytes.toString().replace('"size":600', '"size":601'))
      reseal((manifest) => (manifest['size'] = 601))
    },
    expected: unclear('key-missing'),
  },
]
