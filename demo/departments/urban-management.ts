import { parseArgs } from 'node:util'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { guard } from './doors.ts'
import { openTokens } from './oauth.ts'
import { answerPart, partAt, queryOf } from './pages.ts'
import { openWholeList } from './whole-list.ts'

/** 城市管理: cases after a key, with access tokens of its own token endpoint. */
const { values } = parseArgs({ options: departmentOptions })

const secrets = { clientId: 'grid', clientSecret: takeCredential(undefined) }
const tokens = openTokens(secrets.clientId, secrets.clientSecret)
const cases = openWholeList(openCitySource(readCityOptions(values), 'LZ-CG-AJ-001'), 'xh')

const answerAfter = answerPart(
  cases,
  (request) => {
    const asked = queryOf(request)
    return partAt(cases.offsetAfter(Number(asked('after') ?? 0)), asked('limit'))
  },
  (rows) => ({ status: 200, body: { items: rows } }),
)

await openDepartment({
  folder: 'urban-management',
  port: values.port,
  routes: { 'POST /oauth/token': tokens.grant, 'GET /api/cases': guard(tokens.door, answerAfter) },
  change: cases.change,
  feeds: (url) => ({
    'LZ-CG-AJ-001': {
      file: 'case',
      secrets,
      set: { '/source/baseUrl': url, '/source/auth/tokenUrl': `${url}/oauth/token` },
    },
  }),
})
