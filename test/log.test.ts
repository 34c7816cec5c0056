import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../src/log-events.ts'
import { openLog, scrubLine } from '../src/log.ts'
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

/** Runs a script in a process of its own and gives the lines that it logged. */
function logOf(script: string): readonly Readonly<Record<string, unknown>>[] {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
  expect(stdout).toBe('')
  expect(stderr).not.toMatch(/of-ours|of-others|19900000001|at .*\.ts/)
  return stderr
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
}

test('an event is written with its fields, and of an error its code, without message, stack or detail', () => {
  const lines = logOf(`
    import { openLog } from './src/log.ts'
    import { causeOf, codeOf } from './src/log-events.ts'
    import { AppError } from './src/errors.ts'
    const log = openLog('info', 'test')
    const fail = (error) => log.tell('PASS_FAILED', { pass: 'recalls', cause: causeOf(error) })
    fail(new AppError('SOURCE_REFUSED', 'detail-of-ours'))
    fail(Object.assign(new Error('message-of-others'), { code: '23505', detail: 'row-of-others' }))
    fail(new TypeError('message-of-others'))
    fail(Object.assign(new Error('message-of-others'), { code: 'a text of-others' }))
    log.tell('SLICE_ENDED', { event: 'run.slice', object: 'run/7', outcome: codeOf('done') })
    log.tell('SLICE_ENDED', { event: 'of-others', object: 'text of-others/7', outcome: 'text of-others', more: 'of-others' })
    log.tell('API_LISTENING', { port: 19900000001 })`)
  expect(
    lines.map(({ code, cause, object, outcome, event, port }) => [code, cause, object, outcome, event, port]),
  ).toEqual([
    ['PASS_FAILED', 'SOURCE_REFUSED', ...Array(4).fill(undefined)],
    ['PASS_FAILED', '23505', ...Array(4).fill(undefined)],
    ['PASS_FAILED', 'UNCODED', ...Array(4).fill(undefined)],
    ['PASS_FAILED', 'UNCODED', ...Array(4).fill(undefined)],
    ['SLICE_ENDED', undefined, 'run/7', 'done', 'run.slice', undefined],
    ['SLICE_ENDED', undefined, 'unfit', 'unfit', 'unfit', undefined],
    ['API_LISTENING', undefined, undefined, undefined, undefined, 'unfit'],
  ])
})

test('what a library logs loses its words', () => {
  const lines = logOf(`
    import { openLog } from './src/log.ts'
    const { forLibrary } = openLog('info', 'test')
    const child = forLibrary.child({ reqId: 'req-z' })
    child.info({ req: { method: 'GET', id: 'req-z', url: '/?name=query-of-others', headers: { a: 'header-of-others' } } }, 'text of-others')
    child.info({ res: { statusCode: 200 }, responseTime: 1.5 }, 'text of-others')
    child.error({ err: new TypeError('message-of-others') }, 'message-of-others')
    child.warn('text of-others')
    child.debug({ err: new TypeError('message-of-others') })
    forLibrary.info('Server listening at of-others')
    forLibrary.error({ code: 'INTERNAL' })`)
  expect(lines.map(({ code, request, cause, status }) => [code, request, cause ?? status])).toEqual([
    ['REQUEST_BEGUN', 'request/35', undefined],
    ['REQUEST_ANSWERED', 'request/35', 200],
    ['REQUEST_FAILED', 'request/35', 'UNCODED'],
    ['REQUEST_FAILED', 'request/0', 'INTERNAL'],
  ])
})

test('free text in a call of the log is an error of types', () => {
  const log = openLog('silent', 'test')
  const name: string = ['张', '测试'].join('')
  // @ts-expect-error -- an event that is not on the list
  expect(() => log.tell('SOMETHING', {})).toThrow(TypeError)
  // @ts-expect-error -- a text for a code
  log.tell('PASS_FAILED', { pass: 'recalls', cause: name })
  // @ts-expect-error -- a text for a word of a list
  log.tell('PASS_FAILED', { pass: name, cause: codeOf('done') })
  // @ts-expect-error -- a text for an id
  log.tell('SLICE_ENDED', { event: 'run.slice', object: name, outcome: codeOf('done') })
  // @ts-expect-error -- a field that the event has not
  log.tell('STOPPED', { name })
  // @ts-expect-error -- a field too few
  log.tell('API_LISTENING', {})
  expect([codeOf(name), codeOf('zhang san'), codeOf('EPIPE'), codeOf('23505'), codeOf('done')]).toEqual([
    'UNCODED',
    'UNCODED',
    'EPIPE',
    '23505',
    'done',
  ])
})

describe('the source', () => {
  const written = globSync('src/**/*.ts', { cwd: projectRoot }).filter((file) => file !== 'src/log.ts')
  const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8')
  /** A call of a method of a log that takes words, and whatever else writes to where the log goes. */
  const FREE =
    /\b(?:log|logger|forLibrary)\.(?:trace|debug|info|warn|error|fatal)\((?!\{ code: coded\.code \}\))|console\.\w|\bpino\b/
  const findFree = (text: string): string | undefined => FREE.exec(text)?.[0]

  test('has no call of the log but by event and fields', () => {
    expect(written.length).toBeGreaterThan(200)
    expect(written.filter((file) => findFree(read(file)) !== undefined)).toEqual([])
    const direct = written.filter((file) => /process\.stderr\.write|process\.stdout\.write/.test(read(file)))
    expect(direct.toSorted()).toEqual(['src/cli-output.ts', 'src/main.ts'])
  })

  test.each([
    "log.info({ name: person.name }, 'read')",
    'request.log.error({ code: coded.code }, person.name)',
    "request.log.warn('row ' + row)",
    'context.logger.error(error)',
    'server.log.info(row)',
    'console.error(row)',
    "import { pino } from 'pino'",
  ])('would be told of a planted %s', (call) => {
    expect(findFree(`const a = 1\n${call}\n`)).toBeDefined()
  })
})
