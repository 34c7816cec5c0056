import type { FileSourceManifest } from './manifest-file.ts'
import type { HttpAuth } from './manifest-auth.ts'
import type { HttpSourceManifest, SourceManifest, SqlSourceManifest } from './manifest-types.ts'

/** The members of each kind of authentication that name secrets. */
const authMembers: { readonly [Kind in HttpAuth['kind']]: readonly string[] } = {
  none: [],
  basic: ['user', 'password'],
  bearer: ['token'],
  'api-key': ['key'],
  oauth2: ['clientId', 'clientSecret'],
  'hmac-sm3': ['appKey', 'appSecret'],
  'sorted-parameters': ['appKey', 'secret'],
  'national-platform': ['requester', 'service', 'secret'],
  tif: ['paasId', 'token'],
}

function httpSecretNames({ auth, tls = {} }: HttpSourceManifest): readonly string[] {
  const members = new Map<string, unknown>(Object.entries(auth))
  const refresh = auth.kind === 'national-platform' && auth.refresh !== undefined ? [auth.refresh.service] : []
  return [...authMembers[auth.kind].map((member) => String(members.get(member))), ...refresh, ...Object.values(tls)]
}

/** The names of the secrets that a manifest's source refers to. The secrets themselves are never in a manifest. */
export function secretNames(source: SourceManifest): readonly string[] {
  if (source.kind === 'sql') return [source.password, ...caOf(source)]
  if (source.kind === 'file') return fileSecretNames(source)
  if (source.kind === 'push') return [source.auth.appKey, source.auth.appSecret]
  return [...new Set(httpSecretNames(source))]
}

function caOf({ tls }: SqlSourceManifest): readonly string[] {
  return tls.kind === 'verify' && tls.ca !== undefined ? [tls.ca] : []
}

function fileSecretNames({ transport }: FileSourceManifest): readonly string[] {
  if (transport?.kind === 'ftps') return [transport.password, transport.ca].filter((name) => name !== undefined)
  if (transport?.kind !== 'sftp') return []
  const { auth } = transport
  const names = auth.kind === 'password' ? [auth.password] : [auth.privateKey, auth.passphrase]
  return names.filter((name) => name !== undefined)
}
