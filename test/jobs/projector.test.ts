import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { AppError, toAppError } from '../../src/errors.ts'
import { startProjector } from '../../src/jobs/projector.ts'
import type { Database } from '../../src/store/database.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { createPerson, forgetPeople, openPeople, type People } from '../support/people.ts'

let installation: TestInstallation
let people: People
beforeAll(async () => {
  installation = await openTestInstallation('projector')
  people = await openPeople(installation)
})
afterAll(() => installation.close())
beforeEach(() => forgetPeople(installation))

async function waitForPersons(count: number): Promise<number> {
  const deadline = Date.now() + 5000
  for (;;) {
    const found = (await people.persons()).length
    if (found === count || Date.now() > deadline) return found
    await wait(20)
  }
}

test('what is stored is merged without being asked for, until it is stopped', async () => {
  const stop = startProjector(installation, () => undefined, 20)
  await people.store(people.police, createPerson())
  expect(await waitForPersons(1)).toBe(1)
  await stop()
  await people.store(people.police, createPerson({ id: 'R-2', zjhm: '510521190012310137' }))
  await wait(200)
  expect(await people.persons()).toHaveLength(1)
})

test('a pass that fails is told and followed by the next one', async () => {
  let failures = 2
  const database: Database = {
    ...installation.database,
    transaction: (work, deadlineMs) => {
      if (failures-- > 0) return Promise.reject(new AppError('DATABASE_UNAVAILABLE'))
      return installation.database.transaction(work, deadlineMs)
    },
  }
  const told: string[] = []
  const stop = startProjector({ ...installation, database }, (error) => told.push(toAppError(error).code), 20)
  await people.store(people.police, createPerson())
  expect(await waitForPersons(1)).toBe(1)
  await stop()
  expect(told).toEqual(['DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'])
})
