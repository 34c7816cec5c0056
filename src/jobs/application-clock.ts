import { toAppError } from '../errors.ts'
import type { Dataset } from '../feeds/datasets.ts'
import { grantApplication } from '../sharing/applications.ts'
import { raiseObjectAlert } from '../store/alerts.ts'
import { applicationName, lockApplication } from '../store/applications.ts'
import { expireApplications, listBegun, listNewlyOverdue } from '../store/application-terms.ts'
import type { Database } from '../store/database.ts'

const ACTOR = 'system:scheduler'

async function raiseOverdue(database: Database): Promise<void> {
  for (const { kind, object, department, hours } of await listNewlyOverdue(database.query)) {
    const alert = { kind, object, department, details: { overdueHours: hours } }
    await database.transaction((transaction) => raiseObjectAlert(transaction, alert))
  }
}

/** Grants what was approved for a term that has begun. What is acceptable no more waits, and its provision becomes overdue. */
async function grantBegun(database: Database, datasets: ReadonlyMap<string, Dataset>): Promise<void> {
  for (const applicationId of await listBegun(database.query)) {
    await database
      .transaction(async (transaction) => {
        const application = await lockApplication(transaction.query, applicationId)
        if (application.state !== 'approved' || application.agreementId !== null) return
        await grantApplication({ datasets }, transaction, application, ACTOR)
      })
      .catch((error: unknown) => {
        if (toAppError(error).code !== 'AGREEMENT_INVALID') throw error
      })
  }
}

async function expire(database: Database): Promise<void> {
  await database.transaction(async ({ query, audit }) => {
    for (const { applicationId, dataset, agreement } of await expireApplications(query)) {
      const object = applicationName(applicationId)
      const about = agreement === null ? {} : { agreement }
      await audit({ type: 'application.expired', actor: ACTOR, outcome: 'ok', dataset, object, ...about })
    }
  })
}

/** The clocks of applications: terms begin and end, and what was not answered or provided in time is told of. */
export async function followApplications(database: Database, datasets: ReadonlyMap<string, Dataset>): Promise<void> {
  await expire(database)
  await grantBegun(database, datasets)
  await raiseOverdue(database)
}
