import { Type } from 'typebox'

const names = (description: string) => Type.Array(Type.String(), { description })

export const ImpactView = Type.Object(
  {
    dropped: names('Fields that the feed fills no more'),
    added: names('Fields that the feed fills newly'),
    changed: names('Fields that are filled in another way'),
    readsFromBeginning: Type.Boolean({ description: 'Whether the feed reads from the beginning once it is active' }),
    consumers: Type.Array(
      Type.Object({
        consumer: Type.String({ description: 'Name of the consumer' }),
        agreement: Type.String({ description: 'Agreement and its version' }),
        purpose: Type.String({ description: 'Service item it is for' }),
        dropped: names('Dropped fields that it is granted'),
        added: names('New fields that it is granted'),
        changed: names('Changed fields that it is granted'),
      }),
      { description: 'Consumers whose agreements grant one of these fields' },
    ),
  },
  { title: 'FeedImpact' },
)

export const DatasetName = Type.Object({
  dataset: Type.String({ pattern: '^[a-z][a-z0-9-]{0,39}$', description: 'Name of a dataset' }),
})

/** The largest of the schemas that ship is 9 KB. */
export const SchemaProposal = Type.Object(
  {
    schema: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The schema as schemas/<dataset>.schema.json would hold it',
    }),
  },
  { additionalProperties: false, title: 'SchemaProposal' },
)

const Count = (description: string) => Type.Integer({ minimum: 0, description })

export const SchemaImpactView = Type.Object(
  {
    dataset: Type.String({ description: 'Dataset' }),
    from: Type.Integer({ description: 'Version in use' }),
    to: Type.Integer({ description: 'Version that is proposed; wanted higher where anything changes' }),
    records: Count('Living records of the dataset'),
    changed: Type.Array(
      Type.Object({
        name: Type.String({ description: 'Property' }),
        changes: Type.Array(
          Type.String({ enum: ['dropped', 'added', 'retyped', 'required', 'reclassified', 'remasked'] }),
          {
            description:
              'retyped: another type, format or code table; required: a value was not wanted before; reclassified: another class or level; remasked: another mask',
          },
        ),
        records: Type.Union([Count(''), Type.Null()], {
          description:
            'Living records whose masked view holds the property now; null where it is suppressed there, so that nobody can tell',
        }),
      }),
      { description: 'Every property that differs' },
    ),
    feeds: Type.Array(
      Type.Object({
        code: Type.String({ description: 'Code of the feed' }),
        department: Type.String({ description: 'Department that owns it' }),
        version: Type.Integer({ description: 'Version of the feed' }),
        state: Type.String({ description: 'Where that version stands' }),
        records: Count('Living records of the feed'),
        dropped: names('Properties it maps that are gone'),
        retyped: names('Properties it maps that are of another type, format or code table'),
        required: names('Properties it maps that are newly required: rows without a value would be refused'),
        unmapped: names('Newly required properties that it does not map'),
        faults: names('Why its manifest would no longer be accepted, one line each'),
      }),
      {
        description:
          'Feed versions in use or in preparation that name one of these properties, or would not be accepted',
      },
    ),
    consumers: Type.Array(
      Type.Object({
        consumer: Type.String({ description: 'Name of the consumer' }),
        agreement: Type.String({ description: 'Agreement and its version' }),
        purpose: Type.String({ description: 'Service item it is for' }),
        dropped: names('Granted properties that are gone'),
        retyped: names('Granted properties of another type, format or code table'),
        reclassified: names('Granted properties of another class or level: the grant is to be reviewed'),
        remasked: names('Granted properties that are masked in another way'),
      }),
      { description: 'Agreements in force that grant one of these properties' },
    ),
  },
  { title: 'SchemaImpact' },
)
