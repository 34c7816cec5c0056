import { Type, type Static } from 'typebox'
import { AppError } from '../errors.ts'
import { signatureKinds, type WebhookKey } from '../security/webhook-signature.ts'
import type { ChangePlace } from '../store/changes.ts'
import type { DeadLetter } from '../store/dead-letters.ts'
import type { Replay } from '../store/replays.ts'
import { MOST_COUNTED, subscriptionStates, type Subscription, type SubscriptionSecret } from '../store/subscriptions.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const timeOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const textOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const count = (description: string) => Type.Integer({ minimum: 0, description })

export const SubscriptionNumber = Type.Object({
  subscriptionId: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the subscription' }),
})

export const SignatureKindText = Type.String({
  enum: [...signatureKinds],
  description:
    'hmac-sha256 (v1) and ed25519 (v1a) of Standard Webhooks; hmac-sm3 (v1g) and sm2 (v1ga) under the gm suite',
})

/** Words about what is done; they go into the audit log. */
export const Reason = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 200, description: 'Why, without naming a person 原因' }) },
  { additionalProperties: false },
)

const SecretView = Type.Object({
  secretId: Type.Integer({ description: 'Number of the secret' }),
  kind: SignatureKindText,
  publicKey: textOrNull('What verifies its signatures; null where the secret itself does'),
  createdAt: time('When it was made'),
  retiresAt: timeOrNull('When it stops signing; null: not yet decided'),
})

export const SubscriptionView = Type.Object(
  {
    subscriptionId: Type.Integer({ description: 'Number of the subscription' }),
    consumer: Type.String({ description: 'Name of the consumer' }),
    dataset: Type.String({ description: 'Name of the dataset' }),
    endpoint: Type.String({ description: 'Where deliveries are posted to' }),
    state: Type.String({
      enum: [...subscriptionStates],
      description: 'broken: the receiver failed five times in a row and is asked once per back-off',
    }),
    stateReason: textOrNull('Why it is in this state: a code, or words'),
    stateSince: time('Since when'),
    demandsReceipt: Type.Boolean({ description: 'Whether an acknowledgement must say what was taken' }),
    createdAt: time('When it was made'),
    pending: count(`Changes that are not acknowledged yet; counted up to ${MOST_COUNTED}`),
    acknowledgedAt: timeOrNull('When the last delivery was acknowledged'),
    failures: count('Failed attempts since then'),
    fault: textOrNull('Code of the last one'),
    failingSince: timeOrNull('Since when the receiver has failed'),
    restsUntil: timeOrNull('When it is tried again'),
    deadLetters: count('Deliveries that were refused for good and that nobody has requeued'),
  },
  { title: 'Subscription', description: 'Where the changes of a dataset are pushed to, and how that goes' },
)

const iso = (value: Date | null): string | null => value?.toISOString() ?? null

export const viewSubscription = (subscription: Subscription): Static<typeof SubscriptionView> => {
  const { consumerId: _consumer, datasetId: _dataset, ...shown } = subscription
  return {
    ...shown,
    stateSince: shown.stateSince.toISOString(),
    createdAt: shown.createdAt.toISOString(),
    acknowledgedAt: iso(shown.acknowledgedAt),
    failingSince: iso(shown.failingSince),
    restsUntil: iso(shown.restsUntil),
  }
}

export const SubscriptionDetail = Type.Object(
  { subscription: SubscriptionView, secrets: Type.Array(SecretView, { description: 'Secrets that sign now' }) },
  { title: 'SubscriptionDetail' },
)

export const viewSecret = (secret: SubscriptionSecret): Static<typeof SecretView> => ({
  ...secret,
  createdAt: secret.createdAt.toISOString(),
  retiresAt: iso(secret.retiresAt),
})

/** A secret as it is shown once. */
export const NewSecretView = Type.Object(
  {
    kind: SignatureKindText,
    secret: textOrNull(
      'What the receiver verifies with; shown once. Null for an asymmetric kind: the receiver needs the public key',
    ),
    publicKey: textOrNull('What the receiver of an asymmetric kind verifies with'),
  },
  { title: 'NewSecret' },
)

