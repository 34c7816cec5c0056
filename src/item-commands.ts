import { operator, within } from './commands.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'
import { isDate } from './feeds/formats.ts'
import { FORBIDDEN_MATTERS } from './feeds/legal-basis.ts'
import { publishServiceItem, type NewServiceItem } from './store/service-items.ts'

/** `item publish`: puts an item on the service list that agreements and feeds cite. Throws USAGE_INVALID. */
export async function publishItem(config: Config, item: NewServiceItem): Promise<{ readonly item: string }> {
  if (FORBIDDEN_MATTERS.test(item.name))
    throw new AppError('USAGE_INVALID', 'licensing, punishment and coercion may not be on the list (Art. 15)')
  if (!/^\d{6}$/.test(item.county)) throw new AppError('USAGE_INVALID', '--county needs the six digits of a county')
  if (![item.validFrom, item.validTo ?? item.validFrom].every(isDate))
    throw new AppError('USAGE_INVALID', '--from and --to need days, yyyy-MM-dd')
  return within(config, async ({ database }) => {
    await database.transaction(async ({ query, audit }) => {
      await publishServiceItem(query, item, null)
      await audit({
        type: 'service-item.published',
        actor: operator(),
        outcome: 'ok',
        object: `service-item/${item.code}`,
      })
    })
    return { item: item.code }
  })
}
