/** What IBKR has not, whoever asks. */
import { TickwireError } from '../../base/errors.ts'

export function noTrades(symbol: string, kind: string): TickwireError {
  return new TickwireError('UNSUPPORTED', `${symbol} has no ${kind}s at IBKR: it is only quoted`, {
    hint: 'Ask for quotes or tickers.',
  })
}

/** Tickers were to stand in for trades, and are refused as well. */
export function noStandIn({ code, message, hint }: TickwireError): TickwireError {
  const both = `no room for single trades, and no tickers in their place: ${message}`
  return new TickwireError(code, both, { hint })
}

export function barsLater(waitMs: number): TickwireError {
  const minutes = Math.ceil(waitMs / 60_000) + 1
  const message = `IBKR takes 60 requests for bars in ten minutes: these come by themselves within ${minutes} min`
  return new TickwireError('RATE_LIMITED', message, {
    hint: 'Ask for fewer, or build bars from trades (`from: trades`).',
  })
}

export function notDelayed(): TickwireError {
  return new TickwireError('NOT_ENTITLED', 'delayed data has no single trades', {
    hint:
      'Ask for quotes and tickers (--kinds quotes,tickers on the command line), or, with a subscription, take ' +
      "dataType: 'live' (TICKWIRE_IBKR_DATA=live).",
  })
}
