import { describe, expect, test } from 'vitest'
import { faultOfPassword } from '../../src/security/password-rules.ts'
import { hashPassword, isOutdated, isPassword } from '../../src/security/passwords.ts'

const rules = { length: 12, kinds: 3, days: 90 }

describe('a password at rest', () => {
  test('is argon2id with its parameters, salted, and opens for itself alone', async () => {
    const stored = await hashPassword('Pferd!Batterie7', 1024)
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=1024,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
    expect(await hashPassword('Pferd!Batterie7', 1024)).not.toBe(stored)
    expect(await isPassword('Pferd!Batterie7', stored)).toBe(true)
    expect(await isPassword('Pferd!Batterie8', stored)).toBe(false)
  })

  test('opens by the parameters that it was made with, and is told to be outdated under others', async () => {
    const stored = await hashPassword('Pferd!Batterie7', 2048)
    expect(await isPassword('Pferd!Batterie7', stored)).toBe(true)
    expect([isOutdated(stored, 2048), isOutdated(stored, 4096)]).toEqual([false, true])
  })

  test('typed with composed or with separate accents is the same', async () => {
    const stored = await hashPassword('Pfa\u0308hle!Batterie7', 1024)
    expect(await isPassword('Pf\u00e4hle!Batterie7', stored)).toBe(true)
  })
})

describe('rules', () => {
  test.each([
    ['Kurz!7', 'short'],
    [`Lang!7${'x7Q!'.repeat(40)}`, 'too long'],
    ['nurkleinbuchstaben', 'of one kind'],
    ['nurklein12345678', 'of two kinds'],
    ['Officer!Zebra77', 'with the name of the account'],
    ['P@ssw0rd2026!!', 'password and a year'],
    ['Password!Password1', 'password twice'],
    ['Admin@123456789', 'admin and a run'],
    ['Woaini1314520!', 'a common Chinese one'],
    ['Qwertyuiop123!', 'a row of keys'],
    ['Luzhou@20260101', 'the city and a date'],
    ['Aa!123456789012', 'mostly a run'],
    ['Aaaaaaaaaaaa1!', 'one letter'],
  ])('refuse %s: %s', (password) => {
    expect(faultOfPassword(password, 'night-officer', rules)).not.toBeNull()
  })

  test.each(['Pferd!Batterie7', 'Yq7!vR2#kL9$wB4&', '沱江边的7只白鹭Fly不见了'])('let %s pass', (password) => {
    expect(faultOfPassword(password, 'night-officer', rules)).toBeNull()
  })

  test('are those of the installation', () => {
    expect(faultOfPassword('nurkleinbuchstaben', 'officer', { ...rules, kinds: 1 })).toBeNull()
    expect(faultOfPassword('Pferd!Batterie7', 'officer', { ...rules, length: 16 })).toMatch(/16 characters/)
  })
})
