import { createInterface } from 'node:readline'
import { InvalidArgumentError, type Command } from 'commander'
import closeWithGrace from 'close-with-grace'
import {
  makeAuditKey,
  signAudit,
  startWitness,
  verifyAudit,
  type AuditKeyUse,
  type SigningOptions,
  type WitnessingOptions,
} from './audit-commands.ts'
import { addExport } from './cli-evidence.ts'
import { addOversightCommands } from './cli-oversight.ts'
import { collect, config, guarded, NO, printFile, remark, table, tell, WRONG, type JsonOption } from './cli-output.ts'
import { AppError } from './errors.ts'
import { personReportForms } from './http/audit-search-routes.ts'
import { viewEntry, viewPage } from './http/audit-schemas.ts'
import { rebuildPersonIndex, whoSaw, type PersonOptions } from './person-commands.ts'
import type { FoundPage } from './sharing/who-saw.ts'

/** 0 whole, 1 tampered, 2 cannot decide: 2 is never 0. */
const verdictExit = { whole: 0, tampered: NO, undecided: WRONG } as const

const plainly = (value: object): string =>
  Object.entries(value)
    .map(([name, member]) => `${name}: ${member}`)
    .join('\n')

/** The name of a log, as C2SP signed-note has names of keys. */
function logName(value: string): string {
  if (/^[^\s+]{1,200}$/.test(value)) return value
  throw new InvalidArgumentError('give a name without spaces and plus signs, as audit.example.gov.cn/share/1')
}

function wholeSeconds(value: string): number {
  const seconds = Number(value)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds
  throw new InvalidArgumentError('give whole seconds from 1 to 3600')
}

interface VerifyOptions extends JsonOption {
  readonly verifier?: string
  readonly witness: readonly string[]
  readonly checkpoint: readonly string[]
}

function addVerify(audit: Command): void {
  audit
    .command('verify')
    .description('校验审计日志 / Verify the whole log: exit 0 whole, 1 tampered, 2 cannot decide')
    .option(
      '--verifier <verifier>',
      'the key of its checkpoints, Ed25519 or SM2: its tree is compared with all that was signed',
    )
    .option('--witness <verifier>', 'who has to have cosigned; may be given again', collect, [])
    .option('--checkpoint <file>', 'a checkpoint that was kept elsewhere; may be given again', collect, [])
    .option('--json')
    .action(
      guarded(async ({ verifier, witness, checkpoint, ...options }: VerifyOptions) => {
        const anchors = verifier === undefined ? null : { verifier, witnesses: witness, checkpoints: checkpoint }
        const verdict = await verifyAudit(config(), anchors)
        tell(verdict, options, () => plainly(verdict))
        process.exitCode = verdictExit[verdict.state]
      }),
    )
}

interface KeyOptions extends JsonOption {
  readonly name: string
  readonly witness: boolean
  readonly suite: 'standard' | 'gm'
}

/** What the key is for. Throws USAGE_INVALID for an SM2 key of a witness: C2SP tlog-cosignature has Ed25519. */
function keyUseOf({ witness, suite }: KeyOptions): AuditKeyUse {
  if (!witness) return suite === 'gm' ? 'sm3' : 'log'
  if (suite === 'standard') return 'witness'
  throw new AppError('USAGE_INVALID', 'a witness cosigns with Ed25519, also the tree over SM3; leave --suite away')
}

function suiteName(value: string): 'standard' | 'gm' {
  if (value === 'standard' || value === 'gm') return value
  throw new InvalidArgumentError('give standard or gm')
}

function addKey(audit: Command): void {
  audit
    .command('key')
    .description('生成检查点签名密钥 / Make the key that signs checkpoints; prints what others verify them by')
    .argument('<file>', 'a new file')
    .requiredOption('--name <name>', 'name of the log, or of the witness', logName)
    .option('--witness', 'the key of a witness', false)
    .option('--suite <suite>', 'gm: an SM2 key for the tree over SM3', suiteName, 'standard')
    .option('--json')
    .action(
      guarded((file: string, options: KeyOptions) => {
        const made = makeAuditKey(file, options.name, keyUseOf(options))
        tell(made, options, () => plainly(made))
      }),
    )
}

interface SignOptions extends JsonOption, Omit<SigningOptions, 'every' | 'sm2Key'> {
  readonly every?: number
  readonly sm2Key?: string
}

