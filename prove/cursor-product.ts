import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from '../demo/processes.ts'
import { openPushSource } from '../src/ingest/sources/push.ts'
import { openSource } from '../src/ingest/sources/open.ts'
import { createEgressGuard } from '../src/security/egress.ts'

/** The doors of the product that reading a department goes through. */
export interface Product {
  readonly openSource: typeof openSource
  readonly openPushSource: typeof openPushSource
  readonly createEgressGuard: typeof createEgressGuard
}

/** The product as it is. */
export const product: Product = { openSource, openPushSource, createEgressGuard }

/** One place of the product changed so that it must lose rows. */
export interface CodeChange {
  readonly file: string
  readonly find: RegExp
  readonly replace: string
}

/** The changed file, or null where the place is no longer there once: the change must be written anew. */
export function changeFile({ file, find, replace }: CodeChange): string | null {
  const source = readFileSync(path.join(projectRoot, file), 'utf8')
  return source.match(new RegExp(find, 'g'))?.length === 1 ? source.replace(find, () => replace) : null
}

/** Works with a copy of the product in which one place is changed. Throws where that place is gone. */
export async function withChangedProduct<Result>(
  change: CodeChange,
  work: (changed: Product) => Promise<Result>,
): Promise<Result> {
  const text = changeFile(change)
  if (text === null) throw new Error(`${change.file} no longer has the place that was to be changed`)
  const root = mkdtempSync(path.join(tmpdir(), 'gridbridge-cursor-'))
  try {
    for (const name of ['src', 'schemas', 'package.json']) {
      cpSync(path.join(projectRoot, name), path.join(root, name), { recursive: true })
    }
    symlinkSync(path.join(projectRoot, 'node_modules'), path.join(root, 'node_modules'))
    writeFileSync(path.join(root, change.file), text)
    const load = async (file: string): Promise<unknown> =>
      import(/* @vite-ignore */ pathToFileURL(path.join(root, file)).href)
    const sources = (await load('src/ingest/sources/open.ts')) as Pick<Product, 'openSource'>
    const guard = (await load('src/security/egress.ts')) as Pick<Product, 'createEgressGuard'>
    const push = (await load('src/ingest/sources/push.ts')) as Pick<Product, 'openPushSource'>
    return await work({ ...sources, ...push, ...guard })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
