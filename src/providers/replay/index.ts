export { type ReplayOptions, type ReplayProvider, type ReplayState, replay } from './provider.ts'
