import { limitsOf, oversightRules, type Figure, type Moment, type OversightRule } from '../audit/oversight-rules.ts'
import type { OversightCode } from '../audit/oversight-texts.ts'
import { isWorkingDay } from '../feeds/working-days.ts'
import { raiseObjectAlert } from '../store/alerts.ts'
import type { Database, Transaction } from '../store/database.ts'
import { lockRule, readDatabaseTime, readThresholds, saveFinding, saveJudged } from '../store/oversight.ts'
import { figuresOf, type Window } from '../store/oversight-figures.ts'
import { repeat } from './repeat.ts'

const EVERY_MS = 30_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** An entry is dated when it is written and seen when it is committed; a statement may take half a minute. */
const SETTLED_AFTER_MS = MINUTE_MS
/** China Standard Time, UTC+8 all year. */
const OFFSET_HOURS = 8

const momentOf = (at: Date): Moment => ({
  hour: Math.floor(at.getTime() / HOUR_MS + OFFSET_HOURS) % 24,
  isWorkingDay: isWorkingDay(at),
})

async function raise({ query, audit }: Transaction, code: OversightCode, figure: Figure, window: Window) {
  if (!(await saveFinding(query, code, figure, window))) return
  const { about, count, usual } = figure
  const details = { count, ...(usual === null ? {} : { usual: Math.round(usual) }), until: window.until.toISOString() }
  await audit({
    type: 'oversight.found',
    actor: 'system:scheduler',
    outcome: 'ok',
    object: about,
    count,
    details: { rule: code, ...details },
  })
  await raiseObjectAlert({ query, audit }, { kind: code, object: about, department: null, details })
}

/** Where the next window of a rule ends; null while that is not over and settled. */
const nextEnd = (judgedUntil: Date, stepMs: number, now: Date): Date | null => {
  const end = new Date((Math.floor(judgedUntil.getTime() / stepMs) + 1) * stepMs)
  return end.getTime() + SETTLED_AFTER_MS <= now.getTime() ? end : null
}

/** Judges the next window of a rule, in one transaction with what it finds. False where there is none yet, or another process judges. */
async function judgeNext(database: Database, code: OversightCode, rule: OversightRule, now: Date): Promise<boolean> {
  const windowMs = rule.windowMinutes * MINUTE_MS
  return database.transaction(async (transaction) => {
    const { query } = transaction
    const judgedUntil = await lockRule(query, code, new Date(now.getTime() - windowMs))
    const until = judgedUntil === null ? null : nextEnd(judgedUntil, rule.stepMinutes * MINUTE_MS, now)
    if (until === null) return false
    const window = { from: new Date(until.getTime() - windowMs), until }
    const limits = limitsOf(rule, (await readThresholds(query)).get(code) ?? {})
    const moment = momentOf(window.from)
    for (const figure of await figuresOf[code](query, window, limits))
      if (rule.isFinding(figure, limits, moment)) await raise(transaction, code, figure, window)
    await saveJudged(query, code, until)
    return true
  })
}

/**
 * Judges every window of every rule that is over by `now`, also those that ended while nothing ran: each is judged once, however many
 * processes judge and whenever they die.
 */
export async function judgeLog(database: Database, now: Date, isStopped: () => boolean = () => false): Promise<void> {
  for (const [code, rule] of Object.entries(oversightRules) as [OversightCode, OversightRule][])
    while (!isStopped() && (await judgeNext(database, code, rule, now))) continue
}

/** Judges the log until the function that it returns is called. */
export const startOversight = (database: Database, onError: (error: unknown) => void): (() => Promise<void>) =>
  repeat(async (isStopped) => judgeLog(database, await readDatabaseTime(database.query), isStopped), {
    everyMs: EVERY_MS,
    onError,
  })
