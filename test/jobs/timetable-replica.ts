import { startTimetable } from '../../src/jobs/timetable.ts'
import type { JobQueues } from '../../src/jobs/queues.ts'
import { openDatabase } from '../../src/store/database.ts'

/** One replica's timetable as a process of its own: tells each run that it enqueues as a line, until its input ends. */
const database = openDatabase({ url: process.argv[2] ?? '', processName: 'replica', connections: 3 })
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const queues: Pick<JobQueues, 'enqueueRun'> = {
  enqueueRun: ({ runId }) => {
    say(`run ${runId}`)
    return Promise.resolve()
  },
}

const timetable = startTimetable(database, queues as JobQueues, (error) => say(`error ${String(error)}`))
say('ready')
process.stdin.resume()
process.stdin.once('end', () => {
  void timetable.stop().then(() => database.close())
})
