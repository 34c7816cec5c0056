import { hash, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Checkpoint } from '../audit/checkpoint.ts'
import type { NoteVerifier } from '../audit/note.ts'
import { AppError } from '../errors.ts'
import { readSigned, rememberSigned } from './signer-files.ts'

/** Who cosigns, apart from the log and its database: a key, the logs it watches and what it cosigned last of each. */
export interface Witness {
  readonly name: string
  readonly privateKey: KeyObject
  readonly logs: readonly NoteVerifier[]
  readonly lastOf: (origin: string) => Checkpoint | null
  /** Lasting before it returns. */
  readonly remember: (checkpoint: Checkpoint) => void
}

export interface WitnessOptions extends Pick<Witness, 'name' | 'privateKey' | 'logs'> {
  /** A folder with a file for each log. */
  readonly state: string
  /** Nothing was ever cosigned of some of the logs. Only then may their files be missing. */
  readonly isNewLog: boolean
}

/** Opens a witness on its state. Throws AUDIT_FORKED where the file of a log is missing, KEY_UNAVAILABLE where one holds anything else. */
export function openWitness({ state, isNewLog, ...witness }: WitnessOptions): Witness {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const fileOf = (origin: string): string => path.join(state, hash('sha256', origin).slice(0, 32))
  const missing = witness.logs.find(({ name }) => !existsSync(fileOf(name)))
  if (missing !== undefined && !isNewLog)
    throw new AppError(
      'AUDIT_FORKED',
      `nothing tells what was cosigned last of ${missing.name}; restore the folder, or say that the log is new where nothing ever was`,
    )
  const known = new Map(witness.logs.map(({ name }) => [name, readSigned(fileOf(name))]))
  return {
    ...witness,
    lastOf: (origin) => known.get(origin) ?? null,
    remember: (checkpoint) => {
      rememberSigned(fileOf(checkpoint.origin), checkpoint)
      known.set(checkpoint.origin, checkpoint)
    },
  }
}
