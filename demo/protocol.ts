import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Manifest, SourceManifest } from '../src/feeds/manifest-types.ts'
import { projectRoot } from './processes.ts'

type SourceByKind = { readonly [Kind in SourceManifest['kind']]: Extract<SourceManifest, { readonly kind: Kind }> }

const words: { readonly [Kind in keyof SourceByKind]: (source: SourceByKind[Kind]) => readonly string[] } = {
  http: ({ auth, request, answer, paging }) => [
    auth.kind,
    ...(request.method === 'POST' ? [`POST ${request.body?.kind ?? ''}`.trim()] : []),
    ...(answer === undefined ? [] : [answer.kind]),
    `${paging.kind} paging`,
  ],
  sql: ({ driver, reading }) => [driver, reading.kind],
  file: ({ format, marker }) => [
    format.kind,
    ...(format.kind === 'csv' ? [format.encoding] : []),
    ...('compression' in format ? ['gzip'] : []),
    marker.kind === 'list' ? 'list of the batch' : 'marker',
  ],
  push: ({ auth }) => ['signed batches', auth.digest],
}

function wordsOf<Kind extends keyof SourceByKind>(kind: Kind, source: SourceByKind[Kind]): readonly string[] {
  return words[kind](source)
}

function readSource(manifestFile: string): SourceManifest {
  return (JSON.parse(readFileSync(path.join(projectRoot, manifestFile), 'utf8')) as Manifest).source
}

/** Whether the department posts what a manifest takes. */
export const isPosted = (manifestFile: string): boolean => readSource(manifestFile).kind === 'push'

/** How a manifest reads its source, in a few words: "http, hmac-sm3, token paging". */
export function describeProtocol(manifestFile: string): string {
  const source = readSource(manifestFile)
  return [source.kind, ...wordsOf(source.kind, source)].join(', ')
}
