import { describe, expect, test } from 'vitest'
import { compareFields } from '../../src/feeds/impact.ts'
import { diffJson, isSameJson } from '../../src/feeds/json-diff.ts'
import {
  actionsFrom,
  feedActions,
  feedStateOf,
  feedStates,
  liveStates,
  openStates,
  transitions,
} from '../../src/feeds/life.ts'
import type { SourceManifest } from '../../src/feeds/manifest-types.ts'
import { sourceAddresses } from '../../src/feeds/source-addresses.ts'
import { createManifest } from './sample-manifest.ts'

describe('the transition table', () => {
  test('has each action once, and every state is open, live or retired', () => {
    expect(transitions.map(({ action }) => action).toSorted()).toEqual([...feedActions].toSorted())
    expect([...openStates, ...liveStates, 'retired'].toSorted()).toEqual([...feedStates].toSorted())
  })

  test('leads from a draft to active only past a second and a third person, a gate and a test', () => {
    const walk = (state: string): readonly (readonly string[])[] =>
      transitions
        .filter(
          ({ from, to }) =>
            from.some((one) => one === state) && feedStates.indexOf(to) > feedStates.indexOf(from[0] ?? 'draft'),
        )
        .flatMap(({ action, to }) =>
          to === 'active' || to === 'retired' ? [[action]] : walk(to).map((rest) => [action, ...rest]),
        )
    expect(walk('draft').filter((way) => way.at(-1) === 'activate')).toEqual([
      ['submit', 'review', 'approve', 'activate'],
    ])
    const needed = transitions.filter(({ action }) => ['submit', 'review', 'approve', 'activate'].includes(action))
    expect(needed.map(({ needs }) => needs.slice(0, 2))).toEqual([
      ['gate'],
      ['second-person'],
      ['second-person'],
      ['gate', 'test'],
    ])
  })

  test('ends with retired', () => {
    expect(actionsFrom(['retired'])).toEqual([])
    expect(transitions.filter(({ from }) => from.includes('retired'))).toEqual([])
  })

  test('a feed is what its live version is, then what is being prepared', () => {
    expect(feedStateOf(['draft', 'suspended', 'retired'])).toBe('suspended')
    expect(feedStateOf(['testing', 'retired'])).toBe('testing')
    expect(feedStateOf(['retired'])).toBe('retired')
    expect(feedStateOf([])).toBe('retired')
  })
})

describe('differences', () => {
  test('are told by escaped pointers, whatever the order of members', () => {
    expect(diffJson({ a: 1, b: [1, { 'c/d~e': 2 }] }, { b: [1, { 'c/d~e': 3 }, 4], a: 1, f: null })).toEqual([
      { change: 'changed', pointer: '/b/1/c~1d~0e', before: 2, after: 3 },
      { change: 'added', pointer: '/b/2', after: 4 },
      { change: 'added', pointer: '/f', after: null },
    ])
    expect(isSameJson({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true)
    expect(isSameJson({ a: [] }, { a: {} })).toBe(false)
    expect(isSameJson({ a: null }, {})).toBe(false)
  })

  test('of mappings are told by field', () => {
    const manifest = createManifest()
    const changed = {
      map: [
        { to: '/name', from: '/other' },
        { to: '/remark', from: '/bz' },
        ...manifest.map.filter(({ to }) => !['/name', '/sex'].includes(to)),
      ],
    }
    expect(compareFields(manifest, changed)).toEqual({ dropped: ['sex'], added: ['remark'], changed: ['name'] })
    expect(compareFields(null, { map: [{ to: '/name', from: '/xm' }] })).toEqual({
      dropped: [],
      added: ['name'],
      changed: [],
    })
  })
})

describe('what a source reads from', () => {
  test.each<readonly [string, object, readonly string[]]>([
    ['an URL with its default port', { kind: 'http', baseUrl: 'https://ga.example/api' }, ['https ga.example 443']],
    ['an address in another form', { kind: 'http', baseUrl: 'http://0x7f.1:8080' }, ['http 127.0.0.1 8080']],
    [
      'where its token comes from',
      { kind: 'http', baseUrl: 'https://a.example', auth: { kind: 'oauth2', tokenUrl: 'https://b.example/token' } },
      ['https a.example 443', 'https b.example 443'],
    ],
    [
      'a namespace, which nobody calls',
      { kind: 'http', baseUrl: 'https://a.example', request: { namespace: 'http://c.example/ns' } },
      ['https a.example 443'],
    ],
    ['a database', { kind: 'sql', driver: 'mysql', host: '2130706433', port: 3307 }, ['mysql 127.0.0.1 3307']],
    [
      'an IPv6 database',
      { kind: 'sql', driver: 'postgresql', host: 'fd12::5', port: 5432 },
      ['postgresql fd12::5 5432'],
    ],
    ['a folder here', { kind: 'file', directory: '/data/ga' }, ['file /data/ga 0']],
    [
      'a folder there',
      { kind: 'file', directory: '/out', transport: { kind: 'sftp', host: 'sftp.example', port: 22 } },
      ['sftp sftp.example 22'],
    ],
    [
      'a place that a new kind hides deep inside',
      { kind: 'new', one: [{ two: { url: 'ftp://x.example:2121' } }] },
      ['ftp x.example 2121'],
    ],
  ])('%s', (_what, source, places) => {
    const found = sourceAddresses(source as SourceManifest)
    expect(found.map(({ scheme, host, port }) => `${scheme} ${host} ${port}`)).toEqual(places)
  })
})
