import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { loadJurisdiction } from '../../src/feeds/jurisdiction.ts'
import { faultOf } from '../support/coded-error.ts'
import { makeFolder } from '../support/folder.ts'

const decree = loadJurisdiction('decree-809')

function loadFrom(value: object, name = 'county'): ReturnType<typeof loadJurisdiction> {
  const directory = makeFolder('jurisdictions-')
  mkdirSync(join(directory, 'jurisdictions'))
  writeFileSync(join(directory, 'jurisdictions', `${name}.json`), JSON.stringify(value))
  return loadJurisdiction(name, directory)
}

describe('a jurisdiction', () => {
  test('is the one of Decree 809 unless JURISDICTION says another', () => {
    expect(loadConfig({}).jurisdiction).toBe('decree-809')
    expect(loadConfig({ JURISDICTION: 'county' }).jurisdiction).toBe('county')
    expect(decree.clocks).toMatchObject({
      unconditionalAnswerDays: 1,
      conditionalAnswerDays: 10,
      answerExtensionDays: 10,
      provisionDays: 20,
      correctionDays: 10,
      recallAcknowledgementDays: 2,
    })
  })

  test('is data: a stricter local rule is another file', () => {
    const clocks = { ...decree.clocks, conditionalAnswerDays: 5 }
    expect(loadFrom({ ...decree, name: 'county', clocks }).clocks.conditionalAnswerDays).toBe(5)
  })

  test.each(['nowhere', '../departments', 'decree-809.json', ''])('called "%s" is refused as a setting', (name) => {
    expect(faultOf(() => loadJurisdiction(name))).toMatch(/^CONFIG_INVALID JURISDICTION is /)
  })

  test.each([
    [{ title: '' }, '/title'],
    [{ name: 'decree-809' }, '/name'],
    [{ clocks: [] }, '/clocks/unconditionalAnswerDays'],
    [{ clocks: { ...decree.clocks, provisionDays: 0 } }, '/clocks/provisionDays'],
    [{ clocks: { ...decree.clocks, provisionDays: 1.5 } }, '/clocks/provisionDays'],
    [{ clocks: { ...decree.clocks, correctionDays: 251 } }, '/clocks/correctionDays'],
    [{ clocks: { ...decree.clocks, sleepDays: 1 } }, '/clocks'],
  ])('with %o is refused and the place named', (change, pointer) => {
    expect(faultOf(() => loadFrom({ ...decree, name: 'county', ...change }))).toMatch(
      new RegExp(`^SCHEMA_INVALID jurisdictions/county\\.json#${pointer}: wanted `),
    )
  })
})
