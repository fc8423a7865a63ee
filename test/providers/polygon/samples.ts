/** The documented messages of each cluster, and the events they are. https://massive.com/docs/websocket */
import { createEvent, type EventFields, type MarketEvent } from '../../../src/market/events.ts'
import type { PolygonMarket } from '../../../src/providers/polygon/markets.ts'

export interface Sample {
  readonly market: PolygonMarket
  readonly text: string
  readonly event: MarketEvent
}

const sample = (market: PolygonMarket, text: string, fields: object): Sample => ({
  market,
  text,
  event: createEvent({ source: 'polygon', receivedAt: 1, ...fields } as unknown as EventFields),
})

const bar = (open: number, high: number, low: number, close: number, more: object) => ({
  ...{ type: 'bar', open, high, low, close, final: true, revision: 0, ...more },
})

export const SAMPLES: readonly Sample[] = [
  sample(
    'stocks',
    '{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],"t":1536036818784,"pt":1536036818763,"q":3681328}',
    {
      ...{ type: 'trade', symbol: 'MSFT', price: 114.125, size: 100, id: 12_345, exchange: '4' },
      ...{ conditions: ['0', '12'], tape: 'C', timestamp: 1_536_036_818_784 },
    },
  ),
  // A captured one: other order, an id with zeros before it, no conditions.
  sample(
    'stocks',
    '{"ev":"T","sym":"TCEHY","i":"00220725","x":62,"p":48.06,"s":100,"t":1679590840534,"q":130924,"z":3}',
    {
      ...{ type: 'trade', symbol: 'TCEHY', price: 48.06, size: 100, id: '00220725' },
      ...{ exchange: '62', tape: 'C', timestamp: 1_679_590_840_534 },
    },
  ),
  // A fraction of a share, at a reporting facility.
  sample(
    'stocks',
    '{"ev":"T","sym":"BRK.B","x":4,"i":"52983525034545","z":1,"p":401.5,"s":0,"ds":"0.25","c":[12,37,41],"t":1679590840534,"q":5,"trfi":202,"trft":1679590840530}',
    {
      ...{ type: 'trade', symbol: 'BRK.B', price: 401.5, size: 0.25, id: 52_983_525_034_545 },
      ...{ exchange: '4:202', tape: 'A', conditions: ['12', '37', '41'] },
      timestamp: 1_679_590_840_534,
    },
  ),
  sample(
    'stocks',
    '{"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"c":0,"i":[604],"t":1536036818784,"q":50385480,"z":3}',
    {
      ...{ type: 'quote', symbol: 'MSFT', bid: 114.125, bidSize: 100, ask: 114.128, askSize: 160 },
      ...{ bidExchange: '4', askExchange: '7', conditions: ['604'], tape: 'C' },
      timestamp: 1_536_036_818_784,
    },
  ),
  // Nobody asks for it: no bid.
  sample(
    'stocks',
    '{"ev":"Q","sym":"F","bx":0,"bp":0,"bs":0,"ax":19,"ap":11.2,"as":3,"c":1,"t":1536036818784,"q":5,"z":1}',
    {
      ...{ type: 'quote', symbol: 'F', ask: 11.2, askSize: 3, askExchange: '19' },
      ...{ conditions: ['1'], tape: 'A', timestamp: 1_536_036_818_784 },
    },
  ),
  sample(
    'stocks',
    '{"ev":"A","sym":"SPCE","v":200,"av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"c":25.4,"h":25.41,"l":25.38,"a":25.3714,"z":50,"s":1610144868000,"e":1610144869000}',
    bar(25.39, 25.41, 25.38, 25.4, {
      ...{ symbol: 'SPCE', interval: '1s', volume: 200, vwap: 25.3981 },
      timestamp: 1_610_144_868_000,
    }),
  ),
  sample(
    'stocks',
    '{"ev":"AM","sym":"GTE","v":4989,"dv":"4989.25","av":9470157,"dav":"9470157.0383","op":0.4372,"vw":0.4488,"o":0.4488,"c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}',
    bar(0.4488, 0.4489, 0.4486, 0.4486, {
      ...{ symbol: 'GTE', interval: '1m', volume: 4989.25, vwap: 0.4488 },
      timestamp: 1_610_144_640_000,
    }),
  ),
  // Times of bands have come in µs and in ns.
  sample(
    'stocks',
    '{"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1601316752683746,"q":290317}',
    {
      ...{ type: 'luld', symbol: 'MSFT', limitUp: 218.96, limitDown: 198.11, indicator: '21' },
      ...{ tape: 'C', timestamp: 1_601_316_752_683, nanos: 746_000 },
    },
  ),
  sample(
    'stocks',
    '{"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1788877046310003385,"q":290317}',
    {
      ...{ type: 'luld', symbol: 'MSFT', limitUp: 218.96, limitDown: 198.11, indicator: '21' },
      ...{ tape: 'C', timestamp: 1_788_877_046_310, nanos: 3_385 },
    },
  ),
  sample(
    'stocks',
    '{"ev":"NOI","T":"NTEST.Q","t":1601318039223013600,"at":930,"a":"M","i":44,"x":10,"o":480,"p":440,"b":25.03}',
    {
      ...{ type: 'imbalance', symbol: 'NTEST.Q', price: 25.03, size: 480, pairedSize: 440 },
      ...{ auction: 'M', exchange: '10', timestamp: 1_601_318_039_223, nanos: 13_600 },
    },
  ),
  sample('stocks', '{"ev":"FMV","fmv":189.22,"sym":"AAPL","t":1678220098130}', {
    ...{ type: 'ticker', symbol: 'AAPL', value: 189.22, timestamp: 1_678_220_098_130 },
  }),
  sample(
    'options',
    '{"ev":"FMV","fmv":7.2,"sym":"O:TSLA210903C00700000","t":1401715883806000000}',
    {
      ...{ type: 'ticker', symbol: 'TSLA210903C00700000', value: 7.2 },
      timestamp: 1_401_715_883_806,
    },
  ),
  sample(
    'options',
    '{"ev":"T","sym":"O:AMC210827C00037000","x":65,"p":1.54,"s":1,"c":[233],"t":1629820676333,"q":651921857}',
    {
      ...{ type: 'trade', symbol: 'AMC210827C00037000', price: 1.54, size: 1, exchange: '65' },
      ...{ conditions: ['233'], timestamp: 1_629_820_676_333 },
    },
  ),
  sample(
    'options',
    '{"ev":"Q","sym":"O:SPY241220P00720000","bx":302,"ax":302,"bp":9.71,"ap":9.81,"bs":17,"as":24,"t":1644506128351,"q":844090872}',
    {
      ...{ type: 'quote', symbol: 'SPY241220P00720000', bid: 9.71, bidSize: 17, ask: 9.81 },
      ...{ askSize: 24, bidExchange: '302', askExchange: '302', timestamp: 1_644_506_128_351 },
    },
  ),
  sample(
    'options',
    '{"ev":"AM","sym":"O:ONEM220121C00025000","v":2,"av":8,"op":2.2,"vw":2.05,"o":2.05,"c":2.05,"h":2.05,"l":2.05,"a":2.1312,"z":2,"s":1632419640000,"e":1632419700000}',
    bar(2.05, 2.05, 2.05, 2.05, {
      ...{ symbol: 'ONEM220121C00025000', interval: '1m', volume: 2, vwap: 2.05 },
      timestamp: 1_632_419_640_000,
    }),
  ),
  sample(
    'crypto',
    '{"ev":"XT","pair":"BTC-USD","p":33021.9,"t":1610462007425,"s":0.01616617,"c":[2],"i":14272084,"x":3,"r":1610462007576}',
    {
      ...{ type: 'trade', symbol: 'BTC/USD', price: 33_021.9, size: 0.01616617, id: 14_272_084 },
      ...{ exchange: '3', conditions: ['2'], side: 'buy', timestamp: 1_610_462_007_425 },
    },
  ),
  // As the wire has it: the id a text; nothing known of the taker.
  sample(
    'crypto',
    '{"ev":"XT","pair":"ETH-USD","p":1100,"t":1610462007425,"s":2,"c":0,"i":"191450340","x":1,"r":1610462007576}',
    {
      ...{ type: 'trade', symbol: 'ETH/USD', price: 1_100, size: 2, id: 191_450_340 },
      ...{ exchange: '1', timestamp: 1_610_462_007_425 },
    },
  ),
  sample(
    'crypto',
    '{"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,"t":1610462411115,"x":1,"r":1610462411128}',
    {
      ...{ type: 'quote', symbol: 'BTC/USD', bid: 33_052.79, bidSize: 0.48, ask: 33_073.19 },
      ...{ askSize: 0.601, bidExchange: '1', askExchange: '1', timestamp: 1_610_462_411_115 },
    },
  ),
  sample(
    'crypto',
    '{"ev":"XA","pair":"BCD-USD","v":951.6112,"vw":0.7756,"z":73,"o":0.772,"c":0.784,"h":0.784,"l":0.771,"s":1610463240000,"e":1610463300000}',
    bar(0.772, 0.784, 0.771, 0.784, {
      ...{ symbol: 'BCD/USD', interval: '1m', volume: 951.6112, vwap: 0.7756 },
      timestamp: 1_610_463_240_000,
    }),
  ),
  sample(
    'crypto',
    '{"ev":"XAS","pair":"BCD-USD","v":951.6112,"vw":0.7756,"z":73,"o":0.772,"c":0.784,"h":0.784,"l":0.771,"s":1610463240000,"e":1610463241000}',
    bar(0.772, 0.784, 0.771, 0.784, {
      ...{ symbol: 'BCD/USD', interval: '1s', volume: 951.6112, vwap: 0.7756 },
      timestamp: 1_610_463_240_000,
    }),
  ),
  sample('forex', '{"ev":"C","p":"USD/CNH","x":"44","a":6.83366,"b":6.83363,"t":1536036818784}', {
    ...{ type: 'quote', symbol: 'USD/CNH', bid: 6.83363, ask: 6.83366, bidExchange: '44' },
    ...{ askExchange: '44', timestamp: 1_536_036_818_784 },
  }),
  sample(
    'forex',
    '{"ev":"CA","pair":"USD/EUR","o":0.8687,"c":0.86889,"h":0.86889,"l":0.8686,"v":20,"s":1539145740000}',
    bar(0.8687, 0.86889, 0.8686, 0.86889, {
      ...{ symbol: 'USD/EUR', interval: '1m', volume: 20, timestamp: 1_539_145_740_000 },
    }),
  ),
  sample('indices', '{"ev":"V","val":3988.5,"T":"I:SPX","t":1678220098130}', {
    ...{ type: 'ticker', symbol: 'SPX', value: 3_988.5, timestamp: 1_678_220_098_130 },
  }),
  sample(
    'indices',
    '{"ev":"AM","sym":"I:SPX","op":3985.67,"o":3985.67,"c":3985.67,"h":3985.67,"l":3985.67,"s":1678220675805,"e":1678220675805}',
    bar(3_985.67, 3_985.67, 3_985.67, 3_985.67, {
      ...{ symbol: 'SPX', interval: '1m', volume: 0, timestamp: 1_678_220_675_805 },
    }),
  ),
]
