import { proveTaint } from './taint.ts'
const v = await proveTaint({ canaries: Number(process.argv[2] ?? 40), mutations: Number(process.argv[3] ?? 1) })
console.log(JSON.stringify(v, null, 1))
