/**
 * Writes `docs/openapi.json`, the HTTP surface as the server describes itself, and `tools/openapi-types/openapi.d.ts`, the
 * same as TypeScript types. `--check` writes nothing and exits 1 where a file no longer is what the server says.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../src/config.ts'
import { AppError } from '../src/errors.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { loadJurisdiction } from '../src/feeds/jurisdiction.ts'
import { createEgressGuard } from '../src/security/egress.ts'
import { buildServer } from '../src/http/server.ts'
import { version } from '../src/installation.ts'
import { openLog } from '../src/log.ts'

const DESCRIPTION = fileURLToPath(new URL('../docs/openapi.json', import.meta.url))
const TYPES = fileURLToPath(new URL('openapi-types/openapi.d.ts', import.meta.url))
const BANNER = '// Generated from docs/openapi.json by tools/generate-openapi-types.ts. Do not edit.\n'

const refuse = (): never => {
  throw new AppError('INTERNAL', 'a description needs no database and no key')
}

/** The description as JSON text. The server listens nowhere, opens no database and holds no key. */
async function renderDescription(): Promise<string> {
  const server = await buildServer({
    version,
    datasets: loadDatasets(),
    jurisdiction: loadJurisdiction('decree-809'),
    egress: createEgressGuard([]),
    database: { query: refuse, transaction: refuse, until: refuse, signing: refuse, close: refuse },
    keys: {
      get sealing() {
        return refuse()
      },
      sealKey: refuse,
      token: refuse,
      personTokens: refuse,
    },
    tokenSeconds: 600,
    auditDeadlineMs: 2000,
    previewsPerHour: 1,
    revealRules: { perDay: 1, minutes: 1, urgentMinutes: 1, hours: 1 },
    publicUrl: null,
    tls: null,
    trustedProxies: [],
    signIn: loadConfig({}).signIn,
    cityIdentity: null,
    logger: openLog('silent', 'openapi'),
  })
  try {
    const answer = await server.inject('/openapi.json')
    return `${JSON.stringify(answer.json(), null, 2)}\n`
  } finally {
    await server.close()
  }
}

/** openapi-typescript runs in its own workspace, because it needs TypeScript 5. */
function renderTypes(description: string): string {
  const workspace = createRequire(new URL('./openapi-types/package.json', import.meta.url))
  const command = path.join(path.dirname(workspace.resolve('openapi-typescript')), '../bin/cli.js')
  const directory = mkdtempSync(path.join(tmpdir(), 'gridbridge-openapi-'))
  try {
    const input = path.join(directory, 'openapi.json')
    const output = path.join(directory, 'openapi.d.ts')
    writeFileSync(input, description)
    const { status, stderr } = spawnSync(process.execPath, [command, input, '--immutable', '--output', output], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`openapi-typescript: ${/^Error.*/m.exec(stderr)?.[0] ?? `exit code ${status}`}`)
    return BANNER + readFileSync(output, 'utf8')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function settle(file: string, wanted: string): void {
  if (!process.argv.includes('--check')) return writeFileSync(file, wanted)
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) return
  process.stdout.write(`${path.basename(file)} is not what the server says; run node tools/generate-openapi-types.ts\n`)
  process.exitCode = 1
}

try {
  const description = await renderDescription()
  settle(DESCRIPTION, description)
  settle(TYPES, renderTypes(description))
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
