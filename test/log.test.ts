import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scrubLine } from '../src/log.ts'
import { projectRoot } from './support/command-line.ts'

// Synthetic: births of 1900, an unassigned county, unassigned mobile numbers.
const personal = [
  '510502190001010017',
  '51059919000101001X',
  '51059919000101001x',
  '510502000101001',
  '19900000001',
  '13900000000',
]
const line = (value: unknown): string =>
  `${JSON.stringify({ level: 30, time: 1_763_859_600_123, pid: 4_194_303, value })}\n`

describe('a line of the log', () => {
  test.each(personal)('loses what looks like an identity or mobile number: %#', (number) => {
    for (const value of [
      number,
      `CN:111:${number}`,
      `电话${number}。`,
      [number],
      { number },
      `${number} ${number}`,
      { [number]: 1 },
    ]) {
      const scrubbed = scrubLine(line(value))
      expect(scrubbed).not.toContain(number)
      expect(JSON.parse(scrubbed)).toMatchObject({ level: 30, scrubbed: true })
      expect(scrubbed.endsWith('}\n')).toBe(true)
    }
  })

  test.each([19_900_000_001, 510_502_190_001_010_000, 510_502_000_101_001])(
    'stays JSON where the number is a JSON number: %#',
    (number) => {
      const scrubbed = scrubLine(line({ number }))
      expect(scrubbed).not.toContain(String(number))
      expect(JSON.parse(scrubbed)).toMatchObject({ value: { number: '[scrubbed]' }, scrubbed: true })
    },
  )

  test.each([
    ['a time stamp', 1_763_859_600_123],
    ['a time with a fraction', 1_763_859_600.123],
    ['an RFC 3339 time', '2026-11-23T01:02:03.000004Z'],
    ['a hash', 'a51050219000101001700000000000000000000000000000000000000000000f'],
    ['a run', 'run/1234567890'],
    ['a count', 700_000],
    ['an identifier', '0190e0c0-0000-7000-8000-000000000001'],
  ])('keeps %s as it is', (_what, value) => {
    expect(scrubLine(line(value))).toBe(line(value))
  })

  test('that holds nothing personal is never changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'Z', ' ', '"', '张', '1', '9'), maxLength: 10 }), (value) => {
        expect(scrubLine(line(value))).toBe(line(value))
      }),
    )
  })
})

test('an error is logged as its code, without message, stack or detail', () => {
  const script = `
    import { openLog } from './src/log.ts'
    import { AppError } from './src/errors.ts'
    const log = openLog('info', 'test')
    log.error({ err: new AppError('SOURCE_REFUSED', 'detail-of-ours') }, 'first')
    log.error({ error: Object.assign(new Error('message-of-others'), { code: '23505', detail: 'row-of-others' }) }, 'second')
    log.error({ err: new TypeError('message-of-others') }, 'third')
    log.error({ req: { method: 'GET', id: 'r1', url: '/?name=query-of-others', headers: { authorization: 'header-of-others' } } }, 'fourth')
    log.debug('below the level')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
  const lines = stderr
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(stdout).toBe('')
  expect(lines.map(({ msg, err, error, req }) => [msg, err ?? error ?? req])).toEqual([
    ['first', { code: 'SOURCE_REFUSED' }],
    ['second', { code: '23505' }],
    ['third', { code: 'UNCODED' }],
    ['fourth', { method: 'GET', id: 'r1' }],
  ])
  expect(stderr).not.toMatch(/of-ours|of-others|at .*\.ts/)
})
