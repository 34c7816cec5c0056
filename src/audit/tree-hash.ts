import { hash } from 'node:crypto'

/** Over which hash a tree is. SHA-256 is the one that C2SP tlog-tiles knows; SM3 (GB/T 32905-2016) is what the `gm` suite adds beside it. */
export type TreeAlgorithm = 'sha256' | 'sm3'

/** What a Merkle tree of RFC 6962 §2.1 is made with. Both hashes have 32 bytes. */
export interface TreeHash {
  readonly name: TreeAlgorithm
  /** H(0x00 ‖ body). */
  readonly leaf: (body: Uint8Array) => Buffer
  /** H(0x01 ‖ left ‖ right). */
  readonly node: (left: Uint8Array, right: Uint8Array) => Buffer
  /** The hash of a tree without leaves. */
  readonly empty: Buffer
}

const LEAF_PREFIX = Buffer.from([0])
const NODE_PREFIX = Buffer.from([1])

const treeOver = (name: TreeAlgorithm): TreeHash => ({
  name,
  leaf: (body) => hash(name, Buffer.concat([LEAF_PREFIX, body]), 'buffer'),
  node: (left, right) => hash(name, Buffer.concat([NODE_PREFIX, left, right]), 'buffer'),
  empty: hash(name, '', 'buffer'),
})

export const SHA256: TreeHash = treeOver('sha256')
export const SM3: TreeHash = treeOver('sm3')

/** The trees that a log has under a suite, over the same bodies in the same order; the last one is the suite's own. */
export const treesOf = (suite: 'standard' | 'gm'): readonly TreeAlgorithm[] =>
  suite === 'gm' ? ['sha256', 'sm3'] : ['sha256']
