/** `personal` marks the events after which personal information leaves. */
export interface EventEntry {
  readonly personal: boolean
  readonly en: string
  readonly zh: string
}
