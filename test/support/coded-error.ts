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

/** Code and detail of the coded error that `work` throws, `accepted` when it throws none. */
export function faultOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.detail}`
    throw error
  }
  return 'accepted'
}
