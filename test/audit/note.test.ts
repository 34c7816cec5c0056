import { generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSignedBy, readNote, readVerifier, signNote, writeNote, writeVerifier } from '../../src/audit/note.ts'

/** The example that the format is published with. */
const PUBLISHED_VERIFIER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const PUBLISHED_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`

function verifierOf(text: string) {
  const verifier = readVerifier(text)
  if (verifier === null) throw new Error('no verifier')
  return verifier
}

function noteOf(text: string) {
  const note = readNote(text)
  if (note === null) throw new Error('no note')
  return note
}

test('the published note is signed, and no altered copy of it', () => {
  const verifier = verifierOf(PUBLISHED_VERIFIER)
  expect(isSignedBy(noteOf(PUBLISHED_NOTE), verifier)).toBe(true)
  expect(isSignedBy(noteOf(PUBLISHED_NOTE.replace('answer', 'Answer')), verifier)).toBe(false)
  expect(isSignedBy(noteOf(PUBLISHED_NOTE.replace('PeterNeumann', 'AnotherName')), verifier)).toBe(false)
  expect(isSignedBy(noteOf(PUBLISHED_NOTE.replace('x08go', 'x08gp')), verifier)).toBe(false)
  expect(writeNote(noteOf(PUBLISHED_NOTE))).toBe(PUBLISHED_NOTE)
  expect(writeVerifier(verifier)).toBe(PUBLISHED_VERIFIER)
})

test('a verifier whose id does not fit its key, and one of another kind, is none', () => {
  expect(readVerifier(PUBLISHED_VERIFIER.replace('c74f20a3', 'c74f20a4'))).toBeNull()
  expect(readVerifier(PUBLISHED_VERIFIER.replace('+ARpc', '+AhpC'))).toBeNull()
  expect(readVerifier('PeterNeumann')).toBeNull()
})

test('what is signed is read back and holds under its own key alone', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const other = generateKeyPairSync('ed25519')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (line) => {
      const note = noteOf(writeNote(signNote(`${line}\n`, 'audit.example.gov.cn/share/1', privateKey)))
      expect(note.text).toBe(`${line}\n`)
      expect(isSignedBy(note, { name: 'audit.example.gov.cn/share/1', publicKey })).toBe(true)
      expect(isSignedBy(note, { name: 'audit.example.gov.cn/share/1', publicKey: other.publicKey })).toBe(false)
    }),
  )
})

test.each(['', 'text\n', 'text\n\n', 'text\n\n— name', 'text\n\n— name ***\n', 'text\n\nname AAAA\n'])(
  '%j is no note',
  (text) => {
    expect(readNote(text)).toBeNull()
  },
)
