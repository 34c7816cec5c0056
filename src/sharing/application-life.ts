import { AppError } from '../errors.ts'
import {
  stepOf,
  type ApplicationAction,
  type ApplicationNeed,
  type ApplicationState,
} from '../feeds/application-life.ts'
import { asksForClear } from '../feeds/application-rules.ts'
import { addWorkingDays } from '../feeds/working-days.ts'
import { actorOf, type Account } from '../store/accounts.ts'
import { clearObjectAlert } from '../store/alerts.ts'
import {
  applicationName,
  findApplication,
  lockApplication,
  type Application,
  type DisposalReceipt,
} from '../store/applications.ts'
import {
  markApproved,
  markAsked,
  markConfirmed,
  markExtended,
  markProvisioned,
  markRefused,
  markRevoked,
  markSubmitted,
  markWithdrawn,
  saveDisposal,
  saveOfficerAnswer,
  saveOwnerAnswer,
} from '../store/application-moves.ts'
import type { Transaction } from '../store/database.ts'
import {
  assertShared,
  datasetOf,
  findFaults,
  grantApplication,
  hasBegun,
  type ApplicationContext,
} from './applications.ts'

export interface ApplicationMove {
  readonly action: ApplicationAction
  readonly reason: string | null
  /** The security administrator's second approval that L4 fields leave in clear. */
  readonly allowsClear: boolean
  readonly receipt: DisposalReceipt | null
}

/** One move as it is about to be made. */
interface Making extends ApplicationMove {
  readonly context: ApplicationContext
  readonly transaction: Transaction
  readonly account: Account
  readonly application: Application
  readonly words: string
}

/** Which side of the answer the account gives. */
const sideOf = ({ role }: Account): 'owner' | 'officer' => (role === 'data-owner' ? 'owner' : 'officer')

const needs: Readonly<Record<ApplicationNeed, (making: Making) => void | Promise<void>>> = {
  reason: ({ words }) => {
    if (words === '') throw new AppError('REQUEST_INVALID', 'body/reason wanted')
  },
  acceptable: async ({ context, transaction, account, application, action, allowsClear }) => {
    await assertShared(context, transaction.query, datasetOf(context, application.dataset))
    const isOfficer = action === 'approve' && sideOf(account) === 'officer'
    const faults = await findFaults(context, transaction.query, application, !isOfficer || allowsClear)
    if (faults.length === 0) return
    const lines = faults.map(({ pointer, wanted }) => `${pointer}: wanted ${wanted}`)
    throw new AppError('AGREEMENT_INVALID', lines.join('\n'))
  },
  'second-person': ({ account, application: { applicantId, ownerId, officerId } }) => {
    if ([applicantId, ownerId, officerId].includes(account.accountId))
      throw new AppError('SECOND_PERSON', `${account.name} has had this application in hand already`)
  },
  unanswered: ({ account, application }) => {
    if (application[sideOf(account)] !== null)
      throw new AppError('APPLICATION_STATE', `the ${sideOf(account)} has answered already`)
  },
  'never-asked': ({ application }) => {
    if (application.asked !== null)
      throw new AppError('APPLICATION_STATE', 'what is missing is told once; it was told before')
  },
  'never-extended': ({ application }) => {
    if (!application.isConditional)
      throw new AppError('APPLICATION_STATE', 'the answer for a dataset without conditions is not put off')
    if (application.extension !== null) throw new AppError('APPLICATION_STATE', 'the term was extended before, once')
  },
  'in-force': ({ application }) => {
    if (application.agreementId === null)
      throw new AppError('APPLICATION_STATE', `its term begins on ${application.request.validFrom}`)
  },
  receipt: ({ receipt }) => {
    if (receipt === null) throw new AppError('REQUEST_INVALID', 'body/receipt wanted')
  },
}

/** The last yes: the provision is due, and the agreement comes into force as soon as the term begins. */
async function approve({ context, transaction, account, application }: Making): Promise<void> {
  const { applicationId } = application
  await markApproved(
    transaction.query,
    applicationId,
    addWorkingDays(new Date(), context.jurisdiction.clocks.provisionDays),
  )
  const approved = await findApplication(transaction.query, applicationId)
  if (hasBegun(approved.request)) await grantApplication(context, transaction, approved, actorOf(account))
}

