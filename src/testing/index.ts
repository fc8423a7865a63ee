export {
  type AlpacaServer,
  type AlpacaServerOptions,
  alpacaServer,
} from '../providers/alpaca/server.ts'
export type { AlpacaAccount, AlpacaPlan, AlpacaToken } from '../providers/alpaca/server-plan.ts'
export {
  type BinanceServer,
  type BinanceServerOptions,
  binanceServer,
} from '../providers/binance/server.ts'
export { BOOK_FAULTS, type BookFault } from '../providers/binance/server-book.ts'
export {
  type CoinbaseServer,
  type CoinbaseServerOptions,
  coinbaseServer,
} from '../providers/coinbase/server.ts'
export { FRAME_FAULTS, type FrameFault } from '../providers/coinbase/server-session.ts'
export {
  type KrakenPair,
  type KrakenServer,
  type KrakenServerOptions,
  krakenServer,
} from '../providers/kraken/server.ts'
export { type HandClock, handClock } from './clock.ts'
export { type FakeTws, type FakeTwsHappening, type FakeTwsOptions, fakeTws } from './fake-tws.ts'
export type { FakeContract } from './fake-tws-contracts.ts'
export { parseTwsFaults, TWS_FAULTS, type TwsFault, type TwsFaultName } from './fake-tws-faults.ts'
export { type IbkrVenue, type IbkrVenueOptions, ibkrVenue } from './fake-tws-venue.ts'
export {
  checkFaults,
  FAULT_NAMES,
  FAULTS,
  type Fault,
  type FaultName,
  type FaultOptions,
  parseFaults,
} from './faults.ts'
export {
  type DocumentedFrame,
  excludedChecks,
  type FixtureOptions,
  type FrameSource,
  type ProviderCheck,
  type ProviderFixture,
  type ProviderTraits,
  providerChecks,
  providerSuite,
  type TradeFields,
} from './provider-suite.ts'
export { type ScriptedSocket, type ScriptedSockets, scriptedSockets } from './sockets.ts'
export { type TapeFixture, tapeSuite } from './tape-suite.ts'
export {
  type Listener,
  type ListenOptions,
  startVenue,
  type Venue,
  type VenueOptions,
} from './venue.ts'
export { type AllTickVenueOptions, allTickVenue } from './venue-alltick.ts'
export { type BinanceVenueOptions, binanceVenue } from './venue-binance.ts'
export { type CoinbaseVenueOptions, coinbaseVenue } from './venue-coinbase.ts'
export {
  type HostHappening,
  type HostOptions,
  type HostScript,
  ScriptedHost,
  type VenueServer,
} from './venue-host.ts'
export { type KrakenVenueOptions, krakenVenue } from './venue-kraken.ts'
export { type FeedFromOptions, feedFrom } from './venue-market.ts'
export { type OpenAlgoVenueOptions, openAlgoVenue } from './venue-openalgo.ts'
export { type PlainFloor, type PlainVenueOptions, plainVenue } from './venue-plain.ts'
export { type PolygonVenueOptions, polygonVenue } from './venue-polygon.ts'
export {
  type ConnectionView,
  type Happening,
  type ScriptedVenue,
  type ScriptedVenueOptions,
  scriptedVenue,
} from './venue-scripted.ts'
