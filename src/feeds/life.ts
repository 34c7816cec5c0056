/** Where a version of a feed stands on its way: `draft → department-review → security-review → testing → active ⇄ suspended → retired`. */
export const feedStates = [
  'draft',
  'department-review',
  'security-review',
  'testing',
  'active',
  'suspended',
  'retired',
] as const
export type FeedState = (typeof feedStates)[number]

export const feedActions = [
  'submit',
  'review',
  'return',
  'approve',
  'refuse',
  'activate',
  'suspend',
  'resume',
  'discard',
  'retire',
] as const
/** What moves a version. Who may is in security/permissions.ts under `feed.<action>`. */
export type FeedAction = (typeof feedActions)[number]

/**
 * What a move needs besides the right to make it. `second-person`: nobody who wrote, submitted or reviewed this version.
 * `gate`: legal basis, catalogue entry, registered address and every secret. `test`: a passed test batch. `reason`: words.
 * `disposition`: what becomes of the data that was taken in.
 * `not-suspended`: a feed that was suspended is resumed first, so that a new version does not lift the suspension.
 */
export type Need = 'second-person' | 'gate' | 'test' | 'reason' | 'disposition' | 'not-suspended'

/**
 * What becomes of the data of a feed that is retired. `keep`: it rests, and is shared, on the legal basis that remains.
 * `tombstone`: its records are withdrawn, so that consumers remove them and nothing of them stays but the key. `erase`: so are they,
 * and refused rows and posted rows that wait are removed too.
 */
export const dispositions = ['keep', 'tombstone', 'erase'] as const
export type Disposition = (typeof dispositions)[number]

/** Which place for a signature a move fills in. */
export type Signature = 'submittedBy' | 'reviewedBy' | 'approvedBy' | 'activatedBy'

export interface Transition {
  readonly action: FeedAction
  readonly from: readonly FeedState[]
  readonly to: FeedState
  readonly needs: readonly Need[]
  readonly signs: Signature | null
}

const open = ['draft', 'department-review', 'security-review', 'testing'] as const
const live = ['active', 'suspended'] as const

/** Versions that are being prepared; a feed has at most one. */
export const openStates: readonly FeedState[] = open
/** Versions that runs use; a feed has at most one. */
export const liveStates: readonly FeedState[] = live

/** Every way from one state to another. What is not here does not happen. */
export const transitions: readonly Transition[] = [
  { action: 'submit', from: ['draft'], to: 'department-review', needs: ['gate'], signs: 'submittedBy' },
  {
    action: 'review',
    from: ['department-review'],
    to: 'security-review',
    needs: ['second-person'],
    signs: 'reviewedBy',
  },
  { action: 'return', from: ['department-review'], to: 'draft', needs: ['reason'], signs: null },
  { action: 'approve', from: ['security-review'], to: 'testing', needs: ['second-person'], signs: 'approvedBy' },
  { action: 'refuse', from: ['security-review', 'testing'], to: 'draft', needs: ['reason'], signs: null },
  {
    action: 'activate',
    from: ['testing'],
    to: 'active',
    needs: ['gate', 'test', 'not-suspended'],
    signs: 'activatedBy',
  },
  { action: 'suspend', from: ['active'], to: 'suspended', needs: ['reason'], signs: null },
  { action: 'resume', from: ['suspended'], to: 'active', needs: [], signs: null },
  { action: 'discard', from: ['draft'], to: 'retired', needs: [], signs: null },
  { action: 'retire', from: live, to: 'retired', needs: ['reason', 'disposition'], signs: null },
]

/** The one transition of an action. */
export function transitionOf(action: FeedAction): Transition {
  const found = transitions.find((transition) => transition.action === action)
  if (found === undefined) throw new RangeError(`no transition is called ${action}`)
  return found
}

/** The actions that lead on from where the versions of a feed stand. */
export const actionsFrom = (states: readonly FeedState[]): readonly FeedAction[] =>
  transitions.filter(({ from }) => states.some((state) => from.includes(state))).map(({ action }) => action)

/** What a feed is as a whole: its live version decides, then the one that is being prepared. */
export function feedStateOf(versions: readonly FeedState[]): FeedState {
  return (
    versions.find((state) => liveStates.includes(state)) ??
    versions.find((state) => openStates.includes(state)) ??
    'retired'
  )
}
