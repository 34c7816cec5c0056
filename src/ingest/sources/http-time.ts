import type { SourceTime, TimeFormatName } from '../../feeds/manifest-types.ts'

/** How one source writes times. */
export interface SourceClock {
  /** The time as the source wants it; epoch times are numbers. Digits below the format's precision are cut off. */
  readonly write: (milliseconds: number) => string | number
  /** Milliseconds since 1970, or null for what is no time of this format. Digits below a millisecond are not looked at. */
  readonly read: (value: unknown) => number | null
  /** The smallest step that `write` can tell. */
  readonly precisionMs: number
}

type Zone = NonNullable<SourceTime['zone']>

// Asia/Shanghai kept summer time from 1986 to 1991 and has stood at +08:00 since; no department's rows are older.
const offsets: Readonly<Record<Zone, { readonly minutes: number; readonly text: string }>> = {
  'Asia/Shanghai': { minutes: 8 * 60, text: '+08:00' },
  UTC: { minutes: 0, text: 'Z' },
}

const clocks: Readonly<Record<TimeFormatName, (zone: Zone) => SourceClock>> = {
  rfc3339: (zone) => ({
    write: (milliseconds) => wallTime(milliseconds, zone) + offsets[zone].text,
    // A time without an offset cannot be read without guessing the source's time zone.
    read: readText(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/, (text) => text),
    precisionMs: 1,
  }),
  'yyyy-MM-dd HH:mm:ss': (zone) => ({
    write: (milliseconds) => wallTime(milliseconds, zone).slice(0, 19).replace('T', ' '),
    read: readText(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?$/, (text) => text + offsets[zone].text),
    precisionMs: 1000,
  }),
  yyyyMMddHHmmss: (zone) => ({
    write: (milliseconds) => wallTime(milliseconds, zone).slice(0, 19).replaceAll(/[-T:]/g, ''),
    read: readText(
      /^\d{14}$/,
      (text) => text.replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6') + offsets[zone].text,
    ),
    precisionMs: 1000,
  }),
  'epoch-seconds': () => epochClock(1000),
  'epoch-milliseconds': () => epochClock(1),
}

/** The clock of a source; RFC 3339 in UTC where the manifest says nothing. */
export function clockOf(time: SourceTime | undefined): SourceClock {
  return time === undefined ? clocks.rfc3339('UTC') : clocks[time.format](time.zone ?? 'Asia/Shanghai')
}

function epochClock(unitMs: number): SourceClock {
  return {
    write: (milliseconds) => Math.floor(milliseconds / unitMs),
    read: (value) => {
      const text = typeof value === 'number' ? String(value) : value
      return typeof text === 'string' && /^\d{1,16}(\.\d+)?$/.test(text) ? Math.floor(Number(text) * unitMs) : null
    },
    precisionMs: unitMs,
  }
}

/** 2026-01-01T08:00:00.000 on a wall in the zone. */
function wallTime(milliseconds: number, zone: Zone): string {
  return new Date(milliseconds + offsets[zone].minutes * 60_000).toISOString().slice(0, -1)
}

function readText(form: RegExp, toRfc3339: (text: string) => string): SourceClock['read'] {
  return (value) => {
    if (typeof value !== 'string' || !form.test(value)) return null
    const milliseconds = Date.parse(toRfc3339(value))
    return Number.isNaN(milliseconds) ? null : milliseconds
  }
}
