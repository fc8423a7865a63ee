import type { Decoder } from '../../feed/description.ts'
import type { Reading } from './messages.ts'
import { JsonScanner } from './scan-json.ts'
import { MsgpackScanner } from './scan-msgpack.ts'

/** How messages are written on the wire. */
export type AlpacaCodec = 'json' | 'msgpack'

/** The upgrade header that asks the venue for a codec; it holds for both directions. */
export const CONTENT_TYPES: Readonly<Record<AlpacaCodec, string>> = {
  json: 'application/json',
  msgpack: 'application/msgpack',
}

/** The decoder of a codec. */
export function alpacaDecoder(codec: AlpacaCodec, reading: Reading): Decoder {
  return codec === 'json' ? new JsonScanner(reading) : new MsgpackScanner(reading)
}
