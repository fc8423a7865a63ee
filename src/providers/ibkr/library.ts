import net from 'node:net'
import type { Duplex } from 'node:stream'
import type { Contract, ContractDescription, ContractDetails, IBApi } from '@stoqey/ib'
import { asError, TickwireError } from '../../base/errors.ts'
import { Lengths } from './wire.ts'

/** The only file that meets `@stoqey/ib`, and all that is known of its insides. */
export type { Contract, ContractDescription, ContractDetails, IBApi }

/** A stream of bytes to an address: one that connects, or fails, by itself, as `net.connect` gives it. */
export type OpenTcp = (address: { readonly host: string; readonly port: number }) => Duplex

let library: Promise<{ readonly IBApi: typeof IBApi }> | undefined

/** Loads it, once: it is much, and only who uses it needs it. */
export function loadLibrary(): Promise<{ readonly IBApi: typeof IBApi }> {
  library ??= import('@stoqey/ib')
  return library
}

/** Its socket, of which a version may lack any part. */
interface Inside {
  client?: Duplex
  /** What a message without an end left over, to be put in front of the next. */
  dataFragment?: string
}

function insideOf(ib: IBApi): Inside | undefined {
  return (ib as unknown as { controller?: { socket?: Inside } }).controller?.socket
}

/**
 * Connects. The library opens its socket by itself, by `net.connect`, in this call: which is another function for as long
 * as the call takes, where another transport is wanted.
 * @throws UNSUPPORTED by a version of the library that opens it some other way
 */
export function connectLibrary(ib: IBApi, clientId: number, openTcp: OpenTcp | undefined): void {
  if (!openTcp) {
    ib.connect(clientId)
    return
  }
  const own = net as { connect: unknown }
  const { connect } = own
  let asked = false
  own.connect = (address: { host: string; port: number }, connected: () => void) => {
    asked = true
    return openTcp(address).once('connect', connected)
  }
  try {
    ib.connect(clientId)
  } finally {
    own.connect = connect
  }
  if (!asked) {
    const message = 'this version of @stoqey/ib takes no transport but its own'
    throw new TickwireError('UNSUPPORTED', message, { hint: 'Leave out the option openTcp.' })
  }
}

export interface GuardHooks {
  /** Bytes have come; false: nobody wants them any more. */
  heard(): boolean
  /** A length that is none of TWS's: the library would wait for so many bytes, or loop for ever. */
  stranger(what: string): void
  /** The library has thrown in the middle of a message. */
  thrown(error: Error): void
}

/**
 * Stands between the socket and the library, which loops for ever over a negative length and throws out of the
 * socket's event over some bad texts. A version without these insides goes without.
 */
export function guardLibrary(ib: IBApi, hooks: GuardHooks): void {
  const socket = insideOf(ib)?.client
  const [read, ...others] = socket?.listeners('data') ?? []
  if (!socket || !read || others.length > 0) return
  const lengths = new Lengths()
  socket.removeAllListeners('data')
  socket.on('data', (bytes: Buffer) => {
    if (!hooks.heard()) return
    const fault = lengths.take(bytes)
    if (fault !== undefined) {
      hooks.stranger(fault)
      return
    }
    try {
      read.call(socket, bytes)
    } catch (thrown) {
      hooks.thrown(asError(thrown))
    }
  })
}

/** Has the library forget what a message without an end left over, or it goes in front of the next. */
export function dropFragment(ib: IBApi): void {
  const inside = insideOf(ib)
  if (inside?.dataFragment) inside.dataFragment = ''
}
