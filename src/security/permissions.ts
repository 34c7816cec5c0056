/**
 * Who may do what with the management API: one table, action × role. What is not in it is refused. `own` is only what belongs to
 * the account's own department or, for the engineers of a consumer, its own consumer; `all` is the whole city. No role can both write
 * what is shared and approve it for the city, and the security administrator sees no row of the data.
 */
export const roles = [
  'department-editor',
  'department-reviewer',
  'data-owner',
  'consumer-engineer',
  'security-administrator',
  'system-administrator',
  'audit-administrator',
] as const
export type Role = (typeof roles)[number]

/** What an account of the role belongs to. */
export const boundTo = {
  'department-editor': 'department',
  'department-reviewer': 'department',
  'data-owner': 'department',
  'consumer-engineer': 'consumer',
  'security-administrator': 'city',
  'system-administrator': 'city',
  'audit-administrator': 'city',
} as const satisfies Record<Role, 'department' | 'consumer' | 'city'>

type Scope = 'own' | 'all'

const inDepartment = { 'department-editor': 'own', 'department-reviewer': 'own' } as const
const everywhere = {
  'security-administrator': 'all',
  'system-administrator': 'all',
  'audit-administrator': 'all',
} as const
const everybody = { ...inDepartment, 'data-owner': 'own', ...everywhere } as const
/** What holds nothing of one department alone: every role reads all of it. */
const published = {
  ...everywhere,
  'department-editor': 'all',
  'department-reviewer': 'all',
  'data-owner': 'all',
  'consumer-engineer': 'all',
} as const
/** The consumer writes an application, its data owner and the security administrator answer it. */
const byConsumer = { 'consumer-engineer': 'own' } as const
const bySharer = { 'data-owner': 'own', 'security-administrator': 'all' } as const
/** Who looks after those who run the city's systems. */
const inspectors = { 'security-administrator': 'all', 'audit-administrator': 'all' } as const
/** Who answers for the data of the department that leads a dataset. */
const onBehalfOfData = { 'data-owner': 'own', 'department-reviewer': 'own' } as const

/** Two of the three administrations, of which one asks and the other agrees (`store/account-grants.ts`); the third changes nothing. */
const byAdministrators = { 'security-administrator': 'all', 'system-administrator': 'all' } as const

