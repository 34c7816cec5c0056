import type { TreeHead } from './merkle.ts'

/** What a signer states of a log: how many entries it has and the root over them. C2SP tlog-checkpoint, without further lines. */
export interface Checkpoint extends TreeHead {
  /** Name of the log. */
  readonly origin: string
}

export const writeCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`

const CHECKPOINT = /^(\S+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/

/** Reads the text of a checkpoint; null where it is none. */
export function readCheckpoint(text: string): Checkpoint | null {
  const [, origin, size, root] = CHECKPOINT.exec(text) ?? []
  if (origin === undefined || size === undefined || root === undefined) return null
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') }
}
