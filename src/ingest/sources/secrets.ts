import { AppError } from '../../errors.ts'
import type { Secrets } from './source.ts'

/** The clear secret a manifest names. Throws AppError SECRET_MISSING with the name. */
export function takeSecret(secrets: Secrets, name: string): string {
  const secret = Object.hasOwn(secrets, name) ? secrets[name] : undefined
  if (secret === undefined || secret === '')
    throw new AppError('SECRET_MISSING', `give the feed a secret named ${name}`)
  return secret
}
