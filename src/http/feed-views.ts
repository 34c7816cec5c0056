import type { FeedContent, FeedVersion } from '../store/feed-versions.ts'

type Names = ReadonlyMap<number, string>

const nameOf = (names: Names, id: number | null): string | null => (id === null ? null : (names.get(id) ?? null))

/** A version without its content, with the names of those who signed it. */
export function summarise(version: FeedVersion, names: Names) {
  const { version: number, state, origin, note, equalTo, reason, testReport, createdAt } = version
  return {
    version: number,
    state,
    origin,
    note,
    equalTo,
    reason,
    author: nameOf(names, version.authorId),
    submittedBy: nameOf(names, version.submittedBy),
    reviewedBy: nameOf(names, version.reviewedBy),
    approvedBy: nameOf(names, version.approvedBy),
    activatedBy: nameOf(names, version.activatedBy),
    test: testReport === null ? null : { ...testReport, rules: { ...testReport.rules } },
    createdAt: createdAt.toISOString(),
  }
}

/** The accounts that have a part in versions. */
export const signers = (versions: readonly FeedVersion[]): readonly (number | null)[] =>
  versions.flatMap((one) => [one.authorId, one.submittedBy, one.reviewedBy, one.approvedBy, one.activatedBy])

/** What a version says. */
export const content = ({ manifest, legalBasis, catalogue }: FeedContent) => ({
  manifest: { ...manifest },
  legalBasis,
  catalogue,
})
