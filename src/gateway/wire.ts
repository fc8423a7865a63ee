/** WebSocket frames of a server, whole and unmasked: made once, whoever they are for (RFC 6455, section 5.2). */

/** A text frame, a character for each byte; or a binary one. */
export type WireFrame = string | Uint8Array

const TEXT = 0x81
const BINARY = 0x82

/** Frames a message. Text must be ASCII. */
export function frameOf(message: string | Uint8Array): WireFrame {
  const { length } = message
  const isText = typeof message === 'string'
  const head = headOf(isText ? TEXT : BINARY, length)
  if (isText) return String.fromCharCode(...head) + message
  const frame = new Uint8Array(head.length + length)
  frame.set(head)
  frame.set(message, head.length)
  return frame
}

function headOf(first: number, length: number): number[] {
  if (length < 126) return [first, length]
  if (length < 0x1_0000) return [first, 126, length >> 8, length & 0xff]
  return [
    first,
    127,
    0,
    0,
    0,
    0,
    length >>> 24,
    (length >> 16) & 0xff,
    (length >> 8) & 0xff,
    length & 0xff,
  ]
}

/** The same for many: bytes, so that the text is not written out once for each of them. */
export function sharedFrame(frame: WireFrame): Uint8Array {
  return typeof frame === 'string' ? Buffer.from(frame, 'latin1') : frame
}
