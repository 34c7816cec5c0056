import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadDatasets } from '../../src/feeds/datasets.ts'
import { createConvert } from '../../src/ingest/convert.ts'
import { createNormaliser, noFindings, type ReadValue } from '../../src/ingest/normalise.ts'
import { readUsualDays } from '../../src/ingest/usual-days.ts'

const forms = [
  ['yyyy-MM-dd', '-'],
  ['yyyy/MM/dd', '/'],
  ['yyyyMMdd', ''],
] as const
type DateForm = (typeof forms)[number][0]

const parts = fc.tuple(
  fc.constantFrom('0000', '1879', '1880', '1900', '1999', '2079', '2080', '3000', '9999', '199x', '１９９９'),
  fc.constantFrom('00', '01', '02', '12', '13', '/5', '1'),
  fc.constantFrom('00', '01', '30', '31', '32', '33', '/5', '011'),
)
const texts = fc.tuple(parts, fc.constantFrom('-', '/', '')).map(([day, separator]) => day.join(separator))
const values = fc.oneof({ weight: 9, arbitrary: texts }, fc.constantFrom(19990101, null, true, '', ' 1999-01-01'))

function readWhole(form: DateForm): ReadValue {
  const property = loadDatasets()
    .get('resident')
    ?.properties.find(({ name }) => name === 'birthDate')
  const convert = createConvert({ to: '/birthDate', from: '/csrq', date: form })
  if (property === undefined || convert === null) throw new Error('no date of birth')
  const normalise = createNormaliser(property)
  return (given, findings) => {
    const value = convert(given)
    return typeof value === 'string' ? normalise(value, findings) : value
  }
}

function outcome(read: ReadValue, given: unknown) {
  const findings = noFindings()
  return { value: read(given, findings), ...findings }
}

test.each(forms)('days as %s come to what the whole reading makes of them', (form) => {
  const whole = readWhole(form)
  const usual = readUsualDays(whole, form)
  const isSame = fc.property(values, (given) => {
    expect(outcome(usual, given)).toEqual(outcome(whole, given))
  })
  fc.assert(isSame, { numRuns: 20_000 })
})

test.each(forms)('a usual day as %s takes no whole reading, one that may stand for nothing does', (form, separator) => {
  let readings = 0
  const usual = readUsualDays((given) => {
    readings++
    return given
  }, form)
  expect(usual(['1962', '01', '10'].join(separator), noFindings())).toBe('1962-01-10')
  expect(readings).toBe(0)
  usual(['1900', '01', '01'].join(separator), noFindings())
  expect(readings).toBe(1)
})
