import type { Dataset } from '../feeds/datasets.ts'
import { AppError } from '../errors.ts'
import type { FieldForm } from '../store/consumers.ts'

/**
 * Mask profiles that ship. `operator` is for grid-platform screens (domain P1): every classified field as the masked view
 * shows it; what the masked view suppresses is omitted.
 */
const profiles = {
  operator: (dataset: Dataset): Readonly<Record<string, FieldForm>> =>
    Object.fromEntries(
      dataset.properties.map((property) => [property.name, property.mask === 'SUPPRESS' ? 'omit' : 'mask'] as const),
    ),
} as const

export type ProfileName = keyof typeof profiles

/** The forms a profile grants on a dataset. Throws AGREEMENT_INVALID for a profile that does not exist. */
export function formsOfProfile(profile: string, dataset: Dataset): Readonly<Record<string, FieldForm>> {
  if (!Object.hasOwn(profiles, profile)) {
    throw new AppError(
      'AGREEMENT_INVALID',
      `there is no profile "${profile}"; choose one of ${Object.keys(profiles).join(', ')}`,
    )
  }
  return profiles[profile as ProfileName](dataset)
}
