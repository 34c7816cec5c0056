import { parseArgs } from 'node:util'
import { benchAudit } from './audit.ts'
import { benchIngest } from './ingest.ts'
import { benchMapping } from './mapping.ts'
import { benchPull } from './pull.ts'
import { benchPush } from './push.ts'
import { benchResync } from './resync.ts'
import { benchSftp } from './sftp.ts'
import { benchSources } from './sources.ts'
import { benchXlsx } from './xlsx.ts'

/** `npm run bench -- <name> [--json] [--records N] [--rounds N]`: a speed is a ratio to a floor measured in the same run. */
const benches = {
  ingest: benchIngest,
  sources: benchSources,
  xlsx: benchXlsx,
  sftp: benchSftp,
  resync: benchResync,
  mapping: benchMapping,
  pull: benchPull,
  push: benchPush,
  audit: benchAudit,
} as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    records: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
  },
})

const wanted = positionals.length === 0 ? Object.keys(benches) : positionals
for (const name of wanted) {
  if (!Object.hasOwn(benches, name)) {
    process.stderr.write(`there is no bench ${name}; choose from ${Object.keys(benches).join(', ')}\n`)
    process.exit(2)
  }
  const result = await benches[name as keyof typeof benches](Number(values.records), Number(values.rounds))
  process.stdout.write(`${values.json ? '' : `${name} `}${JSON.stringify(result)}\n`)
}
