import type { FastifyInstance } from 'fastify'
import type { Manifest } from '../../src/feeds/manifest-types.ts'
import { createManifest } from '../feeds/sample-manifest.ts'
import { startDepartment } from '../support/department.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { catalogueEntry, employAll, legalBasis, prepareGround, type Answer, type Office } from '../support/office.ts'
import { openDoor } from './door.ts'

/** The last step that a feed has made on its way. */
export type Step = 'submit' | 'review' | 'approve' | 'test' | 'activate'

/** An installation whose API listens, everybody that a feed needs, and a department of 30 residents with a registered address. */
export interface FeedStage {
  readonly installation: TestInstallation
  readonly server: FastifyInstance
  readonly office: Office
  readonly manifestOf: (code: string, change?: Partial<Manifest>) => Manifest
  readonly draftOf: (code: string, change?: object) => object
  /** Registers a feed with everything that it needs. */
  readonly register: (code: string) => Promise<Answer>
  /** Takes a feed as far as a step, by the people whose turn it is; gives the answer of every step. */
  readonly bring: (code: string, far: Step) => Promise<readonly (readonly [Step, number])[]>
  readonly close: () => Promise<void>
}

/** The code of a problem beside its status, or the code of the feed. */
export const brief = ({ status, body }: Answer) => [status, body.code]
export const at = (code: string, rest = '') => `/api/v1/feeds/${code}${rest}`

async function walk(office: Office, code: string, far: Step): Promise<readonly (readonly [Step, number])[]> {
  const { editor, reviewer, officer, engineer } = office
  const steps = [
    ['submit', () => editor.post(at(code, '/moves'), { action: 'submit' })],
    ['review', () => reviewer.post(at(code, '/moves'), { action: 'review' })],
    ['approve', () => officer.post(at(code, '/moves'), { action: 'approve' })],
    ['test', () => editor.post(at(code, '/test'))],
    ['activate', () => engineer.post(at(code, '/moves'), { action: 'activate' })],
  ] as const
  const made: (readonly [Step, number])[] = []
  for (const [name, step] of steps) {
    made.push([name, (await step()).status])
    if (name === far) break
  }
  return made
}

/** What `bring` gives when every step up to the last is answered well. */
export const wellUpTo = (far: Step): readonly (readonly [Step, number])[] => {
  const steps: readonly Step[] = ['submit', 'review', 'approve', 'test', 'activate']
  return steps.slice(0, steps.indexOf(far) + 1).map((step) => [step, 200] as const)
}

export async function openFeedStage(): Promise<FeedStage> {
  const installation = await openTestInstallation('api')
  const server = await openDoor(installation)
  const department = await startDepartment(30, 25, 0)
  const office = await employAll(installation, await server.listen({ port: 0, host: '127.0.0.1' }))
  await prepareGround(office, Number(new URL((department.source as { baseUrl: string }).baseUrl).port))
  const manifestOf = (code: string, change: Partial<Manifest> = {}): Manifest => {
    const manifest = createManifest({ source: department.source, ...change })
    return { ...manifest, feed: { ...manifest.feed, code } }
  }
  const draftOf = (code: string, change: object = {}) => ({
    manifest: manifestOf(code),
    legalBasis,
    catalogue: catalogueEntry,
    note: 'first',
    ...change,
  })
  return {
    installation,
    server,
    office,
    manifestOf,
    draftOf,
    register: async (code) => {
      const answer = await office.editor.post('/api/v1/feeds', draftOf(code))
      await office.editor.put(at(code, '/secrets/residentToken'), { value: 'made-up-token' })
      return answer
    },
    bring: (code, far) => walk(office, code, far),
    close: async () => {
      department.close()
      await server.close()
      await installation.close()
    },
  }
}
