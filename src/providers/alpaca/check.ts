import type { TickwireError } from '../../base/errors.ts'
import type { HttpAnswer, HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import type { VenueAnswer, VenueCheck } from '../../feed/provider.ts'
import { type AlpacaFeed, feedUrl } from './feeds.ts'
import { RestClient, type RestOptions } from './history-client.ts'

/** Feeds whose latest trade REST gives, to those who may have it; a key is tried on the free one otherwise. */
const ASKED: readonly AlpacaFeed[] = ['iex', 'sip', 'delayed_sip', 'boats', 'overnight']
/** Requests a minute of the free plan: https://docs.alpaca.markets/docs/about-market-data-api */
const FREE = 200

/** Where Alpaca is, and what a key may have there: the latest trade of SPY is asked for. */
export function alpacaCheck(options: RestOptions): VenueCheck {
  const { feed, url = feedUrl(feed), httpGet = openHttp() } = options
  const stock = ASKED.includes(feed) ? feed : 'iex'
  const clientOf = (get: HttpGet) => new RestClient({ ...options, httpGet: get, tries: 1 })
  const { base } = clientOf(httpGet)
  return {
    addresses: base === undefined ? [url] : [url, base],
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
      const refusal = await client
        .ask('/v2/stocks/trades/latest', `symbols=SPY&feed=${stock}`, signal)
        .then(
          () => undefined,
          (thrown: TickwireError) => thrown,
        )
      if (!heard) throw refusal
      const date = Date.parse(headers.date ?? '')
      return {
        ...heard,
        date: Number.isNaN(date) ? undefined : date,
        grants: refusal ? [] : grantsOf(stock, headers['x-ratelimit-limit']),
        refusal,
      }
    },
  }
}

function grantsOf(feed: AlpacaFeed, perMinute: string | undefined): string[] {
  const data = `REST data of the feed ${feed}`
  const limit = Number(perMinute)
  if (!(limit > 0)) return [data]
  const plan = limit === FREE ? ' (the free plan)' : ''
  return [data, `${limit.toLocaleString('en-US')} requests a minute${plan}`]
}
