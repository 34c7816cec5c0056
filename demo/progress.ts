import Table from 'cli-table3'

const BAR_WIDTH = 28

export interface Progress {
  readonly label: string
  readonly done: number
  readonly total: number
}

function bar({ label, done, total }: Progress): string {
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * BAR_WIDTH)
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `  ${label.padEnd(34)} ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${percent} %  ${done}/${total}`
}

/**
 * Bars for things that go on at once, drawn over one another on a terminal and not at all elsewhere: a log file is no place
 * for a moving bar.
 */
export function openProgress(labels: readonly string[]): {
  readonly show: (progress: Progress) => void
  readonly close: () => void
} {
  const visible = process.stderr.isTTY
  const lines = new Map<string, Progress>(labels.map((label) => [label, { label, done: 0, total: 1 }]))
  let drawn = false
  const draw = (): void => {
    if (!visible) return
    if (drawn) process.stderr.write(`\u001B[${lines.size}A`)
    for (const progress of lines.values()) process.stderr.write(`\u001B[2K${bar(progress)}\n`)
    drawn = true
  }
  const timer = setInterval(draw, 100)
  return {
    show: (progress) => void lines.set(progress.label, progress),
    close: () => {
      clearInterval(timer)
      draw()
    },
  }
}

/** Says one step; on standard error, because standard output's last line is the JSON answer. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function drawTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [] } })
  table.push(...rows.map((row) => row.map(String)))
  return table.toString()
}
