/**
 * Who may do what with the management API: one table, action × role. What is not in it is refused. `own` is only what belongs to
 * the account's own department, `all` is the whole city. No role can both write what is shared and approve it for the city, and
 * the security officer sees no row of the data.
 */
export const roles = [
  'department-editor',
  'department-reviewer',
  'security-officer',
  'platform-engineer',
  'auditor',
] as const
export type Role = (typeof roles)[number]

type Scope = 'own' | 'all'

const inDepartment = { 'department-editor': 'own', 'department-reviewer': 'own' } as const
const everywhere = { 'security-officer': 'all', 'platform-engineer': 'all', auditor: 'all' } as const
const everybody = { ...inDepartment, ...everywhere } as const
/** What holds nothing of one department alone: every role reads all of it. */
const published = { ...everywhere, 'department-editor': 'all', 'department-reviewer': 'all' } as const

const permissions = {
  'feed.read': everybody,
  'feed.edit': { 'department-editor': 'own' },
  'feed.secret': { 'department-editor': 'own' },
  'feed.preview': { ...inDepartment, 'security-officer': 'all', 'platform-engineer': 'all' },
  'feed.submit': { 'department-editor': 'own' },
  'feed.review': { 'department-reviewer': 'own' },
  'feed.return': { 'department-reviewer': 'own' },
  'feed.approve': { 'security-officer': 'all' },
  'feed.refuse': { 'security-officer': 'all' },
  'feed.discard': { 'department-editor': 'own' },
  'feed.test': { 'department-editor': 'own', 'platform-engineer': 'all' },
  'feed.activate': { 'department-editor': 'own', 'platform-engineer': 'all' },
  'feed.suspend': { ...inDepartment, 'security-officer': 'all', 'platform-engineer': 'all' },
  'feed.resume': { 'department-reviewer': 'own', 'platform-engineer': 'all' },
  'feed.retire': { 'department-reviewer': 'own', 'security-officer': 'all' },
  'run.read': everybody,
  'run.request': { 'department-editor': 'own', 'platform-engineer': 'all' },
  'run.control': { 'department-editor': 'own', 'platform-engineer': 'all' },
  // Rejected rows are seen by their own department only.
  'rejection.read': inDepartment,
  'rejection.fix': { 'department-editor': 'own' },
  'quality.read': everybody,
  // Masked values and record ids are shown to the department of the record only.
  'person-conflict.read': everybody,
  'person-link.decide': { 'department-reviewer': 'own' },
  // It tells of the feeds of all departments.
  'schema.read': everywhere,
  'catalogue.read': published,
  'coverage.read': published,
  'coverage.refuse': { 'department-reviewer': 'own' },
  'endpoint.read': everybody,
  'endpoint.approve': { 'security-officer': 'all' },
  'service-item.read': published,
  'service-item.publish': { 'platform-engineer': 'all' },
  'subscription.read': everywhere,
  'subscription.manage': { 'platform-engineer': 'all' },
  'subscription.pause': { 'platform-engineer': 'all', 'security-officer': 'all' },
  'consumer.stop': { 'platform-engineer': 'all', 'security-officer': 'all' },
  // What was stopped for safety begins again only when safety says so.
  'consumer.start': { 'security-officer': 'all' },
} as const satisfies Readonly<Record<string, Readonly<Partial<Record<Role, Scope>>>>>

export type Action = keyof typeof permissions

/** What an account is judged by. `department` is null for the roles of the whole city. */
interface Actor {
  readonly role: Role
  readonly department: string | null
}

/**
 * Whether the actor may do the action with something of this department; null: with something of the whole city, for which a
 * scope of `own` is not enough.
 */
export function isPermitted({ role, department }: Actor, action: Action, owner: string | null): boolean {
  const granted: Readonly<Partial<Record<Role, Scope>>> = permissions[action]
  const scope = granted[role]
  if (scope === 'all') return true
  return scope === 'own' && owner !== null && owner === department
}

/** The actions that a role may do at all, each with how far it reaches. */
export function permissionsOf(role: Role): Readonly<Partial<Record<Action, Scope>>> {
  const granted = Object.entries(permissions).flatMap(([action, scopes]: [string, Partial<Record<Role, Scope>>]) => {
    const scope = scopes[role]
    return scope === undefined ? [] : [[action, scope] as const]
  })
  return Object.fromEntries(granted)
}
