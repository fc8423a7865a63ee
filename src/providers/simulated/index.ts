export { INSTRUMENTS, type SimulatedInstrument, type SymbolOption } from './instruments.ts'
export { type SimulatedOptions, simulated } from './provider.ts'
export { type DayOptions, simulateDay } from './simulate-day.ts'
