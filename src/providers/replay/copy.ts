import { Flag, KINDS, type MarketEvent, Quote, Trade } from '../../market/events.ts'

/**
 * The event as a replay hands it on: marked `replayed`, without the number it has on the recording. Always a new
 * object, for a tape in memory shares its events with every other reader. Written out for the kinds that come in
 * masses: the table takes several times as long.
 */
export function replayed(event: MarketEvent): MarketEvent {
  switch (event.type) {
    case 'quote':
      return new Quote(
        event.symbol,
        event.source,
        event.timestamp,
        event.nanos,
        event.receivedAt,
        event.flags | Flag.replayed,
        event.bid,
        event.bidSize,
        event.ask,
        event.askSize,
        event.bidExchange,
        event.askExchange,
        event.conditions,
        event.tape,
      )
    case 'trade':
      return new Trade(
        event.symbol,
        event.source,
        event.timestamp,
        event.nanos,
        event.receivedAt,
        event.flags | Flag.replayed,
        event.price,
        event.size,
        event.id,
        event.exchange,
        event.conditions,
        event.tape,
        event.side,
      )
    default:
      return replayedByTable(event)
  }
}

function replayedByTable(event: MarketEvent): MarketEvent {
  const { make, fields } = KINDS[event.type]
  const values = event as unknown as Record<string, unknown>
  return new (make as unknown as new (...values: unknown[]) => MarketEvent)(
    event.symbol,
    event.source,
    event.timestamp,
    event.nanos,
    event.receivedAt,
    event.flags | Flag.replayed,
    ...fields.map(name => values[name]),
  )
}