const permissions = {
  'feed.read': everybody,
  'feed.edit': { 'department-editor': 'own' },
  'feed.secret': { 'department-editor': 'own' },
  'feed.preview': { ...inDepartment, 'security-administrator': 'all', 'system-administrator': 'all' },
  'feed.submit': { 'department-editor': 'own' },
  'feed.review': { 'department-reviewer': 'own' },
  'feed.return': { 'department-reviewer': 'own' },
  'feed.approve': { 'security-administrator': 'all' },
  'feed.refuse': { 'security-administrator': 'all' },
  'feed.discard': { 'department-editor': 'own' },
  'feed.test': { 'department-editor': 'own', 'system-administrator': 'all' },
  'feed.activate': { 'department-editor': 'own', 'system-administrator': 'all' },
  'feed.suspend': { ...inDepartment, 'security-administrator': 'all', 'system-administrator': 'all' },
  'feed.resume': { 'department-reviewer': 'own', 'system-administrator': 'all' },
  'feed.retire': { 'department-reviewer': 'own', 'security-administrator': 'all' },
  'run.read': everybody,
  'run.request': { 'department-editor': 'own', 'system-administrator': 'all' },
  'run.control': { 'department-editor': 'own', 'system-administrator': 'all' },
  // Rejected rows are seen by their own department only.
  'rejection.read': inDepartment,
  'rejection.fix': { 'department-editor': 'own' },
  'quality.read': everybody,
  // Masked values and record ids are shown to the department of the record only.
  'person-conflict.read': { ...inDepartment, ...everywhere },
  'person-link.decide': { 'department-reviewer': 'own' },
  // It tells of the feeds of all departments.
  'schema.read': everywhere,
  'catalogue.read': published,
  // What leaves, counted: a department sees what is made of its own feeds.
  // What leaves, counted: a department sees what is made of its own feeds, a consumer what it received.
  'usage.read': { ...everybody, 'consumer-engineer': 'own' },
  'coverage.read': published,
  'coverage.refuse': { 'department-reviewer': 'own' },
  'endpoint.read': everybody,
  'endpoint.approve': { 'security-administrator': 'all' },
  'consumer.read': everywhere,
  'consumer.register': { 'security-administrator': 'all', 'system-administrator': 'all' },
  'credential.read': everywhere,
  'credential.change': { 'security-administrator': 'all', 'system-administrator': 'all' },
  'service-item.read': published,
  'service-item.publish': { 'system-administrator': 'all' },
  'export.read': { ...everywhere, ...onBehalfOfData },
  'export.approve-data': onBehalfOfData,
  'export.approve-security': { 'security-administrator': 'all' },
  'alert.acknowledge': {
    'department-editor': 'own',
    'data-owner': 'own',
    'system-administrator': 'all',
    'security-administrator': 'all',
  },
  // What the rules of oversight found may be about the system administrator, who neither acknowledges nor sets it.
  'oversight.read': inspectors,
  'oversight.acknowledge': inspectors,
  'oversight.change': { 'security-administrator': 'all' },
  'report.read': inspectors,
  'report.make': { 'audit-administrator': 'all' },
  'log.read': inspectors,
  'pruning.read': everywhere,
  'pruning.approve': { 'audit-administrator': 'all' },
  'application.read': { ...everybody, 'consumer-engineer': 'own' },
  'application.write': byConsumer,
  'application.submit': byConsumer,
  'application.withdraw': byConsumer,
  'application.confirm': byConsumer,
  'application.dispose': byConsumer,
  'application.ask': bySharer,
  'application.approve': bySharer,
  'application.refuse': bySharer,
  'application.revoke': bySharer,
  'application.extend': { 'department-reviewer': 'own', 'security-administrator': 'all' },
  'application.provision': { 'system-administrator': 'all' },
  'subscription.read': everywhere,
  'subscription.manage': { 'system-administrator': 'all' },
  'subscription.pause': { 'system-administrator': 'all', 'security-administrator': 'all' },
  'consumer.stop': { 'system-administrator': 'all', 'security-administrator': 'all' },
  // What was stopped for safety begins again only when safety says so.
  'consumer.start': { 'security-administrator': 'all' },
  'freeze.read': everybody,
  'freeze.set': { 'security-administrator': 'all', 'department-reviewer': 'own' },
  'freeze.lift': { 'security-administrator': 'all', 'department-reviewer': 'own' },
  'incident.read': everywhere,
  'incident.manage': { 'security-administrator': 'all' },
  // Whoever looks at clear values is of the department that stated them; who protects and audits them never looks.
  'reveal.ask': inDepartment,
  'reveal.look': inDepartment,
  'reveal.read': {
    ...inDepartment,
    'data-owner': 'own',
    'security-administrator': 'all',
    'audit-administrator': 'all',
  },
  'reveal.approve-data': { 'data-owner': 'own' },
  'reveal.approve-security': { 'security-administrator': 'all' },
  'reveal.review': { 'audit-administrator': 'all' },
  // Who saw whom: nobody else than who audits reads the log.
  'audit.search': { 'audit-administrator': 'all' },
  // What was observed and record ids are shown to the department of the record only.
  'correction.read': everybody,
  'correction.answer': { ...inDepartment, 'data-owner': 'own' },
  'verification.read': { ...inDepartment, 'data-owner': 'own' },
  'verification.route': { 'department-editor': 'own' },
  'recall.read': everybody,
  'recall.ask': { 'department-reviewer': 'own' },
  'recall.approve': { 'department-reviewer': 'own', 'security-administrator': 'all' },
  'recall.refuse': { 'department-reviewer': 'own', 'security-administrator': 'all' },
  'recall.lift': { 'department-reviewer': 'own' },
  'audit-proof.read': { 'audit-administrator': 'all' },
  'account.read': everywhere,
  'account.request': byAdministrators,
  'account.decide': byAdministrators,
  'account.end': byAdministrators,
} as const satisfies Readonly<Record<string, Readonly<Partial<Record<Role, Scope>>>>>

export type Action = keyof typeof permissions

export const actions = Object.keys(permissions) as readonly Action[]

/** Who has to agree before many persons leave in one export: two accounts, one for each duty. */
export const exportDuties = {
  data: 'export.approve-data',
  security: 'export.approve-security',
} as const satisfies Readonly<Record<string, Action>>
export type ExportDuty = keyof typeof exportDuties

/** Who has to agree before clear values are looked at: two other accounts, one for each duty. */
export const revealDuties = {
  data: 'reveal.approve-data',
  security: 'reveal.approve-security',
} as const satisfies Readonly<Record<string, Action>>
export type RevealDuty = keyof typeof revealDuties

/** What an account is judged by. `department` and `consumer` are null unless the role is bound to one. */
interface Actor {
  readonly role: Role
  readonly department: string | null
  readonly consumer: string | null
}

/** Whose something is that has a department on one side and a consumer on the other. */
export interface Parties {
  readonly department: string | null
  readonly consumer: string | null
}

/** A department, both parties, or null for something of the whole city. */
export type Owner = string | Parties | null

const partiesOf = (owner: Owner): Parties =>
  typeof owner === 'object' && owner !== null ? owner : { department: owner, consumer: null }

/**
 * Whether the actor may do the action with something of this owner; null: with something of the whole city, for which a scope of
 * `own` is not enough.
 */
export function isPermitted({ role, department, consumer }: Actor, action: Action, owner: Owner): boolean {
  const granted: Readonly<Partial<Record<Role, Scope>>> = permissions[action]
  const scope = granted[role]
  if (scope === 'all') return true
  const parties = partiesOf(owner)
  const isOwn =
    (parties.department !== null && parties.department === department) ||
    (parties.consumer !== null && parties.consumer === consumer)
  return scope === 'own' && isOwn
}

/** The actions that a role may do at all, each with how far it reaches. */
export function permissionsOf(role: Role): Readonly<Partial<Record<Action, Scope>>> {
  const granted = Object.entries(permissions).flatMap(([action, scopes]: [string, Partial<Record<Role, Scope>>]) => {
    const scope = scopes[role]
    return scope === undefined ? [] : [[action, scope] as const]
  })
  return Object.fromEntries(granted)
}
