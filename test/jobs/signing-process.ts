import { readSigningKey } from '../../src/jobs/signer-files.ts'
import { startSequencer } from '../../src/jobs/sequencer.ts'
import { signTree } from '../../src/jobs/signer.ts'
import { openDatabase } from '../../src/store/database.ts'

/** A sequencer and a signer as fast as they can, until they are killed: which database, the key, what was signed last. */
const [url = '', key = '', signedFile = ''] = process.argv.slice(2)
const one = { url, connections: 1 }
const fail = (error: unknown): never => {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}
startSequencer(openDatabase({ ...one, processName: 'sequencer', role: 'gridbridge_sequencer' }), fail)
const { query } = openDatabase({ ...one, processName: 'signer', role: 'gridbridge_signer' })
const signer = { origin: 'audit.example.gov.cn/share/1', privateKey: readSigningKey(key), signedFile, isNewLog: true }
process.stdout.write('started\n')
for (;;) await signTree(query, signer).catch(fail)
