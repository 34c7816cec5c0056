import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { firstBatches, postBatches, secondBatches } from './batches.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { bearerDoor, guard } from './doors.ts'
import { answerLinked } from './pages.ts'
import type { Handle } from './serve.ts'
import { openWholeList } from './whole-list.ts'

/** 政务服务: posts the work orders of the 12345 hotline as signed batches; electronic licences by Link headers, with a bearer token. */
const { values } = parseArgs({ options: departmentOptions })

const token = takeCredential(undefined)
const secrets = { appKey: 'hotline-12345', appSecret: takeCredential(undefined) }
const door = bearerDoor(token)
const options = readCityOptions(values)
const orders = openCitySource(options, 'LZ-ZW-GD-001')
const licences = openWholeList(openCitySource(options, 'LZ-ZW-ZZ-001'))
let batches = firstBatches

/** POST /_control/post {"api": "http://…"}: posts what the pass has; answers what the receipts say once every row was read. */
const controlPost: Handle = async ({ body }) => {
  const { api }: { readonly api: string } = JSON.parse(body.toString('utf8'))
  return { status: 200, body: await postBatches({ api, feed: 'LZ-ZW-GD-001', ...secrets }, batches(orders)) }
}

await openDepartment({
  folder: 'government-services',
  port: values.port,
  routes: {
    'POST /_control/post': controlPost,
    'GET /api/licences': guard(
      door,
      answerLinked(licences, 'size', (rows) => ({ data: rows })),
    ),
  },
  change: () => {
    batches = secondBatches
    licences.change()
  },
  feeds: (url) => ({
    'LZ-ZW-GD-001': { file: 'hotline', secrets, set: {} },
    'LZ-ZW-ZZ-001': { file: 'licence', secrets: { token }, set: { '/source/baseUrl': url } },
  }),
})