function addSign(audit: Command): void {
  audit
    .command('sign')
    .description('签署检查点 / Sign the tree over the log, if it continues what was signed last')
    .requiredOption('--key <file>', 'the signing key')
    .option('--sm2-key <file>', 'the key of the tree over SM3, from audit key --suite gm')
    .requiredOption('--signed <file>', 'where it is remembered what was signed last; with .sm3 behind it for that tree')
    .requiredOption('--name <name>', 'name of the log', logName)
    .option('--new-log', 'nothing was ever signed of this log', false)
    .option('--every <seconds>', 'sign again and again', wholeSeconds)
    .option('--json')
    .action(
      guarded(async (options: SignOptions) => {
        const told = (size: number): void => tell({ size }, options, () => plainly({ size }))
        const late = ({ code, detail }: AppError): void => remark(`${code}: ${detail}`)
        const signing = { ...options, every: options.every ?? null, sm2Key: options.sm2Key ?? null }
        await signAudit(config(), signing, { signed: told, late })
      }),
    )
}

function port(value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number
  throw new InvalidArgumentError('give a port from 0 to 65535')
}

function addWitness(audit: Command): void {
  audit
    .command('witness')
    .description('会签检查点 / Cosign checkpoints that continue what was cosigned last; needs no database')
    .requiredOption('--key <file>', 'its key, from audit key --witness')
    .requiredOption('--state <folder>', 'where it is remembered what was cosigned last')
    .requiredOption('--name <name>', 'name of the witness', logName)
    .requiredOption('--log <verifier>', 'a log that it watches; may be given again', collect, [])
    .option('--new-log', 'nothing was ever cosigned of some of these logs', false)
    .option('--host <address>', 'address that it listens on', '127.0.0.1')
    .option('--port <port>', 'its port; 0 takes any that is free', port, 8090)
    .action(
      guarded(async ({ log, ...options }: Omit<WitnessingOptions, 'logs'> & { readonly log: readonly string[] }) => {
        const { address, stop } = await startWitness({ ...options, logs: log })
        tell({ listening: address }, { json: true }, () => address)
        closeWithGrace({ delay: 5000 }, async () => stop())
      }),
    )
}

/** One line of standard input: what is typed as an argument stays in histories and process lists. */
async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin })
  for await (const line of lines) return line.trim()
  throw new AppError('USAGE_INVALID', 'give the number of the certificate as a line of standard input')
}

function addPerson(audit: Command): void {
  audit
    .command('person')
    .description('何人查看过此人 / Who saw this person: give the certificate number as a line of standard input')
    .option('--type <type>', 'certificate type', '111')
    .option('--from <time>', 'entries from this time on, RFC 3339')
    .option('--to <time>', 'entries before this time')
    .option('--csv', 'the report as a CSV file on standard output', false)
    .option('--json')
    .action(
      guarded(async (options: JsonOption & PersonOptions & { readonly csv: boolean }) => {
        const page = await whoSaw(config(), await readLine(), options)
        if (options.csv) printFile(await personReportForms.csv.write(page))
        else tell(viewPage(page), options, () => tableOf(page))
      }),
    )
}

const tableOf = (page: FoundPage): string =>
  table(
    ['time', 'event', 'actor', 'purpose', 'dataset', 'count', 'place', 'signed'],
    page.entries
      .map(viewEntry)
      .map((one) => [one.time, one.type, one.actor, one.purpose, one.dataset, one.count, one.leafIndex, one.signed])
      .map((cells) => cells.map((cell) => cell ?? '')),
  )

function addIndex(audit: Command): void {
  audit
    .command('index')
    .description('审计索引 / The index of persons')
    .command('rebuild')
    .description('重建人员索引 / Make it anew from the manifests; look-ups go on meanwhile, slowly')
    .option('--json')
    .action(
      guarded(async (options: JsonOption) => {
        const built = await rebuildPersonIndex(config())
        tell(built, options, () => plainly(built))
      }),
    )
}

/** `gridbridge audit …` */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('审计 / Audit log')
  addVerify(audit)
  addKey(audit)
  addSign(audit)
  addWitness(audit)
  addOversightCommands(audit)
  addExport(audit)
  addPerson(audit)
  addIndex(audit)
}