/** The private half of an asymmetric key is of use to nobody else and never leaves. */
export const viewNewSecret = ({ kind, secret, publicKey }: WebhookKey): Static<typeof NewSecretView> => ({
  kind,
  secret: publicKey === null ? secret : null,
  publicKey,
})

export const DeadLetterView = Type.Object(
  {
    deliveryId: Type.Integer({ description: 'Number of the delivery' }),
    webhookId: Type.String({ description: 'Its webhook-id' }),
    records: count('Changes that it held'),
    left: count('Of these, how many have not changed since: a requeue sends them'),
    attempts: count('How often it was posted'),
    reason: Type.String({ description: 'Code of the last failure' }),
    status: Type.Union([Type.Null(), Type.Integer()], { description: 'What the receiver answered last' }),
    createdAt: time('When it was first posted'),
    isRequeued: Type.Boolean({ description: 'Whether it was requeued' }),
  },
  { title: 'DeadLetter' },
)

export const viewDeadLetter = (letter: DeadLetter): Static<typeof DeadLetterView> => {
  const { from: _from, to: _to, fromTime: _fromTime, toTime: _toTime, ...shown } = letter
  return { ...shown, createdAt: shown.createdAt.toISOString() }
}

const PLACE = '^[0-9]{1,19}\\.[0-9]{1,9}$'
const placeText = (description: string) => Type.String({ pattern: PLACE, maxLength: 30, description })

/** The range of a replay; every member may be left out. */
export const RangeBody = Type.Object(
  {
    fromTime: Type.Optional(time('Records that changed at this time or later')),
    toTime: Type.Optional(time('Records that changed before this time')),
    fromPlace: Type.Optional(placeText('Places behind this one: transaction, dot, sequence, as a replay shows them')),
    toPlace: Type.Optional(placeText('Places up to this one')),
  },
  { additionalProperties: false, description: 'Left out: from the beginning, up to what was delivered last' },
)

function readPlace(text: string | undefined): ChangePlace | null {
  const [tx, seq] = text?.split('.') ?? []
  return tx === undefined || seq === undefined ? null : { tx, seq: Number(seq) }
}

function readTime(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new AppError('REQUEST_INVALID', `body/${name}: wanted a time of RFC 3339`)
  return date
}

/** The range that a body asks for. Throws REQUEST_INVALID. */
export const readRange = (body: Static<typeof RangeBody>) => ({
  from: readPlace(body.fromPlace),
  to: readPlace(body.toPlace),
  fromTime: readTime('fromTime', body.fromTime),
  toTime: readTime('toTime', body.toTime),
})

export const ReplayCountsView = Type.Object(
  {
    records: count('Records that it would send, each in its newest version'),
    acknowledged: count('Of these, how many the receiver has acknowledged already'),
  },
  { title: 'ReplayCounts' },
)

export const ReplayView = Type.Object(
  {
    replayId: Type.Integer({ description: 'Number of the replay' }),
    deliveryId: Type.Union([Type.Null(), Type.Integer()], { description: 'The dead letter that it sends once more' }),
    state: Type.String({ enum: ['active', 'done', 'cancelled'], description: 'How it stands' }),
    fromPlace: Type.String({ description: 'Behind this place' }),
    toPlace: Type.String({ description: 'Up to this place' }),
    fromTime: timeOrNull('Changed at this time or later'),
    toTime: timeOrNull('Changed before this time'),
    records: count('Records in the range when it was asked for'),
    acknowledged: count('Of these, how many had been acknowledged'),
    sent: count('Records that it sent and that were acknowledged'),
    requestedBy: Type.String({ description: 'Who asked for it' }),
    reason: Type.String({ description: 'Why' }),
    requestedAt: time('When'),
    endedAt: timeOrNull('When it was done or cancelled'),
  },
  { title: 'Replay' },
)

const placeOf = ({ tx, seq }: ChangePlace): string => `${tx}.${seq}`

export const viewReplay = (replay: Replay): Static<typeof ReplayView> => {
  const { from, to, place: _place, subscriptionId: _subscription, ...shown } = replay
  return {
    ...shown,
    fromPlace: placeOf(from),
    toPlace: placeOf(to),
    fromTime: iso(shown.fromTime),
    toTime: iso(shown.toTime),
    requestedAt: shown.requestedAt.toISOString(),
    endedAt: iso(shown.endedAt),
  }
}
