import type { Dataset } from './datasets.ts'
import { isCreditCode, isDate } from './formats.ts'

/** Why a feed may exist at all. Luzhou Art. 22 alone is not enough: state organs act on laws and administrative regulations (PIPL Art. 34). */
export interface LegalBasis {
  /** The department's own law or administrative regulation. */
  readonly departmentLaw: {
    readonly kind: 'law' | 'administrative-regulation'
    readonly title: string
    readonly article: string
  }
  /** Article of the Luzhou regulation that has departments share; it is 22. */
  readonly luzhouArticle: string
  /** Codes of items on the published service-item list (Art. 15). */
  readonly purposes: readonly string[]
  /** Prior impact assessment (PIPL Art. 55), kept for three years; null where the dataset holds nothing personal. */
  readonly impactAssessment: {
    readonly reference: string
    readonly date: string
    readonly conclusion: string
  } | null
  /** The department declares that the data holds no state secret and no work secret (Art. 17). */
  readonly noStateOrWorkSecret: boolean
}

export const shareMethods = ['服务接口', '批量交换', '文件下载'] as const
export const updateCycles = [
  '实时',
  '每小时',
  '每日',
  '每周',
  '每月',
  '每季度',
  '每半年',
  '每年',
  '不更新',
  '其他',
] as const

/** The national core metadata of an information resource, as far as the feed and its dataset do not say it already. */
export interface CatalogueEntry {
  /** 类, 项, 目 and 细目 as digits. */
  readonly classification: string
  /** `<classification>/<sequence>`. */
  readonly code: string
  readonly provider: string
  /** Unified social credit code of the provider. */
  readonly providerCode: string
  readonly abstract: string
  readonly format: string
  /** 1 shared without condition, 2 with conditions, 3 not shared. */
  readonly shareType: 1 | 2 | 3
  readonly shareCondition: string | null
  /** Law, administrative regulation or State Council decision for type 3. */
  readonly shareBasis: string | null
  readonly shareMethod: (typeof shareMethods)[number]
  readonly open: boolean
  readonly openCondition: string | null
  readonly updateCycle: (typeof updateCycles)[number]
  /** yyyy-MM-dd */
  readonly publishedOn: string
  readonly relatedCodes: readonly string[]
}

/** What the gate looks at. */
export interface GateInput {
  readonly legalBasis: LegalBasis | null
  readonly catalogue: CatalogueEntry | null
  readonly dataset: Dataset
  /** Codes of the service items that are in force today. */
  readonly validItems: ReadonlySet<string>
}

/** One thing that is missing: where, and what is wanted. Never what was given. */
export interface GateFault {
  readonly pointer: string
  readonly wanted: string
}

/** Luzhou Art. 15: licensing, punishment and coercion may not be on the service list. */
export const FORBIDDEN_MATTERS = /行政许可|行政处罚|行政强制/

const LUZHOU_ARTICLE = '22'

/** Whether records of the dataset say anything about a person. */
const isPersonal = (dataset: Dataset): boolean => dataset.properties.some((property) => property.class !== 'none')

type Rule<Subject> = readonly [pointer: string, wanted: string, holds: (subject: Subject, input: GateInput) => boolean]

const filled = (text: string | null | undefined): boolean => (text ?? '').trim() !== ''

const basisRules: readonly Rule<LegalBasis>[] = [
  [
    '/departmentLaw',
    "title and article of the department's own law or administrative regulation",
    ({ departmentLaw }) => filled(departmentLaw.title) && filled(departmentLaw.article),
  ],
  ['/luzhouArticle', `"${LUZHOU_ARTICLE}"`, ({ luzhouArticle }) => luzhouArticle === LUZHOU_ARTICLE],
  [
    '/purposes',
    'codes of published service items that are in force',
    ({ purposes }, { validItems }) => purposes.length > 0 && purposes.every((code) => validItems.has(code)),
  ],
  [
    '/impactAssessment',
    'reference, date and conclusion of the impact assessment, because the dataset is about persons',
    ({ impactAssessment }, { dataset }) =>
      !isPersonal(dataset) ||
      (impactAssessment !== null && filled(impactAssessment.reference) && isDate(impactAssessment.date)),
  ],
  [
    '/noStateOrWorkSecret',
    'the declaration that there is no state or work secret in it',
    ({ noStateOrWorkSecret }) => noStateOrWorkSecret,
  ],
]

const catalogueRules: readonly Rule<CatalogueEntry>[] = [
  ['/code', 'the classification, a slash and a sequence', (entry) => entry.code.startsWith(`${entry.classification}/`)],
  ['/providerCode', 'a unified social credit code', (entry) => isCreditCode(entry.providerCode)],
  ['/publishedOn', 'a date', (entry) => isDate(entry.publishedOn)],
  [
    '/shareCondition',
    'the conditions of share type 2',
    (entry) => entry.shareType !== 2 || filled(entry.shareCondition),
  ],
  [
    '/shareBasis',
    'the law, administrative regulation or decision behind share type 3',
    (entry) => entry.shareType !== 3 || filled(entry.shareBasis),
  ],
]

function breaches<Subject>(
  place: string,
  subject: Subject | null,
  rules: readonly Rule<Subject>[],
  input: GateInput,
): readonly GateFault[] {
  if (subject === null) return [{ pointer: place, wanted: 'all of it' }]
  return rules
    .filter(([, , holds]) => !holds(subject, input))
    .map(([pointer, wanted]) => ({ pointer: `${place}${pointer}`, wanted }))
}

/** Everything of the legal basis and the catalogue entry that is missing; none when the gate is open. */
export function findGateFaults(input: GateInput): readonly GateFault[] {
  return [
    ...breaches('/legalBasis', input.legalBasis, basisRules, input),
    ...breaches('/catalogue', input.catalogue, catalogueRules, input),
  ]
}
