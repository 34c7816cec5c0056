/** What a password has to be. GB/T 22239 (MLPS level 3, 8.1.4.1) asks for complexity and for a change from time to time. */
export interface PasswordRules {
  /** Characters at least. */
  readonly length: number
  /** Kinds of characters at least, of lower case, upper case, digits and everything else. */
  readonly kinds: number
  /** Days after which it has to be changed; 0: never. */
  readonly days: number
}

/** Longer ones are refused before they cost anything. */
export const MOST_PASSWORD = 128

const KINDS = [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{Ll}\p{Lu}\p{Nd}]/u] as const

/**
 * Words that the published lists of the most common passwords are made of, Chinese lists included: behind long ones of these lists
 * stands a word with digits and signs added, so that is what is looked for.
 */
const COMMON: ReadonlySet<string> = new Set(
  `password passwort passw0rd admin administrator root user guest test testing login welcome letmein master manager system
   superman batman dragon monkey football baseball basketball princess sunshine shadow michael jordan iloveyou loveyou love
   trustno starwars whatever freedom computer internet secret access default changeme change temp demo oracle sysadmin
   qwerty qwertyuiop qwertz azerty asdf asdfgh asdfghjkl zxcvb zxcvbn zxcvbnm qazwsx qazwsxedc qweasd qweasdzxc abc abcd abcdef
   abcdefg aa aaa woaini aini wang zhang liu chen yang huang zhao zhou woaiwojia woshishui taobao alipay tencent huawei
   luzhou sichuan chengdu zhongguo beijing shanghai china gongan zhengfu wangge wanggehua shequ minzheng dashuju
   gridbridge grid bridge platform city government service public security department data server database postgres`.split(
    /\s+/,
  ),
)

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'l',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
}

const withoutLookAlikes = (text: string): string =>
  text.replace(/[013457@$]/g, (letter) => LOOK_ALIKES[letter] ?? letter)
const lettersOf = (text: string): string => text.replace(/[^\p{L}]/gu, '')

/** A word once or more often, whatever digits and signs are around it. */
const repeated = (word: string): string => /^(.+?)\1*$/.exec(word)?.[1] ?? word

function isCommon(password: string): boolean {
  const lower = password.toLowerCase()
  const trimmed = lower.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
  const words = [lettersOf(lower), lettersOf(withoutLookAlikes(trimmed)), ...lower.split(/[^\p{L}]+/u)]
  const whole = words.slice(0, 2).map(repeated)
  const pieces = words.slice(2).filter((word) => word.length > 1)
  return whole.some((word) => COMMON.has(word)) || (pieces.length > 0 && pieces.every((word) => COMMON.has(word)))
}

/** Characters of runs such as 1234 or cccc, which add nothing: three or more in a row that go up, go down or stay. */
function isRuns(password: string): boolean {
  const codes = Array.from(password).map((letter) => letter.codePointAt(0) ?? 0)
  const steps = codes.slice(1).map((code, place) => code - (codes[place] ?? 0))
  const inRun = steps.filter((step, place) => Math.abs(step) <= 1 && step === steps[place - 1])
  return inRun.length > codes.length / 2
}

/** Why a password will not do, in words that do not repeat it; null where it will. `name` is that of the account. */
export function faultOfPassword(password: string, name: string, { length, kinds }: PasswordRules): string | null {
  const letters = Array.from(password.normalize('NFKC'))
  if (letters.length < length) return `give ${length} characters or more`
  if (letters.length > MOST_PASSWORD) return `give ${MOST_PASSWORD} characters or fewer`
  if (KINDS.filter((kind) => kind.test(password)).length < kinds)
    return `use ${kinds} of: lower case, upper case, digits, other characters`
  if (name.split('-').some((part) => part.length > 2 && password.toLowerCase().includes(part)))
    return 'leave out the name of the account'
  if (isCommon(password)) return 'it is one of the most common'
  if (isRuns(password)) return 'it is mostly runs of characters'
  return null
}
