import { expect, test } from 'vitest'
import { proveForks } from '../../prove/forks.ts'

const SEED = 20_261_128

test(`no tree that was rewritten is signed or cosigned, and every one that only grew is (seed ${SEED})`, async () => {
  expect(await proveForks({ forks: 40, seed: SEED })).toMatchObject({
    ok: true,
    refused: 40,
    refusedByWitness: 40,
    signed: 5,
    cosigned: 5,
  })
}, 60_000)
