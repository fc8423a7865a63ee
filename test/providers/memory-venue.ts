import type { HttpGet } from '../../src/base/http.ts'
import type { OpenSocket } from '../../src/base/socket.ts'
import type { Protocol } from '../../src/flow/contracts.ts'
import type { HandClock } from '../../src/testing/clock.ts'
import { VenueConnection } from '../../src/testing/venue-connection.ts'
import { memoryHttp, memoryTransport } from '../../src/testing/venue-memory.ts'
import type {
  VenueAnswer,
  VenueHost,
  VenueQuestion,
  VenueReply,
} from '../../src/testing/venue-wire.ts'

/** A venue's server side in this process: what a provider's transports lead to. */
export interface MemoryVenue {
  readonly openSocket: OpenSocket
  readonly httpGet: HttpGet
  readonly connections: ReadonlySet<VenueConnection>
  /** Addresses that were opened, with path and query. */
  readonly opened: readonly string[]
  /** Questions to REST so far. */
  readonly questions: readonly string[]
  /** Answers upgrades with these statuses first. */
  readonly refusals: number[]
  /** Answers questions to REST in the venue's place; `undefined` leaves them to it. */
  reply: ((question: VenueQuestion) => VenueReply | undefined) | undefined
  cut(): void
}

/** The server side of a venue, with REST where it has that. */
export type MemoryServer = Protocol & { answer?(question: VenueQuestion): VenueAnswer }

export function memoryVenue(server: MemoryServer, clock: HandClock, latencyMs = 0): MemoryVenue {
  const connections = new Set<VenueConnection>()
  const [opened, questions, refusals]: [string[], string[], number[]] = [[], [], []]
  let ids = 0
  const host: VenueHost = {
    admit(request) {
      opened.push(request.path)
      const status = refusals.shift()
      if (status !== undefined) return { status }
      const ended = (one: VenueConnection) => connections.delete(one)
      const connection = new VenueConnection(++ids, request.path, clock, false, ended)
      const session = server.accept(request, connection)
      if ('status' in session) return session
      connection.attach(session)
      connections.add(connection)
      return wire => {
        connection.carry(wire)
        return connection
      }
    },
    reply(question) {
      questions.push(question.url)
      return venue.reply?.(question) ?? server.answer?.(question) ?? 'unreachable'
    },
  }
  const venue: MemoryVenue = {
    openSocket: memoryTransport(host, clock, latencyMs),
    httpGet: memoryHttp(host, clock, latencyMs),
    ...{ connections, opened, questions, refusals, reply: undefined },
    cut() {
      for (const one of [...connections]) one.cut()
    },
  }
  return venue
}
