export {
  type AlpacaServer,
  type AlpacaServerOptions,
  alpacaServer,
} from '../providers/alpaca/server.ts'
export type { AlpacaAccount, AlpacaPlan, AlpacaToken } from '../providers/alpaca/server-plan.ts'
export { type HandClock, handClock } from './clock.ts'
export {
  checkFaults,
  FAULT_NAMES,
  FAULTS,
  type Fault,
  type FaultName,
  type FaultOptions,
  parseFaults,
} from './faults.ts'
export { type ScriptedSocket, type ScriptedSockets, scriptedSockets } from './sockets.ts'
export { type TapeFixture, tapeSuite } from './tape-suite.ts'
export {
  type Listener,
  type ListenOptions,
  startVenue,
  type Venue,
  type VenueOptions,
} from './venue.ts'
export { type FeedFromOptions, feedFrom } from './venue-market.ts'
export {
  type ConnectionView,
  type Happening,
  type ScriptedVenue,
  type ScriptedVenueOptions,
  scriptedVenue,
} from './venue-scripted.ts'
