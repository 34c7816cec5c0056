import { readFileSync } from 'node:fs'

/**
 * The most memory that this process has held, in MiB. `maxRSS` would begin with what its parent held when it was started, so
 * Linux's own mark is read where there is one.
 */
export function readPeakMb(): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (kilobytes !== undefined) return Number(kilobytes) / 1024
  } catch {
    // Another system.
  }
  return process.resourceUsage().maxRSS / 1024
}
