import { AppError } from '../../src/errors.ts'

/** The code that `work` fails with, `none` when it does not fail, `uncoded` for an error that is not ours. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    return error instanceof AppError ? error.code : 'uncoded'
  }
}
