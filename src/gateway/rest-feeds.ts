import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { encodeEvent } from '../market/json.ts'
import { eventSchema } from '../market/schema.ts'
import type { GatewayContext, GatewayFeed, Player } from './context.ts'
import { FRAME_BYTES, FrameWatch } from './frames.ts'
import type { ClientCounts } from './metrics.ts'
import { source } from './rest-live.ts'
import { json, mustKnow, type Route, route } from './route.ts'
import { TIMELINE_MS, type Timeline } from './timeline.ts'

const time = z.number().meta({ description: 'Epoch ms.' })
const holes = z.object({ opened: z.number(), filled: z.number(), left: z.number() })
const replay = z
  .object({
    state: z.string().meta({ description: 'idle, playing, paused or ended' }),
    time: time.optional(),
    speed: z.number().nullable().meta({ description: 'null: as fast as it goes.' }),
  })
  .meta({ description: 'Of a recording: how it plays.' })

const feed = z.object({
  source: z.string(),
  state: z.enum(['connecting', 'authenticating', 'open', 'waiting', 'closed']),
  connectedAt: time.optional().meta({ description: 'Since when its newest connection stands.' }),
  connects: z.number().meta({ description: 'Connections made so far.' }),
  lost: z.string().optional().meta({ description: 'Why the last one ended, or was not made.' }),
  ...{ events: z.number(), malformed: z.number(), duplicates: z.number(), quarantined: z.number() },
  bytes: z.number().optional().meta({ description: 'Of frames, where the source has any.' }),
  holes: holes.meta({ description: 'Each of one symbol and kind; the rest is still open.' }),
  dropped: z.record(z.string(), z.number()).meta({ description: 'By who read too slowly.' }),
  topics: z.record(z.string(), z.number()).meta({ description: 'Subscriptions by state.' }),
  use: z.array(z.string()).meta({ description: 'What of the limits of the account is in use.' }),
  timeline: z
    .array(z.object({ at: time, notice: z.string(), message: z.string() }))
    .meta({ description: `What became of it in the last ${TIMELINE_MS / 60_000} minutes.` }),
  replay: replay.optional(),
})

const chunk = z.object({
  ...{ id: z.number(), at: time },
  frames: z.array(
    z.object({
      ...{ bytes: z.number(), isBinary: z.boolean() },
      data: z
        .string()
        .meta({ description: `Base64 where binary; the first ${FRAME_BYTES} bytes.` }),
    }),
  ),
  events: z.array(eventSchema),
})

/** How each source is connected, what it sends, and, where it is a recording, how it plays. */
export function feedRoutes(
  context: GatewayContext,
  timeline: Timeline,
  counts: () => ClientCounts,
): Route[] {
  const { clock } = context
  const startedAt = clock.now()
  const watches = new Map(context.feeds.map(it => [it.source, new FrameWatch(it, clock)]))
  return [
    route({
      ...{ method: 'get', path: '/v1/feeds', scope: 'read' },
      summary: 'The connections: since when, what they carry, what became of them in the last hour',
      answer: z.object({
        startedAt: time.meta({ description: 'When this gateway began.' }),
        data: z.array(feed),
        clients: z.object({
          byProtocol: z.record(z.string(), z.number()),
          ...{ slow: z.number(), dropped: z.number(), conflated: z.number() },
        }),
      }),
      handle: () => {
        const { clients, slow, eventsDropped, eventsConflated } = counts()
        return json({
          startedAt,
          data: context.feeds.map(it => feedOf(it, timeline, watches.get(it.source)!, clock.now())),
          clients: {
            byProtocol: clients,
            ...{ slow, dropped: eventsDropped, conflated: eventsConflated },
          },
        })
      },
    }),
    route({
      ...{ method: 'get', path: '/v1/frames', scope: 'read' },
      summary:
        'The newest frames of a source as the venue sent them, beside what they were taken to say',
      description:
        'Kept only while somebody asks, so the first answer is empty. Ask again behind the last id.',
      query: z.object({ source, after: z.coerce.number().int().min(0).optional() }),
      answer: z.object({ source: z.string(), hasFrames: z.boolean(), data: z.array(chunk) }),
      handle: ({ query }) => {
        mustKnow(context, query.source)
        const found = feedNamed(context, query.source)
        const chunks = watches.get(found.source)!.read(query.after ?? 0)
        const data = chunks.map(({ events, ...more }) => ({
          ...more,
          events: events.map(event => JSON.parse(encodeEvent(event))),
        }))
        const hasFrames = watches.get(found.source)!.bytes !== undefined
        return json({ source: found.source, hasFrames, data })
      },
    }),
    route({
      ...{ method: 'post', path: '/v1/replay', scope: 'read' },
      summary: 'Steers a recording, for all who read it',
      description: 'What is given is done in this order: speed, seek, step, pause or resume.',
      body: z.object({
        source: z.string().optional(),
        speed: z.number().positive().nullable().optional().meta({
          description: 'Times as fast as it happened; null: as fast as it goes.',
        }),
        seek: time.optional().meta({ description: 'Goes on at this time.' }),
        step: z.number().int().min(1).max(1_000).optional(),
        isPaused: z.boolean().optional(),
      }),
      answer: replay,
      handle: ({ body }) => {
        mustKnow(context, body.source)
        const player = playerOf(context, body.source)
        if (body.speed !== undefined) player.speed = body.speed ?? Number.POSITIVE_INFINITY
        if (body.seek !== undefined) player.seek(body.seek)
        // How many come of it is seen in the stream.
        if (body.step !== undefined) void player.step(body.step)
        if (body.isPaused !== undefined) body.isPaused ? player.pause() : player.resume()
        return json(stateOf(player))
      },
    }),
  ]
}

function feedOf(
  { source: name, state, stats, provider }: GatewayFeed,
  timeline: Timeline,
  watch: FrameWatch,
  now: number,
): z.input<typeof feed> {
  const { connects, events, malformed, duplicates, quarantined, holes: gaps, ...more } = stats()
  return {
    ...{ source: name, state, connectedAt: timeline.connectedAt(name), connects },
    ...{ lost: more.lost?.message, events, malformed, duplicates, bytes: watch.bytes },
    ...{ quarantined: quarantined.count, holes: gaps, topics: { ...more.topics } },
    dropped: Object.fromEntries(
      more.readers.flatMap(it => (it.dropped > 0 ? [[it.name, it.dropped]] : [])),
    ),
    use: [...more.use],
    timeline: timeline
      .of(name, now)
      .map(({ receivedAt, notice, message }) => ({ at: receivedAt, notice, message })),
    ...(isPlayer(provider) && { replay: stateOf(provider) }),
  }
}

const isPlayer = (it: Partial<Player>): it is Player => it.seek !== undefined

const stateOf = ({ state, time: at, speed }: Player): z.input<typeof replay> => ({
  ...{ state, time: at },
  speed: Number.isFinite(speed) ? speed : null,
})

const feedNamed = ({ feeds }: GatewayContext, name: string | undefined) =>
  feeds.find(it => name === undefined || it.source === name)!

/** @throws UNSUPPORTED */
function playerOf(context: GatewayContext, name: string | undefined): Player {
  const found = context.feeds.find(
    it => (name === undefined || it.source === name) && isPlayer(it.provider),
  )
  if (found && isPlayer(found.provider)) return found.provider
  throw new TickwireError('UNSUPPORTED', 'no source of this gateway is a recording', {
    hint: '`tickwire replay --listen 8425` serves one.',
  })
}
