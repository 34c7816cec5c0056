/** What the rules of oversight say to a person, by rule: they are kinds of alert. Texts hold no values. */
export const oversightTexts = {
  'denials-burst': {
    en: 'Somebody was refused again and again within minutes',
    zh: '短时间内多次被拒绝访问',
    adviceEn:
      'See the reasons in the audit log; guessed secrets and probing call for a stop, a wrong setting for a call',
    adviceZh: '查看审计日志中的拒绝原因；疑似试探或猜测凭证的立即停用，配置有误的联系使用方',
  },
  'off-hours': {
    en: 'Personal information was looked up outside working hours',
    zh: '非工作时间查询个人信息',
    adviceEn: 'Ask whoever it was for the case; stop the account or the consumer where there is none',
    adviceZh: '核实查询事由；无正当事由的停用账号或使用方',
  },
  'volume-unusual': {
    en: 'Far more records went out to somebody than on that one’s own usual day',
    zh: '取得数据量明显高于自身平日水平',
    adviceEn: 'Compare with the purpose of the agreement; stop the consumer where nobody can explain it',
    adviceZh: '对照协议目的核实；无法说明的停止服务',
  },
  'person-repeated': {
    en: 'One person was looked up again and again by the same consumer or account',
    zh: '同一使用方或账号反复查询同一人',
    adviceEn: 'Compare reasons and case numbers of the look-ups; private curiosity is a breach',
    adviceZh: '核对各次查询的事由与案号；出于私人目的的按泄露处理',
  },
  'agreement-ended': {
    en: 'A consumer goes on asking under an agreement that expired or is suspended',
    zh: '协议到期或暂停后仍在请求数据',
    adviceEn: 'Have the consumer stop its client, or apply anew',
    adviceZh: '要求使用方停止调用，或重新申请',
  },
  'export-large': {
    en: 'Files with very many records were downloaded',
    zh: '批量导出下载量过大',
    adviceEn: 'Compare with the approved application and ask where the files are kept',
    adviceZh: '对照已批准的申请，核实文件去向与保管',
  },
} as const

export type OversightCode = keyof typeof oversightTexts
