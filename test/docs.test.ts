import { createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { auditEvents } from '../src/audit/events.ts'
import { loadConfig } from '../src/config.ts'
import { errorTable } from '../src/errors.ts'
import { webhookHeaders } from '../src/security/webhook-signature.ts'
import { readTables } from './support/markdown.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      { readonly command?: readonly string[]; readonly environment?: object; readonly stop_grace_period?: string }
    >
  >
}

/** compose.yaml with its anchors merged. knip brings the YAML reader. */
function readCompose(): Compose {
  const { parse } = createRequire(path.join(root, 'node_modules/knip/package.json'))('yaml') as {
    readonly parse: (text: string, options: { readonly merge: boolean }) => Compose
  }
  return parse(read('compose.yaml'), { merge: true })
}

const yes = (is: boolean): string => (is ? 'yes' : 'no')
const tableOf = (file: string): readonly (readonly string[])[] => readTables(read(file)).at(-1) ?? []

describe('the tables of docs/ are the tables of the source', () => {
  it('errors.md lists every error as it is, and no other', () => {
    const errors = Object.entries(errorTable).map(([code, { status, retry, en, zh }]) => [
      code,
      String(status),
      yes(retry),
      en,
      zh,
    ])
    expect(tableOf('docs/errors.md')).toEqual(errors)
  })

  it('events.md lists every audit event as it is, and no other', () => {
    const events = Object.entries(auditEvents).map(([type, { personal, en, zh }]) => [type, yes(personal), en, zh])
    expect(tableOf('docs/events.md')).toEqual(events)
  })
})

/** The variables that are asked for. Production is asked for too, because it decides whether another one is. */
function readVariables(): readonly string[] {
  const asked = new Set<string>()
  for (const production of [undefined, 'production']) {
    const spy = (_environment: object, name: string): string | undefined => {
      asked.add(name)
      return name === 'NODE_ENV' ? production : undefined
    }
    loadConfig(new Proxy({}, { get: spy }))
  }
  return [...asked].toSorted()
}

