/** The `file` kind of source, as `schemas/manifest.schema.json` has it; a test holds the two together. */

/** How the directory of a file source is reached. Names of secrets, never the secrets themselves. */
export type FileTransport =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'sftp'
      readonly host: string
      readonly port: number
      readonly user: string
      /** Fingerprints of the server's public keys, `SHA256:` and 43 characters of base64, as `ssh-keygen -lf` prints them. */
      readonly hostKeys: readonly string[]
      readonly auth:
        | { readonly kind: 'password'; readonly password: string }
        | { readonly kind: 'key'; readonly privateKey: string; readonly passphrase?: string }
      readonly timeoutMs: number
    }
  | {
      readonly kind: 'ftps'
      readonly host: string
      readonly port: number
      readonly user: string
      readonly password: string
      /** Secret with the PEM certificate of the authority; the public authorities where it is not given. */
      readonly ca?: string
      readonly timeoutMs: number
    }

/** What says that a data file is complete: a file beside it, or a list of the files of a batch. */
export type FileMarker =
  | { readonly kind?: 'count' | 'empty'; readonly suffix: string }
  | { readonly kind: 'list'; readonly pattern: string }

export type FileFormat =
  | {
      readonly kind: 'csv'
      readonly encoding: 'gb18030' | 'utf-8'
      readonly delimiter: ',' | '|' | '\t' | '\u0001'
      readonly compression?: 'gzip'
    }
  | { readonly kind: 'ndjson'; readonly compression?: 'gzip' }
  | {
      readonly kind: 'xlsx'
      /** The first sheet where it is not given. */
      readonly sheet?: string
      /** From 1, which is the default. */
      readonly headerRow?: number
      /** Rows below the header that are no data, for example an explanation. */
      readonly skipRows?: number
    }

export interface FileSourceManifest {
  readonly kind: 'file'
  readonly transport?: FileTransport
  readonly directory: string
  readonly pattern: string
  readonly marker: FileMarker
  readonly format: FileFormat
  /** A larger file is refused unread; 1 GiB where it is not given. */
  readonly maxFileBytes?: number
  readonly pageSize: number
}
