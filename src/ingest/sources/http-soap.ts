import { AppError } from '../../errors.ts'
import type { SoapBody } from '../../feeds/manifest-types.ts'
import { readPointer } from './pointer.ts'

/** What the two versions of SOAP write differently (SOAP 1.1 §4 and §6.1.1, SOAP 1.2 part 2 §6.5.3). */
const versions: Readonly<Record<SoapBody['version'], { readonly namespace: string; readonly headers: HeadersOf }>> = {
  '1.1': {
    namespace: 'http://schemas.xmlsoap.org/soap/envelope/',
    headers: (action) => ({ 'content-type': 'text/xml; charset=utf-8', soapaction: `"${action ?? ''}"` }),
  },
  '1.2': {
    namespace: 'http://www.w3.org/2003/05/soap-envelope',
    headers: (action) => ({
      'content-type': `application/soap+xml; charset=utf-8${action === undefined ? '' : `; action="${action}"`}`,
    }),
  },
}

type HeadersOf = (action: string | undefined) => Readonly<Record<string, string>>

/** Code of a Fault in SOAP 1.1 and 1.2, in a document whose prefixes were dropped. */
const faultCodes = ['/Envelope/Body/Fault/faultcode', '/Envelope/Body/Fault/Code/Value'] as const

/** The request of one operation, its values XML-escaped; the names are XML names by the manifest's schema. */
export function writeEnvelope(
  soap: SoapBody,
  parameters: readonly (readonly [string, string])[],
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const { namespace, headers } = versions[soap.version]
  const prefix = soap.qualified === true ? 'm:' : ''
  const inner = parameters.map(([name, value]) => `<${prefix}${name}>${escapeXml(value)}</${prefix}${name}>`).join('')
  const operation = `<m:${soap.operation} xmlns:m="${escapeXml(soap.namespace)}">${inner}</m:${soap.operation}>`
  return {
    headers: headers(soap.action),
    body: `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="${namespace}"><soap:Body>${operation}</soap:Body></soap:Envelope>`,
  }
}

/** Throws AppError SOURCE_REFUSED when the document is a SOAP Fault; its text may name persons and is not told. */
export function refuseFault(document: unknown): void {
  if (readPointer(document, '/Envelope/Body/Fault') === undefined) return
  const code = faultCodes.map((pointer) => readPointer(document, pointer)).find((found) => found !== undefined)
  throw new AppError('SOURCE_REFUSED', `a SOAP Fault${harmlessCode(code)}`)
}

/**
 * A source's own error code as the end of a message; nothing for what is long or of unusual letters. 16 signs without
 * a run of more than 8 digits hold neither an identity number nor a telephone number.
 */
export function harmlessCode(code: unknown): string {
  const text = typeof code === 'number' || typeof code === 'boolean' ? String(code) : code
  const isHarmless = typeof text === 'string' && /^[A-Za-z0-9_.:-]{1,16}$/.test(text) && !/\d{9}/.test(text)
  return isHarmless ? ` (code ${text})` : ''
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** XML 1.0 has no way to write most control characters (§2.2), so they are left out. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, (sign) => ('\t\n\r'.includes(sign) ? sign : ''))
    .replaceAll(/[&<>"']/g, (sign) => escapes[sign] ?? '')
}
