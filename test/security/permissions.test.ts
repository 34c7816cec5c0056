import { describe, expect, test } from 'vitest'
import {
  exportDuties,
  revealDuties,
  isPermitted,
  permissionsOf,
  roles,
  type Action,
} from '../../src/security/permissions.ts'

const editor = { role: 'department-editor', department: 'civil-affairs', consumer: null } as const
const reviewer = { role: 'department-reviewer', department: 'civil-affairs', consumer: null } as const
const officer = { role: 'security-administrator', department: null, consumer: null } as const
const owner = { role: 'data-owner', department: 'civil-affairs', consumer: null } as const
const engineer = { role: 'consumer-engineer', department: null, consumer: 'grid-platform' } as const

test('a role of a department reaches its own department only, and never the whole city', () => {
  expect(isPermitted(editor, 'feed.edit', 'civil-affairs')).toBe(true)
  expect(isPermitted(editor, 'feed.edit', 'public-security')).toBe(false)
  expect(isPermitted(editor, 'feed.edit', null)).toBe(false)
})

test('an application is seen by both of its parties, each from its own side', () => {
  const parties = { department: 'civil-affairs', consumer: 'grid-platform' }
  expect(isPermitted(owner, 'application.approve', parties)).toBe(true)
  expect(isPermitted(owner, 'application.approve', { ...parties, department: 'health' })).toBe(false)
  expect(isPermitted(engineer, 'application.submit', parties)).toBe(true)
  expect(isPermitted(engineer, 'application.submit', { ...parties, consumer: 'civil-affairs' })).toBe(false)
  expect(isPermitted(engineer, 'application.approve', parties)).toBe(false)
})

test('an engineer of a consumer reaches nothing of a department or of the city', () => {
  const own = { department: null, consumer: 'grid-platform' }
  const reached = Object.entries(permissionsOf('consumer-engineer')).filter(([, scope]) => scope === 'all')
  expect(reached.map(([action]) => action)).toEqual(['catalogue.read', 'coverage.read', 'service-item.read'])
  expect(isPermitted(engineer, 'application.read', null)).toBe(false)
  expect(isPermitted({ ...engineer, consumer: null }, 'application.read', { ...own, consumer: null })).toBe(false)
})

test('what is not in the table is refused', () => {
  expect(isPermitted(officer, 'feed.edit', 'civil-affairs')).toBe(false)
  expect(
    isPermitted({ role: 'audit-administrator', department: null, consumer: null }, 'feed.suspend', 'civil-affairs'),
  ).toBe(false)
  const made = { role: 'made-up' as 'audit-administrator', department: null, consumer: null }
  expect(isPermitted(made, 'feed.read', 'civil-affairs')).toBe(false)
})

describe('duties that no role holds together', () => {
  test.each<readonly [Action, Action]>([
    ['feed.submit', 'feed.review'],
    ['feed.submit', 'feed.approve'],
    ['feed.review', 'feed.approve'],
    ['rejection.read', 'feed.approve'],
    ['endpoint.approve', 'feed.edit'],
    [exportDuties.data, exportDuties.security],
    [revealDuties.data, revealDuties.security],
    ['reveal.ask', revealDuties.data],
    ['reveal.look', revealDuties.security],
    ['reveal.look', 'reveal.review'],
    ['reveal.review', revealDuties.security],
    ['application.submit', 'application.approve'],
    ['application.provision', 'application.approve'],
  ])('%s and %s', (one, other) => {
    const both = roles.filter((role) => one in permissionsOf(role) && other in permissionsOf(role))
    expect(both).toEqual([])
  })
})

test('rejected rows are seen by their own department alone', () => {
  const seeing = roles.filter((role) => 'rejection.read' in permissionsOf(role))
  expect(seeing).toEqual(['department-editor', 'department-reviewer'])
  expect(isPermitted(reviewer, 'rejection.read', 'public-security')).toBe(false)
})

test('an auditor reads, and acts on nothing but the log and what was revealed', () => {
  const actions = Object.keys(permissionsOf('audit-administrator'))
  expect(actions.filter((action) => !action.endsWith('.read'))).toEqual([
    'oversight.acknowledge',
    'report.make',
    'pruning.approve',
    'reveal.review',
    'audit.search',
  ])
  expect(actions.length).toBeGreaterThan(4)
})
