/**
 * Messages from Alpaca's documentation, word for word, and the events they are.
 * https://docs.alpaca.markets/docs/real-time-stock-pricing-data, and those of crypto, options and news beside it.
 */
import type { EventFields } from '../../../src/market/events.ts'

export interface Sample {
  readonly name: string
  /** As documented, without the array around it. */
  readonly json: string
  readonly event: EventFields
  /** Whether our encoder writes its keys in this order too. */
  readonly exact: boolean
}

const ms = (text: string) => Date.parse(text)

export const SAMPLES: readonly Sample[] = [
  {
    name: 'a trade, id first, time before conditions',
    json: '{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}',
    event: {
      ...{
        type: 'trade',
        symbol: 'AAPL',
        timestamp: ms('2021-02-22T15:51:44.208Z'),
        price: 126.55,
      },
      ...{ size: 1, id: 96_921, exchange: 'D', conditions: ['@', 'I'], tape: 'C' },
    },
    exact: false,
  },
  {
    name: 'a trade, symbol first, time last',
    json: '{"T":"t","S":"AAPL","i":628,"x":"K","p":162.92,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}',
    event: {
      ...{
        type: 'trade',
        symbol: 'AAPL',
        timestamp: ms('2023-04-06T11:54:26.838Z'),
        nanos: 232_225,
      },
      ...{ price: 162.92, size: 3, id: 628, exchange: 'K', conditions: ['@', 'F', 'T', 'I'] },
      tape: 'C',
    },
    exact: true,
  },
  {
    name: 'a quote, time before conditions',
    json: '{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}',
    event: {
      ...{
        type: 'quote',
        symbol: 'AMD',
        timestamp: ms('2021-02-22T15:51:45.335Z'),
        nanos: 689_322,
      },
      ...{ bid: 87.66, bidSize: 1, ask: 87.68, askSize: 4, bidExchange: 'U', askExchange: 'Q' },
      ...{ conditions: ['R'], tape: 'C' },
    },
    exact: false,
  },
  {
    name: 'a quote of the test feed, time last',
    json: '{"T":"q","S":"FAKEPACA","bx":"O","bp":133.85,"bs":4,"ax":"R","ap":135.77,"as":5,"c":["R"],"z":"A","t":"2024-07-24T07:56:53.639713735Z"}',
    event: {
      ...{ type: 'quote', symbol: 'FAKEPACA', timestamp: ms('2024-07-24T07:56:53.639Z') },
      ...{ nanos: 713_735, bid: 133.85, bidSize: 4, ask: 135.77, askSize: 5, bidExchange: 'O' },
      ...{ askExchange: 'R', conditions: ['R'], tape: 'A' },
    },
    exact: true,
  },
  {
    name: 'a minute bar',
    json: '{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}',
    event: {
      ...{ type: 'bar', symbol: 'SPY', timestamp: ms('2021-02-22T19:15:00Z'), interval: '1m' },
      ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
      ...{ vwap: 389.062639, tradeCount: 461, final: true, revision: 0 },
    },
    exact: true,
  },
  {
    name: 'a minute bar of the test feed, time before count',
    json: '{"T":"b","S":"FAKEPACA","o":132.65,"h":136,"l":132.12,"c":134.65,"v":205,"t":"2024-07-24T07:56:00Z","n":16,"vw":133.7}',
    event: {
      ...{ type: 'bar', symbol: 'FAKEPACA', timestamp: ms('2024-07-24T07:56:00Z'), interval: '1m' },
      ...{ open: 132.65, high: 136, low: 132.12, close: 134.65, volume: 205, vwap: 133.7 },
      ...{ tradeCount: 16, final: true, revision: 0 },
    },
    exact: false,
  },
  {
    name: 'an updated minute bar',
    json: '{"T":"u","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}',
    event: {
      ...{ type: 'bar', symbol: 'SPY', timestamp: ms('2021-02-22T19:15:00Z'), interval: '1m' },
      ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
      ...{ vwap: 389.062639, tradeCount: 461, final: true, revision: 1 },
    },
    exact: true,
  },
  {
    name: 'a daily bar, which still runs',
    json: '{"T":"d","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T05:00:00Z"}',
    event: {
      ...{ type: 'bar', symbol: 'SPY', timestamp: ms('2021-02-22T05:00:00Z'), interval: '1d' },
      ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
      ...{ vwap: 389.062639, tradeCount: 461, final: false, revision: 0 },
    },
    exact: true,
  },
  {
    name: 'a correction',
    json: '{"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],"ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B","t":"2023-04-06T14:25:06.542305024Z"}',
    event: {
      ...{ type: 'correction', symbol: 'EEM', timestamp: ms('2023-04-06T14:25:06.542Z') },
      ...{ nanos: 305_024, originalId: 52_983_525_033_527, originalPrice: 39.1582 },
      ...{ originalSize: 440_000, originalConditions: [' ', '7'], id: 52_983_525_034_326 },
      ...{ price: 39.1809, size: 440_000, conditions: [' ', '7'], exchange: 'M', tape: 'B' },
    },
    exact: true,
  },
  {
    name: 'a cancel',
    json: '{"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.83540958Z"}',
    event: {
      ...{ type: 'cancel', symbol: 'GOOGL', timestamp: ms('2023-04-06T13:15:42.835Z') },
      ...{ nanos: 409_580, id: 465, price: 105.31, size: 300, action: 'cancel', exchange: 'D' },
      tape: 'C',
    },
    exact: true,
  },
  {
    name: 'an LULD band',
    json: '{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}',
    event: {
      ...{ type: 'luld', symbol: 'IONM', timestamp: ms('2023-04-06T13:34:45.565Z'), nanos: 4_401 },
      ...{ limitUp: 3.24, limitDown: 2.65, indicator: 'B', tape: 'C' },
    },
    exact: true,
  },
  {
    name: 'a halt',
    json: '{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; For information requested by NASDAQ","t":"2021-02-22T19:15:00Z","z":"C"}',
    event: {
      ...{ type: 'status', symbol: 'AAPL', timestamp: ms('2021-02-22T19:15:00Z'), statusCode: 'H' },
      ...{ statusMessage: 'Trading Halt', reasonCode: 'T12', tape: 'C' },
      reasonMessage: 'Trading Halted; For information requested by NASDAQ',
    },
    exact: true,
  },
  {
    name: 'an imbalance',
    json: '{"T":"i","S":"INAQU","p":9.12,"z":"C","t":"2024-12-13T19:58:09.242138635Z"}',
    event: {
      ...{ type: 'imbalance', symbol: 'INAQU', timestamp: ms('2024-12-13T19:58:09.242Z') },
      ...{ nanos: 138_635, price: 9.12, tape: 'C' },
    },
    exact: true,
  },
  {
    name: 'a trade of an option: conditions as one text, no id, no tape',
    json: '{"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13312256Z","p":2.84,"s":1,"x":"N","c":"S"}',
    event: {
      ...{
        type: 'trade',
        symbol: 'AAPL240315C00172500',
        timestamp: ms('2024-03-11T13:35:35.133Z'),
      },
      ...{ nanos: 122_560, price: 2.84, size: 1, exchange: 'N', conditions: ['S'] },
    },
    exact: true,
  },
  {
    name: 'a quote of an option',
    json: '{"T":"q","S":"SPXW240327P04925000","t":"2024-03-12T11:59:38.897261568Z","bx":"C","bp":9.46,"bs":53,"ax":"C","ap":9.66,"as":38,"c":"A"}',
    event: {
      ...{
        type: 'quote',
        symbol: 'SPXW240327P04925000',
        timestamp: ms('2024-03-12T11:59:38.897Z'),
      },
      ...{ nanos: 261_568, bid: 9.46, bidSize: 53, ask: 9.66, askSize: 38, bidExchange: 'C' },
      ...{ askExchange: 'C', conditions: ['A'] },
    },
    exact: true,
  },
  {
    name: 'a trade of crypto, its id beyond 2^53',
    json: '{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"}',
    event: {
      ...{ type: 'trade', symbol: 'AVAX/USD', timestamp: ms('2024-03-12T10:27:48.858Z') },
      ...{ nanos: 228_144, price: 47.299, size: 29.205707815, id: '3447222699101865076' },
      side: 'sell',
    },
    exact: true,
  },
  {
    name: 'a quote of crypto: no exchanges',
    json: '{"T":"q","S":"BAT/USD","bp":0.35718,"bs":13445.46,"ap":0.3581,"as":13561.902,"t":"2024-03-12T10:29:43.111588173Z"}',
    event: {
      ...{ type: 'quote', symbol: 'BAT/USD', timestamp: ms('2024-03-12T10:29:43.111Z') },
      ...{ nanos: 588_173, bid: 0.35718, bidSize: 13_445.46, ask: 0.3581, askSize: 13_561.902 },
    },
    exact: true,
  },
  {
    name: 'a minute of crypto without a trade',
    json: '{"T":"b","S":"BTC/USD","o":71856.1435,"h":71856.1435,"l":71856.1435,"c":71856.1435,"v":0,"t":"2024-03-12T10:37:00Z","n":0,"vw":0}',
    event: {
      ...{ type: 'bar', symbol: 'BTC/USD', timestamp: ms('2024-03-12T10:37:00Z'), interval: '1m' },
      ...{ open: 71_856.1435, high: 71_856.1435, low: 71_856.1435, close: 71_856.1435 },
      ...{ volume: 0, tradeCount: 0, final: true, revision: 0 },
    },
    exact: false,
  },
  {
    name: 'a whole book',
    json: '{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.79613221Z","b":[{"p":71859.53,"s":0.27994},{"p":71849.4,"s":0.553986}],"a":[{"p":71939.7,"s":0.83953},{"p":71940.4,"s":0.28025}],"r":true}',
    event: {
      ...{ type: 'book', symbol: 'BTC/USD', timestamp: ms('2024-03-12T10:38:50.796Z') },
      ...{ nanos: 132_210, snapshot: true },
      bids: [
        [71_859.53, 0.27994],
        [71_849.4, 0.553986],
      ],
      asks: [
        [71_939.7, 0.83953],
        [71_940.4, 0.28025],
      ],
    },
    exact: true,
  },
  {
    name: 'a level set',
    json: '{"T":"o","S":"MKR/USD","t":"2024-03-12T10:39:39.445492807Z","b":[],"a":[{"p":2614.587,"s":12.5308}]}',
    event: {
      ...{ type: 'book', symbol: 'MKR/USD', timestamp: ms('2024-03-12T10:39:39.445Z') },
      ...{ nanos: 492_807, snapshot: false, bids: [], asks: [[2_614.587, 12.5308]] },
    },
    exact: true,
  },
  {
    name: 'a level removed',
    json: '{"T":"o","S":"CRV/USD","t":"2024-03-12T10:39:40.501160019Z","b":[{"p":0.7904,"s":0}],"a":[]}',
    event: {
      ...{ type: 'book', symbol: 'CRV/USD', timestamp: ms('2024-03-12T10:39:40.501Z') },
      ...{ nanos: 160_019, snapshot: false, bids: [[0.7904, 0]], asks: [] },
    },
    exact: true,
  },
  {
    name: 'an article',
    json: '{"T":"n","id":24918784,"headline":"Corsair Reports Purchase Of Majority Ownership In iDisplay, No Terms Disclosed","summary":"Corsair Gaming, Inc. (NASDAQ:CRSR)","author":"Benzinga Newsdesk","created_at":"2022-01-05T22:00:37Z","updated_at":"2022-01-05T22:00:38Z","url":"https://www.benzinga.com/m-a/22/01/24918784/corsair-reports-purchase-of-majority-ownership-in-idisplay-no-terms-disclosed","content":"<p>Corsair Gaming, Inc.","symbols":["CRSR"],"source":"benzinga"}',
    event: {
      ...{ type: 'news', symbol: 'CRSR', symbols: ['CRSR'], id: 24_918_784 },
      headline: 'Corsair Reports Purchase Of Majority Ownership In iDisplay, No Terms Disclosed',
      ...{ summary: 'Corsair Gaming, Inc. (NASDAQ:CRSR)', author: 'Benzinga Newsdesk' },
      ...{ timestamp: ms('2022-01-05T22:00:38Z'), createdAt: ms('2022-01-05T22:00:37Z') },
      url: 'https://www.benzinga.com/m-a/22/01/24918784/corsair-reports-purchase-of-majority-ownership-in-idisplay-no-terms-disclosed',
      ...{ content: '<p>Corsair Gaming, Inc.', publisher: 'benzinga' },
    },
    exact: true,
  },
]

