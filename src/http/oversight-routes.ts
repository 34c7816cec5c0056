import { Type, type Static } from 'typebox'
import { faultInLimits, limitsOf, oversightRules, type Limits } from '../audit/oversight-rules.ts'
import { oversightTexts, type OversightCode } from '../audit/oversight-texts.ts'
import { AppError } from '../errors.ts'
import { readThresholds, saveThresholds } from '../store/oversight.ts'
import { actorOf, admit } from './accounts.ts'
import { asPlugin, describeRoute, type Route } from './management.ts'

const ThresholdView = Type.Object({
  name: Type.String({ description: 'Name of the threshold' }),
  value: Type.Integer({ description: 'What holds now' }),
  standard: Type.Integer({ description: 'What holds where nobody set it' }),
  least: Type.Integer({ description: 'What may be set at least' }),
  most: Type.Integer({ description: 'What may be set at most' }),
  en: Type.String({ description: 'What it counts' }),
  zh: Type.String({ description: '阈值含义' }),
})

const RuleView = Type.Object(
  {
    rule: Type.String({ enum: Object.keys(oversightRules), description: 'Code of the rule, and kind of its alerts' }),
    en: Type.String({ description: 'What it tells of' }),
    zh: Type.String({ description: '规则含义' }),
    adviceEn: Type.String({ description: 'What to do' }),
    adviceZh: Type.String({ description: '处理建议' }),
    windowMinutes: Type.Integer({ description: 'It counts what was within so many minutes' }),
    stepMinutes: Type.Integer({ description: 'It counts anew after so many minutes' }),
    thresholds: Type.Array(ThresholdView, { description: 'Its numbers' }),
  },
  { title: 'OversightRule' },
)

const RuleList = Type.Object(
  { rules: Type.Array(RuleView, { description: 'Every rule' }) },
  { title: 'OversightRules' },
)

const RuleCode = Type.Object({
  rule: Type.String({ enum: Object.keys(oversightRules), description: 'Code of the rule' }),
})

const ThresholdsBody = Type.Object(
  {
    thresholds: Type.Record(Type.String({ pattern: '^[a-zA-Z]{1,20}$' }), Type.Integer(), {
      description: 'By name; those that are not named stay',
      minProperties: 1,
    }),
  },
  { additionalProperties: false, title: 'OversightThresholds' },
)

function view(code: OversightCode, set: ReadonlyMap<string, Limits>): Static<typeof RuleView> {
  const rule = oversightRules[code]
  const limits = limitsOf(rule, set.get(code) ?? {})
  const thresholds = Object.entries(rule.thresholds).map(([name, threshold]) => ({
    name,
    value: limits[name] ?? threshold.standard,
    ...threshold,
  }))
  const { windowMinutes, stepMinutes } = rule
  return { rule: code, ...oversightTexts[code], windowMinutes, stepMinutes, thresholds }
}

const listRoute: Route = (server, context) => {
  const summary = '监督规则与阈值 / Rules of oversight and their thresholds'
  const schema = describeRoute('listOversightRules', summary, RuleList)
  server.get('/api/v1/oversight/rules', { schema }, async ({ headers }) => {
    const account = await admit(context, headers.authorization, 'oversight.read')
    const set = await readThresholds(context.database.query)
    await context.database.transaction(({ audit }) =>
      audit({ type: 'oversight.read', actor: actorOf(account), outcome: 'ok' }),
    )
    return { rules: (Object.keys(oversightRules) as OversightCode[]).map((code) => view(code, set)) }
  })
}

const changeRoute: Route = (server, context) => {
  const schema = {
    ...describeRoute('changeOversightRule', '修改监督规则阈值 / Set thresholds of a rule, within its bounds', RuleView),
    params: RuleCode,
    body: ThresholdsBody,
  }
  server.put('/api/v1/oversight/rules/:rule', { schema }, async ({ headers, params, body }) => {
    const account = await admit(context, headers.authorization, 'oversight.change')
    const code = params.rule as OversightCode
    const fault = faultInLimits(oversightRules[code], body.thresholds)
    if (fault !== null) throw new AppError('THRESHOLD_INVALID', fault)
    const actor = actorOf(account)
    return context.database.transaction(async ({ query, audit }) => {
      const before = limitsOf(oversightRules[code], (await readThresholds(query)).get(code) ?? {})
      await saveThresholds(query, code, body.thresholds, actor)
      const changed = Object.entries(body.thresholds).map(([name, value]) => [name, `${before[name]} → ${value}`])
      const details = Object.fromEntries(changed) as Record<string, string>
      await audit({ type: 'oversight.changed', actor, outcome: 'ok', object: `rule/${code}`, details })
      return view(code, await readThresholds(query))
    })
  })
}

/** What the log is watched for. */
export const oversightRoutes = asPlugin([listRoute, changeRoute])
