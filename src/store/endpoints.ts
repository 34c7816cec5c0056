import { AppError } from '../errors.ts'
import type { Endpoint } from '../security/endpoints.ts'
import type { Query } from './database.ts'

const ENDPOINT_COLUMNS = `endpoint_id as "endpointId", department, scheme, address, first_port as "firstPort", last_port as "lastPort"`

/** The addresses that are registered for a department and not withdrawn; of all departments where it is null. */
export async function listEndpoints(query: Query, department: string | null): Promise<readonly Endpoint[]> {
  return query<Endpoint>(
    `select ${ENDPOINT_COLUMNS} from endpoint
      where withdrawn_at is null and ($1::text is null or department = $1) order by endpoint_id limit 5000`,
    [department],
  )
}

export async function insertEndpoint(
  query: Query,
  endpoint: Omit<Endpoint, 'endpointId'>,
  approvedBy: number,
): Promise<Endpoint> {
  const [inserted] = await query<Endpoint>(
    `insert into endpoint (department, scheme, address, first_port, last_port, approved_by) values ($1, $2, $3, $4, $5, $6)
       returning ${ENDPOINT_COLUMNS}`,
    [endpoint.department, endpoint.scheme, endpoint.address, endpoint.firstPort, endpoint.lastPort, approvedBy],
  )
  if (inserted === undefined) throw new AppError('INTERNAL', 'the address was not kept')
  return inserted
}

/** Ends a registration; the next connection of its department's feeds is refused. Throws ENDPOINT_UNKNOWN. */
export async function withdrawEndpoint(query: Query, endpointId: number): Promise<Endpoint> {
  const [withdrawn] = await query<Endpoint>(
    `update endpoint set withdrawn_at = clock_timestamp() where endpoint_id = $1 and withdrawn_at is null
       returning ${ENDPOINT_COLUMNS}`,
    [endpointId],
  )
  if (withdrawn === undefined) throw new AppError('ENDPOINT_UNKNOWN', `endpoint ${endpointId}`)
  return withdrawn
}