/** Frames of msgpack that Alpaca's Python and JavaScript clients decode alike, as hex, with the same in JSON. */
export const GOLDEN = {
  connected: [
    '9182a154a773756363657373a36d7367a9636f6e6e6563746564',
    '[{"T":"success","msg":"connected"}]',
  ],
  authenticated: [
    '9182a154a773756363657373a36d7367ad61757468656e74696361746564',
    '[{"T":"success","msg":"authenticated"}]',
  ],
  'error 406': [
    '9183a154a56572726f72a4636f6465cd0196a36d7367b9636f6e6e656374696f6e206c696d6974206578636565646564',
    '[{"T":"error","code":406,"msg":"connection limit exceeded"}]',
  ],
  trade: [
    '9189a154a174a153a44141504ca169cd0274a178a14ba170cb40645d70a3d70a3da17303a16394a140a146a154a149a17aa143a174d7ffc7d9a284642eb2f2',
    '[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.92,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}]',
  ],
  bar: [
    '918aa154a162a153a3535059a16fcb40784fc28f5c28f6a168cb407852147ae147aea16ccb40784f999999999aa163cb407851eb851eb852a176cdc0e2a16ecd01cda27677cb4078510091c08744a174d6ff603402b4',
    '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]',
  ],
  'crypto trade': [
    '9187a154a174a153a8415641582f555344a170cb4047a645a1cac083a173cb403d34a94471f4e5a174d7ffcc9e16c065f02e24a169cf2fd6fec7d9a14474a3746b73a153',
    '[{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"}]',
  ],
} as const satisfies Record<string, readonly [hex: string, json: string]>
