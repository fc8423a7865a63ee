import type { Clock } from '../base/clock.ts'
import { openHttp } from '../base/http-network.ts'
import { webSockets } from '../base/socket.ts'
import type { TradingApi } from '../bot/trading.ts'
import { alpacaBroker } from '../providers/alpaca/broker.ts'
import { openAlgoBroker } from '../providers/openalgo/broker.ts'
import type { BrokerName } from './bot-schema.ts'
import type { Config, Surroundings } from './config.ts'

/** An account of the settings: at which broker, and whether its orders move money. */
export interface AccountChoice {
  readonly broker: BrokerName
  /** @default false */
  readonly live?: boolean | undefined
}

/** The way to a broker's account. `isRehearsal`: it is a simulation, in which prices may be one, too. */
interface OpenBroker {
  readonly api: TradingApi
  readonly isRehearsal: boolean
}

/** By the settings, with keys of the environment. @throws MISSING_KEY, BAD_KEY, BAD_OPTION */
export function openBroker(
  { broker, live = false }: AccountChoice,
  config: Config,
  { env }: Surroundings,
  clock: Clock,
): OpenBroker {
  const net = { httpGet: openHttp(config.reachedBy), openSocket: webSockets(config.reachedBy) }
  switch (broker) {
    case 'alpaca': {
      const url = config.alpaca.broker
      const [key = '', secret = ''] = [env.APCA_API_KEY_ID, env.APCA_API_SECRET_KEY]
      const api = alpacaBroker({ ...{ key, secret, live, clock, ...net }, ...(url && { url }) })
      return { api, isRehearsal: url !== undefined && isHere(url) }
    }
    case 'openalgo': {
      const { url, rest, product } = config.openalgo
      const api = openAlgoBroker({
        ...{ apiKey: config.vendorKeys.openalgo ?? '', product, live, clock, ...net },
        ...{ ...(url && { url }), ...(rest && { restUrl: rest }) },
      })
      // It runs on the user's machine: what tells a simulation is its mode.
      return { api, isRehearsal: !live }
    }
  }
}

const isHere = (url: string) => /^(127\.|localhost$|\[::1\]$)/.test(new URL(url).hostname)
