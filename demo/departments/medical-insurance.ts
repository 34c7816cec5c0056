import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { guard, tifDoor } from './doors.ts'
import { answerPart, bodyOf, partAt } from './pages.ts'
import { openWholeList } from './whole-list.ts'

/** 医疗保障: who is insured, behind the headers of a TIF gateway, by offset in a JSON body. */
const { values } = parseArgs({ options: departmentOptions })

const secrets = { paasId: 'luzhou-grid', token: takeCredential(undefined) }
const insured = openWholeList(openCitySource(readCityOptions(values), 'LZ-YB-CB-001'))

const answerInsured = answerPart(
  insured,
  (request) => {
    const asked = bodyOf(request)
    return partAt(asked('start'), asked('limit'))
  },
  (rows) => ({ status: 200, body: { infcode: 0, output: { total: insured.total(), rows } } }),
)

await openDepartment({
  folder: 'medical-insurance',
  port: values.port,
  routes: { 'POST /ebus/insured': guard(tifDoor(secrets.paasId, secrets.token), answerInsured) },
  change: insured.change,
  feeds: (url) => ({ 'LZ-YB-CB-001': { file: 'insurance', secrets, set: { '/source/baseUrl': url } } }),
})
