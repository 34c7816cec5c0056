/** `status` is the HTTP answer (RFC 9457), `retry` tells the job runner and the caller whether the same thing may work later. */
export interface ErrorEntry {
  readonly status: number
  readonly retry: boolean
  readonly en: string
  readonly zh: string
}
