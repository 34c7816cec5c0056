/** The item of the service list that the consumers of a bench are granted data for. */
export const ITEM = {
  code: 'LZ-QD-001',
  name: '实有人口信息采集核实',
  county: '510502',
  approvalNo: '测试批准',
  validFrom: '2024-10-01',
  validTo: null,
} as const
