import type { TickwireError } from '../../base/errors.ts'
import type { HttpAnswer, HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import type { VenueAnswer, VenueCheck } from '../../feed/provider.ts'
import { RestClient, type RestOptions } from './history-client.ts'
import type { Market } from './markets.ts'

const DAY_MS = 86_400_000

/** Where Polygon is, and what a key may have there: daily bars of a week, which every plan has of its market. */
export function polygonCheck(options: RestOptions & { readonly market: Market }): VenueCheck {
  const { stream, market, httpGet = openHttp() } = options
  const clientOf = (get: HttpGet) => new RestClient({ ...options, httpGet: get, tries: 1 })
  const { base } = clientOf(httpGet)
  const name = encodeURIComponent(market.aggregateName(market.example))
  return {
    addresses: base === undefined ? [stream] : [stream, base],
    async ask(signal) {
      let heard: Pick<VenueAnswer, 'sentAt' | 'receivedAt'> | undefined
      let headers: HttpAnswer['headers'] = {}
      const client = clientOf(async request => {
        const sentAt = client.clock.now()
        const answer = await httpGet(request)
        heard = { sentAt, receivedAt: client.clock.now() }
        headers = answer.headers
        return answer
      })
      const to = Math.floor(client.clock.now())
      const path = `/v2/aggs/ticker/${name}/range/1/day/${to - 7 * DAY_MS}/${to}`
      const refusal = await client.ask(`${path}?limit=1`, signal).then(
        () => undefined,
        (thrown: TickwireError) => thrown,
      )
      if (!heard) throw refusal
      const date = Date.parse(headers.date ?? '')
      return {
        ...heard,
        date: Number.isNaN(date) ? undefined : date,
        grants: refusal ? [] : [`REST data of ${market.name} (the stream takes a plan with one)`],
        refusal,
      }
    },
  }
}
