import { draw, drawBelow, drawFrom } from './random.ts'

const SURNAMES = Array.from(
  '王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈',
)
const COMPOUND_SURNAMES = ['欧阳', '上官', '司马', '诸葛', '东方', '皇甫', '尉迟', '公孙', '令狐', '慕容'] as const
const GIVEN = Array.from(
  '伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红玲建国梅云鹏辉波宁晨雨欣怡子涵浩宇轩梓萱思远文博嘉',
)
// Characters outside the Basic Multilingual Plane, or that old systems keep in their private area.
const RARE_GIVEN = ['䶮', '𠮷', '𬌗', '𬱖', '㛃', '堃', '𬭎'] as const
const LONG_NAMES = [
  '阿卜杜拉·买买提',
  '古丽米热·吐尔逊',
  '吉克·阿呷',
  '沙马·拉且',
  '艾力·玉素甫',
  '布哈丽且木·卡德尔',
] as const
const STREAM = { kind: 101, surname: 102, first: 103, second: 104 } as const

function commonName(seed: number, index: number): string {
  const first = drawFrom(seed, STREAM.first, index, GIVEN)
  const second = drawBelow(seed, STREAM.kind, index, 3) === 0 ? '' : drawFrom(seed, STREAM.second, index, GIVEN)
  return drawFrom(seed, STREAM.surname, index, SURNAMES) + first + second
}

/** A made-up name; one in 40 has a compound surname, a rare character or a middle dot, as the true registers do. */
export function personName(seed: number, index: number): string {
  const kind = draw(seed, STREAM.kind, index) % 120
  if (kind === 117)
    return drawFrom(seed, STREAM.surname, index, COMPOUND_SURNAMES) + drawFrom(seed, STREAM.first, index, GIVEN)
  if (kind === 118)
    return drawFrom(seed, STREAM.surname, index, SURNAMES) + drawFrom(seed, STREAM.first, index, RARE_GIVEN)
  if (kind === 119) return drawFrom(seed, STREAM.first, index, LONG_NAMES)
  return commonName(seed, index)
}
