import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { routeAccess, type RouteAccess } from '../../src/http/route-access.ts'
import { actions, permissionsOf, roles } from '../../src/security/permissions.ts'
import { projectRoot } from '../support/command-line.ts'
import { readTables } from '../support/markdown.ts'

const [byRole, byRoute] = readTables(readFileSync(path.join(projectRoot, 'docs/permissions.md'), 'utf8'))

const whoReaches = (access: RouteAccess): string => {
  if (typeof access === 'string') return access
  const named = access.actions === 'any' ? ['every account'] : access.actions
  return [...named, ...(access.both ? ['consumers'] : [])].join(', ')
}

test('permissions.md lists every action with what each role may, as it is', () => {
  const cells = actions.map((action) => [action, ...roles.map((role) => permissionsOf(role)[action] ?? '–')])
  expect(byRole).toEqual(cells)
})

test('permissions.md lists every route with who reaches it, as it is', () => {
  expect(byRoute).toEqual(Object.entries(routeAccess).map(([route, access]) => [route, whoReaches(access)]))
})
