/** What stands in free text where a number of a person stood. */
const SCRUBBED = '[已脱敏]'

/** Digits, half or full width, with at most one space or hyphen between two: deterministic, so linear. */
const DIGIT_RUN = /[0-9０-９](?:[ -]?[0-9０-９])*[XxＸｘ]?/g
const SEPARATOR = /[ -]/g
const MOBILE = /1[3-9]\d{9}/
/** From 15 digits on: citizen numbers of both generations (15, 18) and bank cards (16 to 19), or a run that may hold one. */
const PERSONAL_DIGITS = 15

/** Digits of a mobile number, the shortest of all: a house number need not be looked at. */
const LEAST_DIGITS = 11

function isPersonal(run: string): boolean {
  if (run.length < LEAST_DIGITS) return false
  const digits = run.normalize('NFKC').replace(SEPARATOR, '')
  return digits.length >= PERSONAL_DIGITS || MOBILE.test(digits)
}

/**
 * Free text without numbers of persons: 18- and 15-digit citizen numbers, mobile numbers and bank cards become
 * `[已脱敏]`. A long number of another kind goes too: a false alarm costs a number in a remark, a miss shows a person.
 */
export function scrubText(text: string): string {
  return text.replace(DIGIT_RUN, (run) => (isPersonal(run) ? SCRUBBED : run))
}
