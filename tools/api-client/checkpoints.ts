/** What a consumer keeps of the service's audit log, so that whoever rewrites the log has to rewrite it at every consumer too. */

const HEADER = 'gridbridge-checkpoint'

/** The signed note that came with an answer; null: none was signed yet. */
export function readCheckpointHeader(headers: Headers): string | null {
  const encoded = headers.get(HEADER)
  if (encoded === null) return null
  return new TextDecoder().decode(Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0)))
}

/** Origin, number of entries and root: the first three lines of a checkpoint. */
function headOf(note: string): { readonly origin: string; readonly size: number; readonly root: string } {
  const [origin = '', size = '', root = ''] = note.split('\n')
  return { origin, size: Number(size), root }
}

/**
 * Which of two signed notes to keep: the one over more entries. Throws where they contradict each other, which both notes prove to anybody:
 * keep both and tell the security office. `gridbridge audit verify --checkpoint` checks what was kept against the log.
 */
export function newerCheckpoint(kept: string | null, note: string): string {
  if (kept === null) return note
  const [older, newer] = [headOf(kept), headOf(note)]
  if (older.origin !== newer.origin || (older.size === newer.size && older.root !== newer.root))
    throw new Error(`two checkpoints contradict each other at ${newer.size} entries`)
  return newer.size > older.size ? note : kept
}
