import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { namesSubject, sortSubjects, SUBJECT_BYTES } from '../../src/audit/subjects.ts'

const token = (first: number): Buffer => Buffer.concat([Buffer.from([first]), Buffer.alloc(SUBJECT_BYTES - 1, 0x80)])

test('a manifest is sorted by bytes and names each person once, whatever the order', () => {
  const manifest = sortSubjects(Buffer.concat([token(0xff), token(1), token(0x80), token(1)]))
  expect(manifest).toEqual(Buffer.concat([token(1), token(0x80), token(0xff)]))
  expect(sortSubjects(Buffer.alloc(0))).toEqual(Buffer.alloc(0))
})

test('every token of a manifest is found in it, and no other, also none that lies across two', () => {
  const manifest = sortSubjects(randomBytes(101 * SUBJECT_BYTES))
  const at = (from: number): Buffer => manifest.subarray(from, from + SUBJECT_BYTES)
  const places = Array.from({ length: 101 }, (_, place) => place * SUBJECT_BYTES)
  expect(places.filter((from) => !namesSubject(manifest, at(from)))).toEqual([])
  expect(places.slice(0, -1).filter((from) => namesSubject(manifest, at(from + 1)))).toEqual([])
  expect(namesSubject(Buffer.alloc(0), token(1))).toBe(false)
})
