/**
 * Random access randomness: a value depends on (seed, stream, index) alone, so any row of a city of millions can be
 * made without the rows before it. The finaliser is that of splitmix32 (Steele, Lea, Flood 2014, 32-bit form).
 */
const GOLDEN_RATIO = 0x9e3779b9

function finalise(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

/** An unsigned 32-bit value for one index of one stream. */
export function draw(seed: number, stream: number, index: number): number {
  const base = finalise(seed + Math.imul(stream + 1, GOLDEN_RATIO))
  return finalise(base + Math.imul(index, GOLDEN_RATIO))
}

/** A whole number from 0 to `bound` - 1. */
export function drawBelow(seed: number, stream: number, index: number, bound: number): number {
  return draw(seed, stream, index) % bound
}

/** The value at a place that is known to be there. Throws RangeError when it is not. */
export function takeAt<Value>(values: readonly Value[], place: number): Value {
  const value = values[place]
  if (value === undefined) throw new RangeError(`place ${place} of ${values.length} values`)
  return value
}

/** One of the values, each as likely as the others. */
export function drawFrom<Value>(seed: number, stream: number, index: number, values: readonly Value[]): Value {
  return takeAt(values, draw(seed, stream, index) % values.length)
}

/** True for one index in `oneIn`. */
export function drawChance(seed: number, stream: number, index: number, oneIn: number): boolean {
  return draw(seed, stream, index) % oneIn === 0
}
