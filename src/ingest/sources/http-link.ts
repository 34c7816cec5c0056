import { AppError } from '../../errors.ts'

/**
 * Path and query of the link with rel="next" in a header Link (RFC 8288), or null. `url` is the address that was asked: a
 * relative link is read from there. Throws AppError SOURCE_REFUSED for a link to another origin, and SOURCE_BODY_INVALID for one that is
 * no address. The link may hold a token, so no message shows it.
 */
export function findNextLink(header: string | undefined, url: URL): string | null {
  const links = [...(header ?? '').matchAll(/<([^<>]*)>([^<]*)/g)]
  const next = links.find(([, , parameters = '']) => relationsOf(parameters).includes('next'))?.[1]
  if (next === undefined) return null
  if (!URL.canParse(next, url.href))
    throw new AppError('SOURCE_BODY_INVALID', 'the link to the next page is no address')
  const link = new URL(next, url.href)
  if (link.origin !== url.origin || link.username !== '' || link.password !== '') {
    throw new AppError('SOURCE_REFUSED', `the link to the next page leaves ${url.origin}`)
  }
  return link.pathname + link.search
}

/** The first `rel` counts; it may name several relations (RFC 8288 §3.3). */
function relationsOf(parameters: string): readonly string[] {
  const [, quoted, plain = ''] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? []
  return (quoted ?? plain).toLowerCase().split(/\s+/)
}
