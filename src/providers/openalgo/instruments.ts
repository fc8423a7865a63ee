import type { Instrument, InstrumentKind } from '../../market/instruments.ts'
import { asMap, numberOf } from './plain.ts'
import type { RestClient } from './rest.ts'
import { EXCHANGES, isName, symbolOf } from './symbols.ts'

/** What the server calls a kind of instrument; brokers leave it empty for shares. */
const KINDS: Readonly<Record<string, InstrumentKind>> = {
  ...{ EQ: 'equity', '': 'equity', FUT: 'future', CE: 'option', PE: 'option', INDEX: 'index' },
}

/**
 * What trades at an exchange, or at all of them: derivatives are many (50 MB and more).
 * https://docs.openalgo.in/api-documentation/v1/data-api/instruments
 */
export async function openAlgoInstruments(
  rest: RestClient,
  exchange: string | undefined,
  signal?: AbortSignal,
): Promise<Instrument[]> {
  const list = new Map<string, Instrument>()
  for (const one of exchange === undefined ? EXCHANGES : [exchange]) {
    for (const row of await rest.instruments(one, signal)) {
      const instrument = instrumentOf(row)
      if (instrument) list.set(instrument.symbol, instrument)
    }
  }
  return [...list.values()]
}

/** Lines of the master that name nothing are left out: brokers' lists have some. */
function instrumentOf(row: unknown): Instrument | undefined {
  const { symbol, exchange, name, instrumenttype, ...fields } = asMap(row) ?? {}
  if (!isName(symbol) || !isName(exchange)) return undefined
  const type = typeof instrumenttype === 'string' ? instrumenttype.toUpperCase() : ''
  const isIndex = exchange.endsWith('_INDEX')
  const tickSize = numberOf(fields.tick_size)
  const lotSize = numberOf(fields.lotsize)
  return {
    symbol: symbolOf({ symbol, exchange }),
    kind: isIndex ? 'index' : (KINDS[type] ?? (exchange === 'CRYPTO' ? 'crypto' : 'equity')),
    ...(typeof name === 'string' && name !== '' && { name }),
    ...(tickSize !== undefined && tickSize > 0 && { tickSize }),
    ...(lotSize !== undefined && lotSize > 0 && { lotSize }),
    ...(exchange !== 'CRYPTO' && exchange !== 'GLOBAL_INDEX' && { currency: 'INR' }),
  }
}
