/**
 * What never enters the base data, by the laws that protect it. Names are matched as the words they are made of, in
 * Chinese, English and the pinyin initials that departments use; free text only by words that have no other meaning.
 */
interface DeniedTopic {
  readonly topic: string
  readonly zh: string
  /** Why it is closed. */
  readonly law: string
  /** Parts of a Chinese field name. */
  readonly han: RegExp
  /** Whole words of a Latin field name, in lower case. */
  readonly words: ReadonlySet<string>
  /** Words in free text that tell the fact about a person. */
  readonly text: RegExp | null
}

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '))

const deniedTopics: readonly DeniedTopic[] = [
  {
    topic: 'religion',
    zh: '宗教信仰',
    law: '个人信息保护法 28',
    han: /宗教|信仰|信教/,
    words: words('religion religious faith zjxy zongjiao'),
    text: /宗教信仰|信教群众|信教人员/,
  },
  {
    topic: 'biometrics',
    zh: '生物识别',
    law: '个人信息保护法 26、28',
    han: /指纹|人脸|虹膜|声纹|掌纹|照片|相片|生物特征|基因/,
    words: words('biometric biometrics fingerprint face iris voiceprint photo zhaopian dna'),
    text: null,
  },
  {
    topic: 'hiv',
    zh: '艾滋病',
    law: '艾滋病防治条例 39',
    han: /艾滋/,
    words: words('hiv aids azb aizi'),
    text: /艾滋|HIV/i,
  },
  {
    topic: 'health',
    zh: '医疗健康',
    law: '个人信息保护法 28、传染病防治法 12',
    han: /健康|病史|疾病|病情|病名|诊断|传染|残疾|伤残|医疗|血型|用药/,
    words: words('health disease diagnosis medical disability disabled infection jkzk xuexing bloodtype blood'),
    text: /传染病患者|肺结核患者|病史/,
  },
  {
    topic: 'mental-disorder',
    zh: '精神障碍',
    law: '精神卫生法 4',
    han: /精神障碍|精神病|精神残疾|肇事肇祸/,
    words: words('mental psychiatric psychosis jsza'),
    text: /精神障碍|精神病|精神分裂|肇事肇祸/,
  },
  {
    topic: 'drugs',
    zh: '吸毒戒毒',
    law: '戒毒条例 7、43',
    han: /吸毒|戒毒|涉毒|毒品/,
    words: words('drug drugs addict addiction xidu jiedu xdry'),
    text: /吸毒|戒毒人员|涉毒/,
  },
  {
    topic: 'crime',
    zh: '违法犯罪',
    law: '个人信息保护法 28',
    han: /犯罪|罪名|前科|刑满|刑释|刑期|刑罚|判刑|服刑|案底/,
    words: words('crime criminal convict conviction prison sentence offence offense qianke xingshi xsry'),
    text: /犯罪|前科|刑满释放|刑释|服刑/,
  },
  {
    topic: 'community-correction',
    zh: '社区矫正',
    law: '社区矫正法 26、54',
    han: /矫正|安置帮教/,
    words: words('correction probation parole sqjz'),
    text: /社区矫正/,
  },
  {
    topic: 'sealed-record',
    zh: '未成年人封存记录',
    law: '预防未成年人犯罪法 59',
    han: /封存/,
    words: words('sealed juvenile'),
    text: /封存记录/,
  },
  {
    topic: 'finance-and-track',
    zh: '金融账户、行踪轨迹',
    law: '个人信息保护法 28',
    han: /银行卡|银行账|行踪|轨迹/,
    words: words('bankcard bankaccount track trajectory yhkh'),
    text: null,
  },
]

const CAMEL = /([a-z0-9])([A-Z])/g
const NOT_LATIN = /[^a-z]+/

/** The denied topic that a field name stands for, or null. Names may be Chinese, camelCase, snake_case or pinyin initials. */
export function findDeniedTopic(name: string): DeniedTopic | null {
  const parts = name.replace(CAMEL, '$1_$2').toLowerCase().split(NOT_LATIN)
  const whole = name.toLowerCase()
  return (
    deniedTopics.find(
      (topic) => topic.han.test(name) || topic.words.has(whole) || parts.some((part) => topic.words.has(part)),
    ) ?? null
  )
}

/** True where free text tells one of the denied facts. */
export function holdsDeniedText(text: string): boolean {
  return deniedTopics.some((topic) => topic.text?.test(text) ?? false)
}
