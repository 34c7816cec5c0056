/**
 * Cruises the source with the rules of boundary-rules.ts. `node tools/boundaries.ts [root]` prints every fault as
 * `rule: from → to` and how many modules were looked at; exit 1 when there is a fault or nothing was looked at.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { boundaryRules } from './boundary-rules.ts'

const FOLDERS = ['src', 'demo', 'test', 'bench', 'prove', 'tools', 'examples', 'verifier'] as const

const root = path.resolve(process.argv[2] ?? '.')

/**
 * No tsConfig and no tsPreCompilationDeps: with TypeScript 7 either makes dependency-cruiser find no module at all and call it
 * a success. With @swc/core it reads the files itself.
 */
async function cruiseTree(): Promise<ICruiseResult> {
  const folders = FOLDERS.filter((folder) => existsSync(path.join(root, folder)))
  const { output } = await cruise(folders, {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden: [...boundaryRules] },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  })
  if (typeof output === 'string') throw new TypeError('dependency-cruiser answered with text')
  return output
}

const { summary } = await cruiseTree()
for (const { rule, from, to } of summary.violations) process.stdout.write(`${rule.name}: ${from} → ${to}\n`)
process.stdout.write(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} faults\n`,
)
if (summary.totalCruised === 0 || summary.violations.length > 0) process.exitCode = 1
