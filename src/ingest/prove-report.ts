import type { CheckId, Finding, Outcome } from './prove-checks.ts'
import type { FeedProof } from './prove-feed.ts'

interface Words {
  readonly zh: string
  readonly en: string
}

interface CheckWords {
  readonly title: Words
  /** What the department does when the check failed or could not be decided. */
  readonly advice: Words
}

const words = (zh: string, en: string): Words => ({ zh, en })

/** Each check in words. */
const checkWords: Readonly<Record<CheckId, CheckWords>> = {
  answers: {
    title: words('系统应答', 'The system answers'),
    advice: words(
      '检查地址、网络授权与密钥；feed preview 给出详细原因',
      'look at the address, the network release and the secrets; feed preview says more of the reason',
    ),
  },
  'paging-ends': {
    title: words('分页能够结束', 'Paging comes to an end'),
    advice: words(
      '延长 --seconds 再验；仍不结束则检查末页标志',
      'give more --seconds; if it still goes on, mend the end of paging',
    ),
  },
  'no-repeated-page': {
    title: words('分页标识不重复', 'No page comes twice'),
    advice: words('分页标识或页码须逐页前进', 'the token or place must move on with every page'),
  },
  'total-kept': {
    title: words('行数不少于所报总数', 'As many rows as the stated total'),
    advice: words('总数与列表须用同一查询条件', 'count and list with one and the same condition'),
  },
  'pages-enough': {
    title: words('页数在清单限额内', 'Pages are within the limit'),
    advice: words('加大每页行数或 limits.pages', 'ask for larger pages or raise limits.pages'),
  },
  'ids-present': {
    title: words('每行都有主键', 'Every row has an id'),
    advice: words('数源不得输出空主键', 'no row may leave its id empty'),
  },
  'ids-unique': {
    title: words('主键唯一', 'Ids are unique'),
    advice: words('换用唯一键作为 record.id 与次序键', 'name a unique key as record.id and tie-breaker'),
  },
  'times-present': {
    title: words('每行都有更新时间', 'Every row has an update time'),
    advice: words('更新时间须非空、格式与清单一致', 'fill the update time, in the format the manifest states'),
  },
  'rows-in-order': {
    title: words('按更新时间有序', 'Rows come in the order of their times'),
    advice: words('按更新时间加主键排序', 'sort by update time and id'),
  },
  'ties-fit-page': {
    title: words('同一时间的行少于一页，或报总数', 'Rows of one time fit into a page, or a total is stated'),
    advice: words('应答中返回总数，或加大每页行数', 'state the total in the answer, or ask for larger pages'),
  },
  'no-future-times': {
    title: words('更新时间不在未来', 'No update time lies in the future'),
    advice: words('校准数源时钟，或加大 settleSeconds', "set the source's clock right, or raise settleSeconds"),
  },
  'reread-same': {
    title: words('重读结果一致', 'Rows read again are the same'),
    advice: words(
      '改动须同时更新时间，删除须留标记；否则启用 compare 定期全量比对',
      'a change must move the time and a deletion leave a flag; else set compare',
    ),
  },
  'late-commits': {
    title: words('迟提交在回看范围内', 'Late commits are within look-back'),
    advice: words('加大 lookbackSeconds 或 settleSeconds', 'raise lookbackSeconds or settleSeconds'),
  },
  'clock-skew': {
    title: words('双方时钟一致', 'The clocks agree'),
    advice: words('双方接入同一时间源', 'let both follow one time server'),
  },
  'empty-window': {
    title: words('空时段应答为空列表', 'A window with nothing gives an empty list'),
    advice: words('无数据时应答空列表而非错误', 'answer an empty list, not an error'),
  },
  'answer-times': {
    title: words('应答时间有余量', 'Answers come in time'),
    advice: words(
      '为更新时间与主键建联合索引，或减小每页行数',
      'index (update time, id) together, or ask for smaller pages',
    ),
  },
  'rows-good': {
    title: words('问题数据在限额内', 'Rejected rows are within the budget'),
    advice: words('按规则编号修正映射或数据', 'mend the mapping or the data, by the ids of the rules'),
  },
}

const outcomeWords: Readonly<Record<Outcome, Words>> = {
  passed: words('通过', 'passed'),
  failed: words('未通过', 'FAILED'),
  undecided: words('未能判定', 'undecided'),
  'not-applicable': words('不适用', 'not applicable'),
}

const figureText = ({ figure }: Finding): string =>
  Object.entries(figure)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

function writeFinding(id: CheckId, finding: Finding): readonly string[] {
  const { title, advice } = checkWords[id]
  const outcome = outcomeWords[finding.outcome]
  const figure = figureText(finding)
  const line = `${outcome.zh} ${outcome.en} · ${title.zh} / ${title.en}${figure === '' ? '' : ` · ${figure}`}`
  const needsAdvice = finding.outcome === 'failed' || finding.outcome === 'undecided'
  return needsAdvice ? [line, `  → ${advice.zh} / ${advice.en}`] : [line]
}

/** The certificate in Chinese and English, one check on a line. */
export function writeProof(proof: FeedProof): string {
  const verdict = proof.ok ? words('可以上线', 'fit to go live') : words('不可上线', 'not fit to go live')
  const found = Object.entries(proof.findings) as (readonly [CheckId, Finding])[]
  return [
    `数据接入上线证明 / Go-live certificate · ${proof.feed} · ${proof.takenAt}`,
    `读取 ${proof.rows} 行 ${proof.pages} 页，用时 ${proof.seconds} 秒 / read ${proof.rows} rows in ${proof.pages} pages, ${proof.seconds} s`,
    ...found.flatMap(([id, finding]) => writeFinding(id, finding)),
    `结论 / verdict: ${verdict.zh} / ${verdict.en}`,
  ].join('\n')
}