async function saveAnswer(making: Making, verdict: 'approve' | 'refuse'): Promise<void> {
  const { context, transaction, account, application, words, allowsClear } = making
  const { query } = transaction
  const answer = { by: account.accountId, verdict, reason: words }
  if (sideOf(account) === 'owner') {
    await saveOwnerAnswer(query, application.applicationId, answer)
    return
  }
  const isAsked = asksForClear(application.request, datasetOf(context, application.dataset))
  const isAllowed = verdict === 'approve' && allowsClear && isAsked
  await saveOfficerAnswer(query, application.applicationId, answer, isAllowed)
}

/** What each move does. The application is locked, the needs are met. */
const effects: Readonly<Record<ApplicationAction, (making: Making) => Promise<void>>> = {
  submit: async ({ context, transaction, application: { applicationId, isConditional } }) => {
    const { clocks } = context.jurisdiction
    const days = isConditional ? clocks.conditionalAnswerDays : clocks.unconditionalAnswerDays
    await markSubmitted(transaction.query, applicationId, addWorkingDays(new Date(), days))
  },
  withdraw: ({ transaction, application }) => markWithdrawn(transaction.query, application.applicationId),
  ask: ({ transaction, account, application, words }) =>
    markAsked(transaction.query, application.applicationId, account.accountId, words),
  extend: async ({ context, transaction, account, application, words }) => {
    const { answerExtensionDays } = context.jurisdiction.clocks
    const until = addWorkingDays(application.dueAt ?? new Date(), answerExtensionDays)
    await markExtended(transaction.query, application.applicationId, account.accountId, words, until)
  },
  approve: async (making) => {
    await saveAnswer(making, 'approve')
    const other = sideOf(making.account) === 'owner' ? making.application.officer : making.application.owner
    if (other?.verdict === 'approve') await approve(making)
  },
  refuse: async (making) => {
    await saveAnswer(making, 'refuse')
    await markRefused(making.transaction.query, making.application.applicationId)
  },
  provision: ({ transaction, account, application }) =>
    markProvisioned(transaction.query, application.applicationId, account.accountId),
  confirm: ({ transaction, application }) => markConfirmed(transaction.query, application.applicationId),
  revoke: ({ transaction, account, application, words }) =>
    markRevoked(transaction.query, application.applicationId, actorOf(account), words),
  dispose: async ({ transaction, account, application, receipt }) => {
    if (receipt !== null) await saveDisposal(transaction.query, application.applicationId, account.accountId, receipt)
  },
}

/** What is overdue no longer asks for a person once its state has changed or its term was extended. */
async function clearOverdue({ query }: Transaction, { applicationId }: Application): Promise<void> {
  await clearObjectAlert(query, applicationName(applicationId), 'answer-overdue')
  await clearObjectAlert(query, applicationName(applicationId), 'provision-overdue')
}

const factsOf = ({ request, agreementId, agreementVersion }: Application) => ({
  purpose: request.purpose,
  ...(agreementId === null ? {} : { agreement: `${agreementId}@${agreementVersion}` }),
})

/** The receipt stands in the log as well, in closed words and counts, so that nobody writes it anew. */
const receiptFacts = (receipt: DisposalReceipt | null) =>
  receipt === null ? {} : { way: receipt.way, copies: receipt.copies, disposedOn: receipt.on }

/**
 * Moves an application along its life, as the table of steps allows: needs, effects and audit entry in one transaction. That the
 * account may do this is asserted before. Throws APPLICATION_UNKNOWN, APPLICATION_STATE, SECOND_PERSON, AGREEMENT_INVALID,
 * DATASET_NOT_SHARED, REQUEST_INVALID.
 */
export async function moveApplication(
  context: ApplicationContext,
  account: Account,
  applicationId: number,
  move: ApplicationMove,
): Promise<ApplicationState> {
  const { from, needs: wanted } = stepOf(move.action)
  return context.database.transaction(async (transaction) => {
    const application = await lockApplication(transaction.query, applicationId)
    if (!from.includes(application.state))
      throw new AppError('APPLICATION_STATE', `${move.action} needs ${from.join(' or ')}; it is ${application.state}`)
    const making = { ...move, context, transaction, account, application, words: (move.reason ?? '').trim() }
    for (const need of wanted) await needs[need](making)
    await effects[move.action](making)
    const after = await findApplication(transaction.query, applicationId)
    if (after.state !== application.state || move.action === 'extend') await clearOverdue(transaction, after)
    await transaction.audit({
      type: 'application.moved',
      actor: actorOf(account),
      outcome: 'ok',
      dataset: application.dataset,
      object: applicationName(applicationId),
      ...factsOf(after),
      details: {
        action: move.action,
        from: application.state,
        to: after.state,
        isClearAllowed: after.isClearAllowed,
        ...receiptFacts(after.disposal),
      },
    })
    return after.state
  })
}
