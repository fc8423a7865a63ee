export type { BackoffOptions } from './base/backoff.ts'
export { type Clock, systemClock, type Timer } from './base/clock.ts'
export { ERRORS, type ErrorCode, TickwireError, type Verdict } from './base/errors.ts'
export type { HttpAnswer, HttpGet, HttpRequest } from './base/http.ts'
export { openHttp } from './base/http-network.ts'
export { type Log, silentLog, stderrLog } from './base/log.ts'
export type { NetworkOptions, ProxyByProtocol } from './base/network.ts'
export type { Random } from './base/random.ts'
export {
  type OpenSocket,
  type Socket,
  type SocketEnd,
  type SocketEvents,
  type SocketRequest,
  webSockets,
} from './base/socket.ts'
export { CHANNELS, type Channel } from './feed/channels.ts'
export type { BarsFrom } from './feed/derived-bars.ts'
export type {
  Answer,
  ConnectionContext,
  Control,
  DecodeContext,
  Decoder,
  Fault,
  Frame,
  Inbox,
  Judgement,
  Request,
  Said,
  UrlContext,
  WebSocketDescription,
} from './feed/description.ts'
export {
  type ErrorHandler,
  type Feed,
  type FeedOptions,
  type FeedStats,
  type Handler,
  type Hold,
  type ListenOptions,
  type OnOptions,
  openFeed,
  type Resume,
  type Subscribe,
  type SubscribeRequest,
  type Subscription,
  type Symbols,
} from './feed/feed.ts'
export type { BookOptions, LiveBook } from './feed/live-book.ts'
export {
  type LegStats,
  MERGE_DEFAULTS,
  type MergedProvider,
  type MergeOptions,
  type MergeStats,
  merge,
} from './feed/merge.ts'
export { type PolledOptions, polled } from './feed/polled.ts'
export {
  type Capabilities,
  type Connection,
  type Interest,
  KIND_BIT,
  type Link,
  type Provider,
  type RawFrame,
  type VenueAnswer,
  type VenueCheck,
  type VenueFacts,
} from './feed/provider.ts'
export {
  QUARANTINE_DEFAULTS,
  QUARANTINE_RULES,
  type QuarantineOptions,
  type QuarantineRule,
  type QuarantineStats,
} from './feed/quarantine.ts'
export { REPAIR_DEFAULTS, type RepairOptions } from './feed/repair-options.ts'
export type { FeedState } from './feed/session.ts'
export type { SubscribeOutcome, TopicState } from './feed/subscriptions.ts'
export { type UnionOptions, union } from './feed/union.ts'
export { type WebSocketOptions, websocketProvider } from './feed/websocket.ts'
export type {
  Checkpoint,
  HistoryRequest,
  HistorySource,
  HoleOf,
  HoleState,
  LatestRequest,
  LatestSource,
  LeftOut,
  Position,
  Reader,
  ReadOptions,
  Sink,
} from './flow/contracts.ts'
export {
  DELIVERY_DEFAULTS,
  type DeliveryCounters,
  type DeliveryOptions,
  type Policy,
} from './flow/queue.ts'
export type { EventStream } from './flow/stream.ts'
export {
  type Calendar,
  type CalendarDay,
  type CalendarRules,
  createCalendar,
  type DayPlan,
  type Session,
  type SessionName,
  type Stretch,
} from './market/calendar.ts'
export {
  always,
  CALENDAR_NAMES,
  CALENDARS,
  calendarNamed,
  calendarOf,
  forex,
  sessionOf,
} from './market/calendar-book.ts'
export { cme } from './market/calendar-cme.ts'
export type { CalendarDate } from './market/calendar-dates.ts'
export { hkex } from './market/calendar-hong-kong.ts'
export { nse } from './market/calendar-india.ts'
export { usEquities } from './market/calendar-us.ts'
export { describeClosed, openTimeBetween } from './market/calendar-words.ts'
export {
  type Adjustment,
  type Bar,
  type Book,
  type Cancel,
  type Correction,
  createEvent,
  EVENT_TYPES,
  type EventFields,
  type EventOf,
  type EventType,
  Flag,
  type FlagName,
  flagNames,
  hasFlag,
  type Imbalance,
  type Interval,
  type Level,
  type Luld,
  type MarketEvent,
  type News,
  type Notice,
  type NoticeName,
  type Quote,
  type Side,
  type Status,
  type Ticker,
  type Trade,
  type TradeId,
} from './market/events.ts'
export {
  formatPrice,
  type Instrument,
  type InstrumentBook,
  type InstrumentKind,
  instruments,
  roundToTick,
} from './market/instruments.ts'
export { decodeEvent, encodeEvent, parseEvent } from './market/json.ts'
export {
  canonicalPair,
  canonicalSymbol,
  formatSymbol,
  type ParsedSymbol,
  parseSymbol,
} from './market/symbols.ts'
export { timestampNs, toDate, toISO } from './market/time.ts'
export {
  ANY,
  decodeSubject,
  encodeSubject,
  formatTopic,
  isInterval,
  parseTopic,
  type Topic,
  topicFilter,
} from './market/topics.ts'
export { type FileTape, type FileTapeOptions, openFileTape } from './tape/file/file.ts'
export { type FollowOptions, followFileTape } from './tape/file/follow.ts'
export type { Retention } from './tape/file/retention.ts'
export { type MemoryTapeOptions, memoryTape } from './tape/memory.ts'
export type { Tape, TapeReader } from './tape/tape.ts'
