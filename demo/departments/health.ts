import { parseArgs } from 'node:util'
import { XMLParser } from 'fast-xml-parser'
import { columnsOf } from '../city/layout.ts'
import { openCitySource } from '../city/source.ts'
import { departmentOptions, openDepartment, readCityOptions, takeCredential } from './department.ts'
import { basicDoor, guard } from './doors.ts'
import { answerPart, partOfPage } from './pages.ts'
import type { Request } from './serve.ts'
import { openWholeList } from './whole-list.ts'

/** 卫生健康: births and deaths of an old SOAP service, with a user and a password. */
const { values } = parseArgs({ options: departmentOptions })

const NAMESPACE = 'http://service.wj.example.invalid/vital'
const secrets = { user: 'grid', password: takeCredential(undefined) }
const events = openWholeList(openCitySource(readCityOptions(values), 'LZ-WJ-SM-001'))
const parser = new XMLParser({ removeNSPrefix: true, parseTagValue: false })

interface Call {
  readonly Envelope?: { readonly Body?: { readonly queryEvents?: { readonly PAGE?: string; readonly SIZE?: string } } }
}

function readPart({ body }: Request): ReturnType<typeof partOfPage> {
  const call: Call = parser.parse(body.toString('utf8'))
  const asked = call.Envelope?.Body?.queryEvents
  return asked === undefined ? null : partOfPage(asked.PAGE, asked.SIZE)
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function toElement(row: unknown): string {
  const columns = Object.entries(columnsOf(row)).filter(([, value]) => value !== null)
  return `<v:ROW>${columns.map(([name, value]) => `<v:${name}>${escape(String(value))}</v:${name}>`).join('')}</v:ROW>`
}

function toEnvelope(rows: readonly unknown[], total: number, size: number): string {
  const pages = Math.max(1, Math.ceil(total / size))
  const answer = `<v:RETURN><v:TOTAL>${total}</v:TOTAL><v:PAGES>${pages}</v:PAGES><v:ROWS>${rows.map(toElement).join('')}</v:ROWS></v:RETURN>`
  return `<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:v="${NAMESPACE}"><soap:Body>
<v:queryEventsResponse>${answer}</v:queryEventsResponse></soap:Body></soap:Envelope>`
}

const answerEvents = answerPart(events, readPart, (rows, { size }) => ({
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: toEnvelope(rows, events.total(), size),
}))

await openDepartment({
  folder: 'health',
  port: values.port,
  routes: { 'POST /services/VitalEvents': guard(basicDoor(secrets.user, secrets.password), answerEvents) },
  change: events.change,
  feeds: (url) => ({ 'LZ-WJ-SM-001': { file: 'life-event', secrets, set: { '/source/baseUrl': url } } }),
})
