export const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0

/** Three digits behind the point: more would be noise. */
export const round = (value: number): number => Math.round(value * 1000) / 1000
