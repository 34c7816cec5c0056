import type { Fields, SharedRecord } from '../record.ts'
import type { Change } from '../store/changes.ts'
import type { Agreement, FieldForm } from '../store/consumers.ts'

type Form = (change: Change, name: string) => unknown

/** How each form is made. A form that is not here does not exist, and a field without a form does not leave. */
const forms = {
  omit: () => undefined,
  mask: (change, name) =>
    change.masked !== null && Object.hasOwn(change.masked, name) ? change.masked[name] : undefined,
} as const satisfies Record<FieldForm, Form>

/** Names come from the database, so what every object has by birth is no form and no field. */
const formOf = (name: FieldForm): Form => (Object.hasOwn(forms, name) ? forms[name] : forms.omit)

function shareFields(change: Change, granted: readonly (readonly [string, Form])[]): Fields {
  const fields: Record<string, unknown> = {}
  for (const [name, form] of granted) {
    const value = form(change, name)
    if (value !== undefined) fields[name] = value
  }
  return fields
}

/**
 * What one consumer receives of these changes under its agreement: the only function that makes a SharedRecord, and so the
 * only way out, for push and for pull.
 */
export function share(changes: readonly Change[], agreement: Agreement): readonly SharedRecord[] {
  const granted = Object.entries(agreement.forms).map(([name, form]) => [name, formOf(form)] as const)
  return changes.map((change) => {
    const gone = change.masked === null
    const shared = {
      operation: gone ? 'delete' : 'upsert',
      id: `${change.feed}/${change.recordId}`,
      version: change.version,
      record: gone ? null : shareFields(change, granted),
    }
    return shared as unknown as SharedRecord
  })
}
