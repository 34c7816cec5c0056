/**
 * Where an application stands: `draft → submitted (⇄ need-more, once) → approved → provisioned → active`, and how it ends. `superseded`:
 * a later application of the same consumer for the same dataset took its place, so nothing has to be disposed of.
 */
export const applicationStates = [
  'draft',
  'submitted',
  'need-more',
  'approved',
  'refused',
  'withdrawn',
  'provisioned',
  'active',
  'superseded',
  'expired',
  'revoked',
  'disposed',
] as const
export type ApplicationState = (typeof applicationStates)[number]

export const applicationActions = [
  'submit',
  'withdraw',
  'ask',
  'extend',
  'approve',
  'refuse',
  'provision',
  'confirm',
  'revoke',
  'dispose',
] as const
/** What moves an application. Who may is in security/permissions.ts under `application.<action>`. */
export type ApplicationAction = (typeof applicationActions)[number]

/**
 * What a move needs besides the right to make it. `reason`: words. `acceptable`: terms that the validator of agreements accepts, for a
 * dataset that is shared. `second-person`: neither the applicant nor whoever answered for the other side. `never-asked` and
 * `never-extended`: what may be done once. `in-force`: an agreement that was granted. `receipt`: how the data was disposed of.
 */
export type ApplicationNeed =
  | 'reason'
  | 'acceptable'
  | 'second-person'
  | 'unanswered'
  | 'never-asked'
  | 'never-extended'
  | 'in-force'
  | 'receipt'

export interface ApplicationStep {
  readonly action: ApplicationAction
  readonly from: readonly ApplicationState[]
  readonly needs: readonly ApplicationNeed[]
}

const written = ['draft', 'need-more'] as const
const live = ['approved', 'provisioned', 'active'] as const

/** States in which the consumer may still change what it asks for. */
export const writtenStates: readonly ApplicationState[] = written

/** Every move. What is not here does not happen. */
const applicationSteps: readonly ApplicationStep[] = [
  { action: 'submit', from: written, needs: ['acceptable'] },
  { action: 'withdraw', from: ['draft', 'submitted', 'need-more'], needs: [] },
  { action: 'ask', from: ['submitted'], needs: ['reason', 'never-asked', 'second-person'] },
  { action: 'extend', from: ['submitted'], needs: ['reason', 'never-extended', 'second-person'] },
  { action: 'approve', from: ['submitted'], needs: ['reason', 'unanswered', 'second-person', 'acceptable'] },
  { action: 'refuse', from: ['submitted'], needs: ['reason', 'unanswered', 'second-person'] },
  { action: 'provision', from: ['approved'], needs: ['in-force'] },
  { action: 'confirm', from: ['provisioned'], needs: [] },
  { action: 'revoke', from: live, needs: ['reason'] },
  { action: 'dispose', from: ['expired', 'revoked'], needs: ['receipt'] },
]

/** The one step of an action. */
export function stepOf(action: ApplicationAction): ApplicationStep {
  const found = applicationSteps.find((step) => step.action === action)
  if (found === undefined) throw new RangeError(`no step is called ${action}`)
  return found
}

/** The actions that lead on from a state. */
export const applicationActionsFrom = (state: ApplicationState): readonly ApplicationAction[] =>
  applicationSteps.filter(({ from }) => from.includes(state)).map(({ action }) => action)
