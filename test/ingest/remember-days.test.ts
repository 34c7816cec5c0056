import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { noFindings, warn, type ReadValue } from '../../src/ingest/normalise.ts'
import { rememberDays } from '../../src/ingest/remember-days.ts'

const forms = [
  ['yyyy-MM-dd', '-'],
  ['yyyy/MM/dd', '/'],
  ['yyyyMMdd', ''],
] as const

const parts = fc.tuple(
  fc.constantFrom('1879', '1880', '1900', '1999', '2080', '199x', '１９９９'),
  fc.constantFrom('00', '01', '02', '13', '/5', '1'),
  fc.constantFrom('00', '01', '31', '32', '/5', '011'),
)
const texts = fc.tuple(parts, fc.constantFrom('-', '/', '')).map(([day, separator]) => day.join(separator))
const values = fc.oneof({ weight: 9, arbitrary: texts }, fc.constantFrom(19990101, null, true, '', ' 1999-01-01'))

/** Tells of every day of 1900, and of what is no day. */
const read: ReadValue = (given, findings) => {
  const text = String(given)
  if (text.startsWith('1900')) warn(findings, 'DQ-001')
  if (!text.includes('x')) return `read of ${text}`
  findings.faults.push({ rule: 'DQ-004', field: 'birthDate' })
  return undefined
}

function outcome(readValue: ReadValue, given: unknown) {
  const findings = noFindings()
  return { value: readValue(given, findings), ...findings }
}

test.each(forms)('days as %s come to what each comes to by itself, however often they come', (form) => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 80, maxLength: 160 }), (given) => {
      const remembered = rememberDays(read, form)
      for (const value of given) expect(outcome(remembered, value)).toEqual(outcome(read, value))
    }),
    { numRuns: 300 },
  )
})

test.each(forms)('a day as %s is read once', (form, separator) => {
  let readings = 0
  const remembered = rememberDays((given) => {
    readings++
    return given
  }, form)
  const text = ['1962', '01', '10'].join(separator)
  expect([remembered(text, noFindings()), remembered(text, noFindings())]).toEqual([text, text])
  expect(readings).toBe(1)
})
