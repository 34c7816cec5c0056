/** Where a lane stands: the place and the leaf hash of its last entry. */
export interface LaneProgress {
  readonly seq: number
  readonly head: Uint8Array
}
