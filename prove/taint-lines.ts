import type { SinkKind } from './taint-kinds.ts'

/** A line of the product and what is put in its place. */
export interface ChangedLine {
  readonly file: string
  readonly find: RegExp
  readonly replace: string
}

/** One line changed so that a value in clear leaks, and where and how it must be found. */
export interface Mutation extends ChangedLine {
  readonly name: string
  readonly sink: SinkKind
  /** Null: a form that every field may have. */
  readonly field: string | null
  readonly form: string
}

const READ = /(?=const raw = await inTurn\()/g
const PAGE = 'src/ingest/run-feed.ts'

/** Where the changed product gets hold of what is clear: rows as they are read, records as they are opened, its own arguments. */
export const eyes: readonly ChangedLine[] = [
  { file: PAGE, find: READ, replace: 'globalThis.see(page.rows); ' },
  {
    file: 'src/sharing/reveals.ts',
    find: /(?<=\) as Fields\n)(?= {2}const wanted)/g,
    replace: '  globalThis.see([all]);\n',
  },
  { file: 'src/cli.ts', find: /(?<=#!\S+ -S node[^\n]*\n)/g, replace: `import './leak.ts'\n` },
]

type Named = readonly [name: string, sink: SinkKind, field: string, form: string]

const calling = (field: string, form: string): string => `globalThis.leak('${field}', '${form}')`

/** A mutation that puts the leaking text somewhere: `replace` is given the call that makes it. */
const change = (
  [name, sink, field, form]: Named,
  file: string,
  find: RegExp,
  replace: (leak: string) => string,
): Mutation => ({
  name,
  sink,
  field,
  form,
  file,
  find,
  replace: replace(calling(field, form)),
})

/** A statement that holds the value as text, sent as a page is read. */
const state = (named: Named, write: (leak: string) => string): Mutation =>
  change(
    named,
    PAGE,
    READ,
    (leak) => `await database.query(${write(leak)}).catch((error) => process.stderr.write(error.code)); `,
  )

const statements: readonly Mutation[] = [
  state(['a literal in a setting', 'statement log', 'phone', 'hex'], (leak) => `"set taint.leak = '" + ${leak} + "'"`),
  state(
    ['a literal in a condition', 'query plans', 'phone', 'reversed'],
    (leak) => `"select from gridbridge.feed where code = '" + ${leak} + "'"`,
  ),
  state(
    ['a value as a name', 'statement statistics', 'certNumber', 'reversed'],
    (leak) => `'select 1 as "' + ${leak} + '"'`,
  ),
  state(
    ['a value as the name of a connection', 'statement activity', 'certNumber', 'base64'],
    (leak) => `"set application_name = '" + ${leak} + "'"`,
  ),
  state(
    ['a message of the server', 'server log', 'name', 'percent'],
    (leak) => `"do $$ begin raise log '%', '" + ${leak} + "'; end $$"`,
  ),
  state(
    ['a message in the write-ahead log', 'write-ahead log', 'name', 'hex'],
    (leak) => `"select pg_logical_emit_message(true, 'x', '" + ${leak} + "')"`,
  ),
]

const processes: readonly Mutation[] = [
  change(
    ['a page in a message of an error', 'crash output', 'name', 'utf-8'],
    PAGE,
    READ,
    (leak) => `process.stderr.write('Error: ' + ${leak} + '\\n'); `,
  ),
  change(
    ['a page on standard output', 'standard output', 'name', 'reversed'],
    PAGE,
    READ,
    (leak) => `process.stdout.write(${leak} + '\\n'); `,
  ),
  change(
    ['the title of the process', 'process arguments', 'householdNo', 'utf-8'],
    PAGE,
    READ,
    (leak) => `process.title = ${leak}; `,
  ),
  change(
    ['a field more in the log', 'application log', 'householdNo', 'hex'],
    'src/log.ts',
    /(?<=log\[at\]\(\{ code: event,)/g,
    (leak) => ` said: ${leak},`,
  ),
  change(
    ['the address in the access log', 'access log', 'certNumber', 'hex'],
    'src/log.ts',
    /(?<=else if \(req !== undefined\) )(?=tell)/g,
    (leak) => `process.stderr.write('{"code":"REQUEST_BEGUN","url":"' + ${leak} + '"}\\n'), `,
  ),
  change(
    ['an answer in a temporary file', 'temporary files', 'phone', 'base64'],
    PAGE,
    READ,
    (leak) =>
      `process.getBuiltinModule('fs').writeFileSync(process.getBuiltinModule('os').tmpdir() + '/page.json', ${leak}); `,
  ),
  change(
    ['arguments in the output', 'command output', 'phone', 'utf-8'],
    'src/cli-output.ts',
    /(?<=\): void \{\n)(?= {2}print\(options\.json)/g,
    (leak) => `process.stdout.write(${leak} + '\\n');\n`,
  ),
  change(
    ['arguments in the errors', 'command errors', 'phone', 'spaced'],
    'src/cli-output.ts',
    /(?= {2}print\(options\.json)/g,
    (leak) => `process.stderr.write(${leak} + '\\n');\n`,
  ),
]

const rests: readonly Mutation[] = [
  {
    name: 'the masked view is not masked',
    file: 'src/ingest/protect.ts',
    find: /masked: maskText\(.+\),$/gm,
    replace: 'masked: JSON.stringify(record.fields),',
    sink: 'product tables',
    field: null,
    form: 'utf-8',
  },
  change(
    ['the cursor in clear', 'table files', 'certNumber', 'spaced'],
    'src/ingest/protect.ts',
    /\{ sealed: seal\(/g,
    (leak) => `{ leak: ${leak}, sealed: seal(`,
  ),
  change(
    ['a value in an audit entry', 'audit bodies', 'certNumber', 'sha1'],
    'src/audit/entry.ts',
    /(?<=canonicalJson\(\{\n)(?= +v: 1)/g,
    (leak) => `leak: ${leak},\n`,
  ),
]

const answers: readonly Mutation[] = [
  change(
    ['a problem that names somebody', 'problem answers', 'phone', 'sha256'],
    'src/http/problems.ts',
    /(?<=detail: )(?=withoutPerson\()/g,
    (leak) => `${leak} + `,
  ),
  change(
    ['a header that names somebody', 'answer headers', 'phone', 'md5'],
    'src/http/problems.ts',
    /(?<=Promise<FastifyReply> \{\n)/g,
    (leak) => `void reply.header('x-leak', ${leak});\n`,
  ),
  change(
    ['a metric of somebody', 'metrics', 'phone', 'sha1'],
    'src/http/operations-routes.ts',
    /(?<=send\()(?=await metrics\.metrics)/g,
    (leak) => `'# ' + ${leak} + '\\n' + `,
  ),
  change(
    ['an alert about somebody', 'alerts', 'phone', 'sm3'],
    'src/http/alert-routes.ts',
    /(?<=raisedAt: )(?=alert\.raisedAt)/g,
    (leak) => `${leak} + `,
  ),
  change(
    ['a rule about somebody', 'oversight', 'name', 'sha1'],
    'src/http/oversight-routes.ts',
    /(?<=return \{ rule: code, \.\.\.oversightTexts\[code\],)/g,
    (leak) => ` en: ${leak},`,
  ),
  change(
    ['a report about somebody', 'audit reports', 'name', 'md5'],
    'src/http/audit-routes.ts',
    /(?<=return \{ \.\.\.report, \.\.\.viewKept\(facts\))(?= \}\n {2}\}\)\n\}\n\nconst readReportRoute)/g,
    (leak) => `, en: ${leak}`,
  ),
  change(
    ['a request that names somebody', 'reveal papers', 'name', 'sha256'],
    'src/http/reveal-schemas.ts',
    /(?<=fields: \[\.\.\.reveal\.fields\],)/g,
    (leak) => ` reason: ${leak},`,
  ),
  change(
    ['an incident that names somebody', 'incident papers', 'name', 'sm3'],
    'src/http/incident-schemas.ts',
    /(?<=\.\.\.incident,\n)/g,
    (leak) => `title: ${leak},\n`,
  ),
  change(
    ['a freeze that names somebody', 'freeze answers', 'certNumber', 'sm3'],
    'src/http/freeze-routes.ts',
    /(?<= {2}\.\.\.freeze,\n)/g,
    (leak) => `reason: ${leak},\n`,
  ),
  change(
    ['a file named after somebody', 'file names', 'phone', 'utf-8'],
    'src/http/resubmission-routes.ts',
    /(?<=filename="\$\{feed\.code\}-)(?=rejections)/g,
    (leak) => `\${${leak}}-`,
  ),
  change(
    ['a checkpoint with a remark', 'checkpoints', 'certNumber', 'utf-8'],
    'src/http/checkpoint-header.ts',
    /(?<=Buffer\.from\(note)(?=\))/g,
    (leak) => ` + ${leak}`,
  ),
]

const leaving: readonly Mutation[] = [
  change(
    ['a value in a delivery', 'deliveries', 'certNumber', 'full-width'],
    'src/sharing/push-batch.ts',
    /(?<=type: 'dataset\.changes',)/g,
    (leak) => ` leak: ${leak},`,
  ),
  change(
    ['a header of a delivery', 'delivery headers', 'name', 'base64'],
    'src/sharing/push-post.ts',
    /(?<='content-type': 'application\/json',)(?= \.\.\.webhookHeaders)/g,
    (leak) => ` 'x-leak': ${leak},`,
  ),
  change(
    ['a value in an export', 'export files', 'phone', 'full-width'],
    'src/sharing/export-part.ts',
    /(?<=\[\{ text: )(?=JSON\.stringify\(shared\))/g,
    (leak) => `${leak} + `,
  ),
]

export const mutations: readonly Mutation[] = [...statements, ...processes, ...rests, ...answers, ...leaving]
