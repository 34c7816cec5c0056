import type { AlteredPackage } from './altered-package.ts'

/** What was done to a package, and what a verifier has to say to it. */
export interface Alteration {
  readonly name: string
  readonly of: 'whole' | 'range' | 'entries'
  readonly alter: (folder: AlteredPackage) => void
  readonly expected: {
    readonly state: 'tampered' | 'undecided' | 'whole'
    readonly index?: number
    readonly upTo?: number
    readonly fault?: string
  }
}

export const CHECKPOINTS = 'checkpoints.ndjson'

export const bad = (index: number, fault: string, upTo = index + 1): Alteration['expected'] => ({
  state: 'tampered',
  index,
  upTo,
  fault,
})
export const unclear = (fault: string): Alteration['expected'] => ({ state: 'undecided', fault })
