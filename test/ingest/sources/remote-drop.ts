import { hash } from 'node:crypto'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export const rows = Array.from({ length: 250 }, (_, n) => ({ id: String(n), name: `样例${n}` }))
export const csv = ['id,name', ...rows.map(({ id, name }) => `${id},${name}`), ''].join('\n')

/** A folder of a server's directory that only this test uses. */
export function makeFolderIn(directory: string): string {
  const folder = mkdtempSync(path.join(directory, 'feed-'))
  // The server runs as another account when the tests run as root.
  chmodSync(folder, 0o755)
  return folder
}

/** A data file and its marker. */
export function write(folder: string, name: string, content: string, stated = rows.length): void {
  writeFileSync(path.join(folder, name), content)
  writeFileSync(path.join(folder, `${name}.ok`), JSON.stringify({ rows: stated, sm3: hash('sm3', content) }))
}
