/**
 * The one table of data-quality rules that judge a record. `reject` refuses the row, `warn` keeps it and counts, `drop`
 * removes the field and counts, and refuses the row where the field is required. Texts hold no values.
 */
interface QualityRule {
  readonly action: 'reject' | 'warn' | 'drop'
  /** The dimension of quality that a row which breaks the rule takes away from. Timeliness is measured by freshness instead. */
  readonly measures: 'completeness' | 'accuracy' | 'consistency' | 'uniqueness' | 'validity'
  readonly zh: string
  readonly en: string
  readonly adviceZh: string
  readonly adviceEn: string
}

export const qualityRules = {
  'DQ-001': {
    action: 'reject',
    measures: 'completeness',
    zh: '必填项缺失或为占位值',
    en: 'A required field is missing or holds a placeholder',
    adviceZh: '补齐该项后重新报送',
    adviceEn: 'Fill the field in and send the row again',
  },
  'DQ-002': {
    action: 'drop',
    measures: 'validity',
    zh: '来源含未登记的字段',
    en: 'The source holds a field that is not in the manifest',
    adviceZh: '该字段未接收；确需共享的，先修订接入清单',
    adviceEn: 'The field was not taken; extend the manifest if it is needed',
  },
  'DQ-003': {
    action: 'reject',
    measures: 'validity',
    zh: '源记录号中含身份号码或手机号码',
    en: 'The source record id holds a citizen number or a mobile number',
    adviceZh: '源记录号以明文保存，请改用无含义的主键',
    adviceEn: 'The source record id rests in clear; use a key without meaning',
  },
  'DQ-004': {
    action: 'reject',
    measures: 'validity',
    zh: '文本含空字符、控制字符、残缺字符或只有空白',
    en: 'Text holds NUL, control characters or a lone surrogate, or nothing but white space',
    adviceZh: '在来源系统清理该文本',
    adviceEn: 'Clean the text in the source system',
  },
  'DQ-005': {
    action: 'reject',
    measures: 'validity',
    zh: '行不是对象，或值的类型、长度、格式不符',
    en: 'The row is not an object, or a value has the wrong type, length or form',
    adviceZh: '核对接入清单的字段映射与类型转换',
    adviceEn: 'Check the mapping and the type conversion in the manifest',
  },
  'DQ-010': {
    action: 'reject',
    measures: 'validity',
    zh: '证件号码长度或字符不符合证件类型',
    en: 'The certificate number has the wrong length or characters for its type',
    adviceZh: '核对证件号码与证件类型',
    adviceEn: 'Check the certificate number against its type',
  },
  'DQ-011': {
    action: 'reject',
    measures: 'accuracy',
    zh: '证件号码被电子表格截断或转为科学计数',
    en: 'The certificate number was damaged by a spreadsheet',
    adviceZh: '单元格应为文本格式，请从原系统重新导出',
    adviceEn: 'Cells must be formatted as text; export again from the source system',
  },
  'DQ-012': {
    action: 'reject',
    measures: 'accuracy',
    zh: '证件号码中的出生日期不存在、早于1880年或晚于今天',
    en: 'The birth date in the certificate number does not exist, is before 1880 or lies in the future',
    adviceZh: '核对证件号码第7至14位',
    adviceEn: 'Check characters 7 to 14 of the number',
  },
  'DQ-013': {
    action: 'reject',
    measures: 'accuracy',
    zh: '证件号码校验位错误',
    en: 'The check digit of the certificate number is wrong',
    adviceZh: '核对证件原件后更正',
    adviceEn: 'Correct the number from the certificate itself',
  },
  'DQ-014': {
    action: 'warn',
    measures: 'validity',
    zh: '15位号码已转换为18位',
    en: 'A 15-digit number was converted to 18 characters',
    adviceZh: '建议在来源系统更新为18位号码',
    adviceEn: 'Update the number in the source system',
  },
  'DQ-015': {
    action: 'warn',
    measures: 'consistency',
    zh: '证件号码与出生日期或性别不一致',
    en: 'The certificate number contradicts the birth date or the sex',
    adviceZh: '请来源部门核实更正',
    adviceEn: 'The source department should verify and correct',
  },
  'DQ-016': {
    action: 'warn',
    measures: 'consistency',
    zh: '证件类型与号码形式不一致',
    en: 'The certificate type does not fit the form of the number',
    adviceZh: '已按号码重新归类，或请核对证件类型',
    adviceEn: 'The type was set from the number where it is certain; check the type otherwise',
  },
  'DQ-020': {
    action: 'reject',
    measures: 'accuracy',
    zh: '统一社会信用代码字符或校验位错误',
    en: 'The unified social credit code has a wrong character or check digit',
    adviceZh: '核对营业执照或登记证书上的代码',
    adviceEn: 'Check the code against the licence',
  },
  'DQ-021': {
    action: 'warn',
    measures: 'accuracy',
    zh: '统一社会信用代码的主体标识码不符合GB 11714',
    en: 'The body of the credit code is not a valid GB 11714 code',
    adviceZh: '少数早期代码如此，请核实',
    adviceEn: 'Some early codes are like this; verify',
  },
  'DQ-030': {
    action: 'reject',
    measures: 'validity',
    zh: '行政区划代码不在代码表中',
    en: 'The division code is not in the code table',
    adviceZh: '核对区划代码版本，或登记撤并后的新代码',
    adviceEn: 'Check the edition of the division codes',
  },
  'DQ-031': {
    action: 'reject',
    measures: 'consistency',
    zh: '村（社区）代码与网格编码或上级区划不一致',
    en: 'The community code contradicts the grid code or a higher division',
    adviceZh: '核对网格归属',
    adviceEn: 'Check to which community the grid belongs',
  },
  'DQ-032': {
    action: 'reject',
    measures: 'completeness',
    zh: '无法确定所属网格',
    en: 'No grid can be resolved',
    adviceZh: '补充网格编码；该行保留在问题数据中待网格化机构处理',
    adviceEn: 'Give the grid code; the row waits among the rejections for the grid institution',
  },
  'DQ-033': {
    action: 'warn',
    measures: 'accuracy',
    zh: '坐标缺一、为零、经纬颠倒、超出泸州范围或坐标系不符',
    en: 'Coordinates are incomplete, zero, swapped, outside Luzhou or in another reference system',
    adviceZh: '坐标应采用CGCS2000',
    adviceEn: 'Coordinates must be CGCS2000',
  },
  'DQ-040': {
    action: 'drop',
    measures: 'validity',
    zh: '代码不在代码表中',
    en: 'The code is not in its code table',
    adviceZh: '在接入清单的codes中按来源字典版本转换',
    adviceEn: 'Convert it in `codes` of the manifest, by the edition of the source dictionary',
  },
  'DQ-050': {
    action: 'warn',
    measures: 'validity',
    zh: '电话号码形式不符',
    en: 'The phone number has an unknown form',
    adviceZh: '核对联系方式',
    adviceEn: 'Check the phone number',
  },
  'DQ-060': {
    action: 'warn',
    measures: 'consistency',
    zh: '日期先后矛盾或晚于今天',
    en: 'Dates contradict each other or lie in the future',
    adviceZh: '核对日期',
    adviceEn: 'Check the dates',
  },
  'DQ-070': {
    action: 'reject',
    measures: 'uniqueness',
    zh: '同一批页内源记录号重复，只保留最后一条',
    en: 'The source record id comes twice in one page; the last row stays',
    adviceZh: '在来源系统去重',
    adviceEn: 'Remove the duplicate in the source system',
  },
  'DQ-090': {
    action: 'warn',
    measures: 'validity',
    zh: '自由文本含个人号码，已脱敏',
    en: 'Free text held personal numbers; they were removed',
    adviceZh: '请勿在备注中填写身份号码、电话、银行卡号',
    adviceEn: 'Do not write numbers of persons into remarks',
  },
  'DQ-091': {
    action: 'drop',
    measures: 'validity',
    zh: '来源含禁止接收的信息，已丢弃',
    en: 'The source holds information on the deny list; it was dropped',
    adviceZh: '从共享视图中移除该字段',
    adviceEn: 'Remove the field from the shared view',
  },
  'DQ-092': {
    action: 'warn',
    measures: 'validity',
    zh: '文本含自造字或无法解码的字符',
    en: 'Text holds private-use or undecodable characters',
    adviceZh: '按GB 18030-2022转换生僻字；无法解码的行不予接收',
    adviceEn: 'Convert rare characters by GB 18030-2022; a row that cannot be decoded is refused',
  },
  'DQ-093': {
    action: 'drop',
    measures: 'validity',
    zh: '不脱敏的字段中含身份号码或手机号码，已丢弃该项',
    en: 'A field that is shown as it is held a citizen number or a mobile number; it was dropped',
    adviceZh: '核对该列是否错位，或在来源系统清除其中的个人号码',
    adviceEn: 'Check whether the column slipped, or remove the number in the source system',
  },
} as const satisfies Record<string, QualityRule>

const rulesById: ReadonlyMap<string, QualityRule> = new Map(Object.entries(qualityRules))

/** What the rule of this id does to a record; an unknown id rejects. */
export function actionOf(rule: string): QualityRule['action'] {
  return rulesById.get(rule)?.action ?? 'reject'
}

/** The dimension of quality that the rule of this id measures; an unknown id is one of validity. */
export function dimensionOf(rule: string): QualityRule['measures'] {
  return rulesById.get(rule)?.measures ?? 'validity'
}

/** What a rule means and what to do about it. */
export type RuleAdvice = Pick<QualityRule, 'zh' | 'en' | 'adviceZh' | 'adviceEn'>

const UNKNOWN_RULE: RuleAdvice = { zh: '', en: '', adviceZh: '', adviceEn: '' }

/** The texts of the rule; empty for one of an older version. */
export function adviceOf(rule: string): RuleAdvice {
  const { zh, en, adviceZh, adviceEn } = rulesById.get(rule) ?? UNKNOWN_RULE
  return { zh, en, adviceZh, adviceEn }
}