describe('operations.md', () => {
  const tables = readTables(read('docs/operations.md'))

  it('lists every variable that the configuration reads, and no other', () => {
    expect(tables[0]?.map(([name]) => name).toSorted()).toEqual(readVariables())
  })

  it('says how a deployment stops no later than the deployment allows', () => {
    const compose = readCompose()
    const waits = Number(/delay: ([\d_]+)/.exec(read('src/cli.ts'))?.[1]?.replace('_', ''))
    expect(waits).toBeGreaterThan(20_000)
    expect(Number.parseInt(compose.services['worker']?.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(waits)
  })
})

describe('api-guide.md', () => {
  const guide = read('docs/api-guide.md')
  const example =
    /webhook-id: (?<id>\S+)\nwebhook-timestamp: (?<timestamp>\d+)\nwebhook-signature: (?<signature>\S+)\n\n(?<body>.+)\n/.exec(
      guide,
    )?.groups
  const { id = '', timestamp = '', signature = '', body = '' } = example ?? {}
  const secret = /`(whsec_[A-Za-z0-9+/=]+)`/.exec(guide)?.[1] ?? ''

  it('has an example whose signature is right by the standard and by the product', () => {
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
    expect(key).toHaveLength(32)
    expect(signature).toBe(`v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`)
    expect(webhookHeaders([secret], { id, timestamp: Number(timestamp), body })['webhook-signature']).toBe(signature)
  })

  it('shows code that accepts its own example and refuses another body', async () => {
    const code = /```js\n([\s\S]+?)```/.exec(guide)?.[1] ?? ''
    const loaded: unknown = await import(`data:text/javascript,${encodeURIComponent(code)}`)
    const { isSigned } = loaded as {
      isSigned: (secret: string, headers: Record<string, string>, body: string) => boolean
    }
    const now = Math.floor(Date.now() / 1000)
    const sign = (at: number): string =>
      `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
        .update(`${id}.${at}.${body}`)
        .digest('base64')}`
    const headers = (at: number): Record<string, string> => ({
      'webhook-id': id,
      'webhook-timestamp': String(at),
      'webhook-signature': `v1,AAAA ${sign(at)}`,
    })
    expect(isSigned(secret, headers(now), body)).toBe(true)
    expect(isSigned(secret, headers(now), `${body} `)).toBe(false)
    expect(isSigned(secret, headers(now - 301), body)).toBe(false)
  })

  it('lists every code that the door can answer, with its status', () => {
    const rows = readTables(guide).find((table) => table.some(([code]) => code === 'TOKEN_INVALID')) ?? []
    for (const [code = '', status] of rows)
      expect(String(errorTable[code as keyof typeof errorTable]?.status), code).toBe(status)
    const doors = [
      'changes-route',
      'clients',
      'operations-routes',
      'problems',
      'request-bytes',
      'server',
      'signed-requests',
      'token-grants',
      'token-route',
    ].map((name) => `src/http/${name}.ts`)
    const sources = [
      ...doors,
      'src/sharing/pull.ts',
      'src/sharing/cursors.ts',
      'src/sharing/records.ts',
      'src/sharing/set-digests.ts',
      'src/store/audit-log.ts',
      'src/store/query.ts',
      'src/security/client-assertions.ts',
      'src/security/key-ring.ts',
      'src/security/live-key-ring.ts',
    ]
    const thrown = sources.flatMap((file) =>
      [...read(file).matchAll(/AppError\('([A-Z_]+)'|: '([A-Z_]{6,})',/g)].map((match) => match[1] ?? match[2] ?? ''),
    )
    const barriers = [
      'AGREEMENT_MISSING',
      'AGREEMENT_SUSPENDED',
      'PURPOSE_WITHDRAWN',
      'CONSUMER_STOPPED',
      'QUOTA_SPENT',
    ]
    const fromStore = ['TOKEN_INVALID', 'AUDIT_UNSIGNED', ...barriers]
    expect(thrown.length).toBeGreaterThan(10)
    expect([...new Set([...thrown, ...fromStore])].toSorted()).toEqual(rows.map(([code = '']) => code).toSorted())
  })
})

const readmes = ['README.md', 'README.zh-CN.md'] as const
const headings = (text: string): readonly number[] =>
  [...text.replace(/```[\s\S]*?```/g, '').matchAll(/^(#+) /gm)].map((match) => match[1]?.length ?? 0)
const codeBlocks = (text: string): readonly string[] => [...text.matchAll(/```[\s\S]*?```/g)].map(([block]) => block)

const marks = (text: string): readonly string[] =>
  [...text.matchAll(/^\*\*\d{4}-\d\d-\d\d|<!-- .+? -->/gm)].map(([mark]) => mark)

describe('sources.md', () => {
  const schema = read('schemas/manifest.schema.json')
  const http = schema.slice(schema.indexOf('"httpSource": {'), schema.indexOf('"sqlSource": {'))
  const kinds = [...http.matchAll(/"kind": \{ "const": "([a-z0-9-]+)" \}/g)].map((match) => match[1] ?? '')

  it('names every kind of authentication, paging, request and answer that an HTTP source can have', () => {
    const named = read('docs/sources.md')
    expect(kinds.length).toBeGreaterThan(20)
    expect(kinds.filter((kind) => kind !== 'http' && !named.includes(`\`${kind}\``))).toEqual([])
  })

  it('names every setting of a file source and every choice it has', () => {
    const { $defs } = JSON.parse(schema) as { readonly $defs: Readonly<Record<string, unknown>> }
    const words = wordsOf([$defs['fileSource'], $defs['fileFormat']]).filter((word) => /^[\w-]+$/.test(word))
    const [, section = ''] = /\n## file\n([\s\S]*?)\n## /.exec(read('docs/sources.md')) ?? []
    expect(words.length).toBeGreaterThan(25)
    expect(words.filter((word) => !new RegExp(`\`[^\`]*\\b${word}\\b`).test(section))).toEqual([])
  })
})

/** The names of the members that a part of a JSON Schema allows, and the texts they can be. */
function wordsOf(part: unknown): readonly string[] {
  if (typeof part !== 'object' || part === null) return []
  return Object.entries(part).flatMap(([name, value]: [string, unknown]) => {
    if (name === 'const' || name === 'enum') return [value].flat().filter((text) => typeof text === 'string')
    return name === 'properties' && typeof value === 'object'
      ? [...Object.keys(value ?? {}), ...wordsOf(Object.values(value ?? {}))]
      : wordsOf(value)
  })
}

describe('the two READMEs', () => {
  const [english, chinese] = [read('README.md'), read('README.zh-CN.md')]

  it('have the same headings, code, tables, decisions and marks', () => {
    expect(headings(chinese)).toEqual(headings(english))
    expect(codeBlocks(chinese)).toEqual(codeBlocks(english))
    expect(readTables(chinese).map((table) => table.length)).toEqual(readTables(english).map((table) => table.length))
    expect(marks(chinese)).toEqual(marks(english))
    expect(headings(english).length).toBeGreaterThan(8)
  })

  it.each(readmes)('%s names every package and no other', (file) => {
    const { dependencies, optionalDependencies, devDependencies } = packageJson
    const table = readTables(read(file)).find((rows) => rows.some(([name]) => name === 'fastify')) ?? []
    expect(table.map(([name = '']) => name).toSorted()).toEqual(
      Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).toSorted(),
    )
    expect(table.filter(([, reason]) => !reason)).toEqual([])
  })

  it.each([
    ...readmes,
    'docs/operations.md',
    'docs/api-guide.md',
    'docs/errors.md',
    'docs/events.md',
    'docs/sources.md',
  ])('%s names only files and links that are there', (file) => {
    const text = read(file)
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => path.join(path.dirname(file), match[1] ?? ''))
    const named = [...text.matchAll(/`((?:src|test|tools|schemas|connectors|docs|demo)\/[\w./-]+)`/g)].map(
      (match) => match[1] ?? '',
    )
    expect([...links, ...named].filter((place) => !existsSync(path.join(root, place)))).toEqual([])
  })

  it.each(readmes)('%s names only scripts that package.json has', (file) => {
    const scripts = [...read(file).matchAll(/npm run ([a-z]+)/g)].map((match) => match[1] ?? '')
    expect(scripts.filter((script) => !Object.hasOwn(packageJson.scripts, script))).toEqual([])
    expect(scripts.length).toBeGreaterThan(3)
  })

  it.each(readmes)('%s says de-identified and claims neither anonymity nor compliance', (file) => {
    expect(read(file)).toMatch(/de-identified|去标识化/)
    expect(read(file)).not.toMatch(/anonymi[sz]|匿名化|GDPR|等保/i)
  })
})

describe('the image', () => {
  const dockerfile = read('Dockerfile')

  it('copies only what is there, and what the build is given', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      (match) => match[1]?.split(' ') ?? [],
    )
    expect(copied.length).toBeGreaterThan(5)
    expect(copied.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
    const given = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(copied.filter((file) => !given.includes(file))).toEqual([])
  })

  it('is the base of every role of compose.yaml, and the roles are those that start', () => {
    const { services } = readCompose()
    const roles = Object.values(services).flatMap(({ command = [] }) =>
      command.filter((_word, place) => command[place - 1] === '--role'),
    )
    expect(roles.toSorted()).toEqual(['api', 'scheduler', 'sequencer', 'worker'])
    const known = new Set(readVariables())
    const given = ['api', 'migrate'].flatMap((name) => Object.keys(services[name]?.environment ?? {}))
    expect(given.filter((name) => !known.has(name))).toEqual([])
  })

  it('brings the Node that runs here', () => {
    expect(dockerfile.match(/^FROM node:(\d+)/gm)).toEqual([
      `FROM node:${read('.nvmrc').trim()}`,
      `FROM node:${read('.nvmrc').trim()}`,
    ])
    expect(process.versions.node.split('.')[0]).toBe(read('.nvmrc').trim())
  })
})
