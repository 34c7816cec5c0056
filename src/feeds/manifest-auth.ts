/** How an HTTP source is told who asks: a closed list. Members named after secrets hold their names, never the secrets. */
export type HttpAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'api-key'; readonly in: 'header' | 'query'; readonly name: string; readonly key: string }
  | OAuth2Auth
  | { readonly kind: 'hmac-sm3'; readonly appKey: string; readonly appSecret: string }
  | SortedParametersAuth
  | NationalPlatformAuth
  | { readonly kind: 'tif'; readonly paasId: string; readonly token: string; readonly letters: 'lower' | 'upper' }

export interface NationalPlatformAuth {
  readonly kind: 'national-platform'
  readonly requester: string
  readonly service: string
  /** With `refresh` the app key, which signs nothing but the requests for the secret. */
  readonly secret: string
  readonly refresh?: SecretRefresh
}

/** How the short-lived secret is asked for. */
export interface SecretRefresh {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  /** Name of the secret that holds the service id of the refresh itself. */
  readonly service: string
  /** JSON pointer to the secret in the answer. */
  readonly secret: string
  /** How long a secret lasts. */
  readonly minutes: number
}

export interface OAuth2Auth {
  readonly kind: 'oauth2'
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clientIn?: 'header' | 'body'
  readonly scope?: string
}

export interface SortedParametersAuth {
  readonly kind: 'sorted-parameters'
  readonly appKey: string
  readonly secret: string
  readonly digest: 'md5' | 'sha256' | 'hmac-sm3'
  readonly letters: 'lower' | 'upper'
  readonly in: 'query' | 'header'
  readonly names: {
    readonly appKey: string
    readonly timestamp: string
    readonly nonce: string
    readonly signature: string
    /** Name under which the digest of a body that is no form takes part. */
    readonly body?: string
  }
  readonly timestamp: 'epoch-seconds' | 'epoch-milliseconds' | 'yyyyMMddHHmmss'
}
