import { AppError } from '../../errors.ts'

/** Gives the module of a package; Node's own `import`, but for tests of databases that are not there. */
export type ImportDriver = (name: string) => Promise<unknown>

export const importPackage: ImportDriver = (name) => import(name)

/**
 * The driver of a database whose package we do not bring: for its size, or for its licence. Throws AppError DRIVER_MISSING
 * naming the package to install.
 */
export async function importDriver<Driver>(name: string, load: ImportDriver): Promise<Driver> {
  const module = await load(name).catch((error: unknown) => {
    throw new AppError('DRIVER_MISSING', `wanted the package ${name}; install it with npm install --no-save ${name}`, {
      cause: error,
    })
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the driver's own interface, as far as it is used here
  return (hasDefault(module) ? module.default : module) as Driver
}

function hasDefault(module: unknown): module is { readonly default: unknown } {
  return typeof module === 'object' && module !== null && 'default' in module
}
