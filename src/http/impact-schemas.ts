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
