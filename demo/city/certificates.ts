/** Makes the numbers of synthetic people and organisations: always well formed, never those of a living person. */
const CITIZEN_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2] as const
const CITIZEN_CHECKS = '10X98765432'
const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY'
const USCC_WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28] as const
const ORGANISATION_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2] as const
const ORGANISATION_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'

function weighted(text: string, weights: readonly number[], alphabet: string): number {
  let sum = 0
  for (let place = 0; place < weights.length; place += 1)
    sum += alphabet.indexOf(text.charAt(place)) * (weights[place] ?? 0)
  return sum
}

/** 17 digits with their GB 11643 check character (ISO 7064 MOD 11-2). */
export function withCitizenCheck(digits: string): string {
  let sum = 0
  for (let place = 0; place < 17; place += 1) sum += (digits.charCodeAt(place) - 48) * (CITIZEN_WEIGHTS[place] ?? 0)
  return digits + CITIZEN_CHECKS.charAt(sum % 11)
}

/** 17 characters with their GB 32100 check character. */
export function withUsccCheck(body: string): string {
  return body + USCC_ALPHABET.charAt((31 - (weighted(body, USCC_WEIGHTS, USCC_ALPHABET) % 31)) % 31)
}

/** 8 characters with their GB 11714 check character. */
function withOrganisationCheck(body: string): string {
  const check = 11 - (weighted(body, ORGANISATION_WEIGHTS, ORGANISATION_ALPHABET) % 11)
  return body + (check === 10 ? 'X' : check === 11 ? '0' : String(check))
}

/** Eight characters that number an organisation of the synthetic city: MA9T is the series of the published fixtures. */
function organisationBody(index: number): string {
  let rest = index
  let body = ''
  for (let place = 0; place < 5; place += 1) {
    body = USCC_ALPHABET.charAt(rest % 31) + body
    rest = Math.floor(rest / 31)
  }
  return `MA9${body}`
}

/** A unified social credit code registered in 510599, a county code that was never assigned. */
export function usccOf(category: string, index: number): string {
  return withUsccCheck(`${category}510599${withOrganisationCheck(organisationBody(index))}`)
}
