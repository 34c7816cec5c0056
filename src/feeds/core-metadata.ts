import type { Dataset, Property } from './datasets.ts'
import type { CatalogueEntry } from './legal-basis.ts'
import type { Manifest } from './manifest-types.ts'

const dataTypes = { string: '字符型', number: '数值型', integer: '整型', boolean: '布尔型' } as const
const shareTypes = { 1: '无条件共享', 2: '有条件共享', 3: '不予共享' } as const

const toItem = (property: Property) => ({
  信息项名称: property.title,
  数据类型: dataTypes[property.type],
  数据分级: property.level,
})

/**
 * One catalogue entry under the names of the national core metadata (政务信息资源目录编制指南), so that the city's own catalogue can
 * take it over. Information items are the properties that the feed fills.
 */
export function toCoreMetadata(entry: CatalogueEntry, manifest: Manifest, dataset: Dataset) {
  const filled = new Set(manifest.map.map(({ to }) => to.slice(1)))
  return {
    信息资源分类: entry.classification,
    信息资源名称: manifest.feed.title,
    信息资源代码: entry.code,
    信息资源提供方: entry.provider,
    信息资源提供方代码: entry.providerCode,
    信息资源摘要: entry.abstract,
    信息资源格式: entry.format,
    信息项信息: dataset.properties.filter(({ name }) => filled.has(name)).map(toItem),
    共享属性: {
      共享类型: shareTypes[entry.shareType],
      共享条件: entry.shareCondition ?? entry.shareBasis ?? '',
      共享方式: entry.shareMethod,
    },
    开放属性: { 是否向社会开放: entry.open ? '是' : '否', 开放条件: entry.openCondition ?? '' },
    更新周期: entry.updateCycle,
    发布日期: entry.publishedOn,
    关联资源代码: entry.relatedCodes,
  }
}
