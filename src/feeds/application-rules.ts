import { findAgreementFaults, type AgreementFault } from './agreement-rules.ts'
import type { Dataset } from './datasets.ts'
import { isDate } from './formats.ts'
import type { shareMethods } from './legal-basis.ts'

export const basisKinds = ['law', 'administrative-regulation', 'local-regulation', 'government-decision'] as const

/** What a consumer asks for (Decree 809 Art. 20: basis, scenario, scope, method, term). */
export interface ApplicationRequest {
  readonly basis: {
    readonly kind: (typeof basisKinds)[number]
    readonly title: string
    readonly article: string
  }
  /** Code of an item of the published service list. */
  readonly purpose: string
  /** What the data is used for, in words. */
  readonly scenario: string
  /** The shipped profile that the forms began with; null where each was chosen. */
  readonly profile: string | null
  readonly forms: Readonly<Record<string, string>>
  readonly area: readonly string[]
  readonly shareMethod: (typeof shareMethods)[number]
  readonly method: 'copy' | 'query'
  /** yyyy-MM-dd, China Standard Time */
  readonly validFrom: string
  /** The first day on which it holds no more. */
  readonly validTo: string
  readonly recordsPerDay: number | null
  readonly pageSize: number
}

/** What an application is judged by. */
export interface ApplicationInput {
  readonly request: ApplicationRequest
  readonly dataset: Dataset
  /** Codes of the service items that are in force today. */
  readonly validItems: ReadonlySet<string>
  /** yyyy-MM-dd */
  readonly today: string
  /** The security administrator approves a second time that L4 fields leave in clear, or has still to be asked. */
  readonly isClearApproved: boolean
}

type Rule = readonly [pointer: string, wanted: string, holds: (input: ApplicationInput) => boolean]

const filled = (text: string): boolean => text.trim() !== ''

const rules: readonly Rule[] = [
  [
    '/basis',
    'title and article of the law, regulation or decision that lets the consumer use the data',
    ({ request: { basis } }) => filled(basis.title) && filled(basis.article),
  ],
  [
    '/purpose',
    'the code of a published service item that is in force',
    ({ request, validItems }) => validItems.has(request.purpose),
  ],
  ['/scenario', 'what the data is used for', ({ request }) => filled(request.scenario)],
  ['/validFrom', 'a day', ({ request }) => isDate(request.validFrom)],
  [
    '/validTo',
    'a day after today and after the first',
    ({ request: { validFrom, validTo }, today }) => isDate(validTo) && validTo > validFrom && validTo > today,
  ],
  [
    '/forms',
    'at least one field that is not omitted',
    ({ request }) => Object.values(request.forms).some((form) => form !== 'omit'),
  ],
]

/** Everything that keeps an application from being submitted, as JSON pointers: its own faults, then those of the agreement it would be. */
export function findApplicationFaults(input: ApplicationInput): readonly AgreementFault[] {
  const { request, dataset, isClearApproved } = input
  return [
    ...rules.filter(([, , holds]) => !holds(input)).map(([pointer, wanted]) => ({ pointer, wanted })),
    ...findAgreementFaults(dataset, { ...request, isClearApproved }),
  ]
}

/** Whether it asks for an L4 field in clear, for which the security administrator approves a second time. */
export const asksForClear = ({ forms }: Pick<ApplicationRequest, 'forms'>, dataset: Dataset): boolean =>
  dataset.properties.some(({ name, level }) => level === 'L4' && forms[name] === 'clear')
