import { adding, offer, readSchema, type OfferedSchema } from './hostile-schemas.ts'

const DATASETS = [
  'address',
  'entity',
  'grid',
  'housing',
  'life-event',
  'matter',
  'organisation-licence',
  'person',
  'person-status',
  'resident',
  'site',
]

/** Patterns as a department would write them. */
const sound = [
  '^[A-Z]{2}[0-9]{6}$',
  String.raw`^\d{6}$`,
  String.raw`^(\d{6}|\d{9}|\d{12})$`,
  '^[一-龥]{1,20}$',
  String.raw`^\p{Lu}\d{1,10}$`,
  String.raw`^[^\s]{1,40}$`,
  '^(?:GA|MZ|WJ)-[0-9]{4}-[0-9]{1,6}$',
  String.raw`^0\d{2,3}-?\d{7,8}$`,
  '^[A-Za-z0-9._-]{1,64}$',
  '^栋[0-9]{1,3}单元[0-9]{1,2}$',
]
const changes: readonly ((place: number) => Readonly<Record<string, unknown>>)[] = [
  (place) => ({ pattern: sound[place % sound.length], maxLength: 64 }),
  (place) => ({ enum: Array.from({ length: place + 1 }, (_, at) => `值${at}`) }),
  (place) => ({ minLength: 1, maxLength: 10 + place }),
  (place) => ({ type: 'integer', minimum: 0, maximum: place }),
  () => ({ format: 'date' }),
]

/** The schemas that ship, and fifty that somebody might honestly propose. */
export const honestSchemas: readonly (OfferedSchema & { readonly dataset: string })[] = [
  ...DATASETS.map((dataset) => ({ dataset, ...offer(`the schema of ${dataset}`, readSchema(dataset)) })),
  ...Array.from({ length: 50 }, (_, place) => ({
    dataset: 'resident',
    ...offer(`honest schema ${place}`, {
      ...adding(changes[place % changes.length]?.(place) ?? {}, `extra${place}`),
      'x-gb-version': 2,
    }),
  })),
]
