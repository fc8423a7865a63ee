// The JSON form, documented by example: per kind the least and the fullest there is.
import type { EventType } from '../../src/market/events.ts'

const time = '"timestamp":"2024-01-15T14:30:00.123000000Z"'
const tail =
  '"source":"alpaca","receivedAt":1705329000130.25,"seq":42,"flags":["repaired","simulated"]'

export const SAMPLES: Readonly<Record<EventType, readonly [least: string, fullest: string]>> = {
  trade: [
    `{"type":"trade","symbol":"AAPL","price":150.25,"size":100,${time}}`,
    `{"type":"trade","symbol":"AAPL","price":150.25,"size":100,${time},"id":52983525029461,"exchange":"V","conditions":["@","F"],"tape":"C","side":"buy",${tail}}`,
  ],
  quote: [
    `{"type":"quote","symbol":"AAPL",${time}}`,
    `{"type":"quote","symbol":"AAPL","bid":150.24,"bidSize":200,"ask":150.26,"askSize":100,${time},"bidExchange":"V","askExchange":"Q","conditions":["R"],"tape":"C",${tail}}`,
  ],
  ticker: [
    `{"type":"ticker","symbol":"NSE:RELIANCE",${time}}`,
    `{"type":"ticker","symbol":"NSE:RELIANCE","last":2450.5,"lastSize":10,${time},"lastTime":1705329000000,"open":2440,"high":2460,"low":2435.05,"previousClose":2438,"change":12.5,"changePercent":0.5127,"volume":1000000,"vwap":2448.1,"bid":2450.45,"ask":2450.55,"bidSize":5,"askSize":7,"name":"Reliance Industries","openInterest":12,"mark":2450.5,"value":2451,${tail}}`,
  ],
  bar: [
    `{"type":"bar","symbol":"AAPL","interval":"1m","open":150,"high":150.5,"low":149.9,"close":150.25,"volume":12000,${time},"final":true,"revision":0}`,
    `{"type":"bar","symbol":"AAPL","interval":"1d","open":150,"high":150.5,"low":149.9,"close":150.25,"volume":12000,${time},"vwap":150.2,"tradeCount":321,"final":false,"revision":1,"adjustment":"raw",${tail}}`,
  ],
  book: [
    `{"type":"book","symbol":"BTC/USD",${time},"bids":[],"asks":[],"snapshot":false}`,
    `{"type":"book","symbol":"BTC/USD",${time},"bids":[[42000.5,0.25],[42000,1]],"asks":[[42001,0]],"snapshot":true,"sequence":99,"checksum":3310070434,${tail}}`,
  ],
  status: [
    `{"type":"status","symbol":"AAPL","statusCode":"H",${time}}`,
    `{"type":"status","symbol":"AAPL","statusCode":"H","statusMessage":"Trading Halt",${time},"reasonCode":"T12","reasonMessage":"Trading Halted; For information requested by NASDAQ","tape":"C",${tail}}`,
  ],
  luld: [
    `{"type":"luld","symbol":"IONM","limitUp":3.24,"limitDown":2.65,${time}}`,
    `{"type":"luld","symbol":"IONM","limitUp":3.24,"limitDown":2.65,${time},"indicator":"B","tape":"C",${tail}}`,
  ],
  imbalance: [
    `{"type":"imbalance","symbol":"CDTG",${time}}`,
    `{"type":"imbalance","symbol":"CDTG","price":2.4,"size":1500,${time},"pairedSize":300,"side":"sell","auction":"O","exchange":"Q","tape":"C",${tail}}`,
  ],
  correction: [
    `{"type":"correction","symbol":"EEM","price":39.1,"size":8,${time},"originalPrice":39.1582,"originalSize":8}`,
    `{"type":"correction","symbol":"EEM","price":39.1,"size":8,${time},"id":"71675577320525","conditions":["@"],"originalId":"71675577320524","originalPrice":39.1582,"originalSize":8,"originalConditions":[" ","7","V"],"exchange":"M","tape":"B",${tail}}`,
  ],
  cancel: [
    `{"type":"cancel","symbol":"GOOGL",${time},"action":"cancel"}`,
    `{"type":"cancel","symbol":"GOOGL","price":1034,"size":1000,${time},"action":"error","id":465,"exchange":"D","tape":"C",${tail}}`,
  ],
  news: [
    `{"type":"news","headline":"Markets closed",${time},"symbols":[]}`,
    `{"type":"news","symbol":"TSLA","headline":"\\"Delivered\\" – record","timestamp":"2024-01-15T14:30:00.123456789Z","id":24918784,"symbols":["TSLA","RIVN"],"summary":"In short","content":"<p>At length</p>","author":"A. Writer","url":"https://example.com/n/1","publisher":"benzinga","createdAt":1705328999000,${tail}}`,
  ],
  notice: [
    `{"type":"notice","notice":"connected","message":"connected to alpaca",${time}}`,
    `{"type":"notice","symbol":"AAPL","notice":"dropped","message":"12 trades dropped",${time},"code":"READER_TOO_SLOW","kind":"trade","from":100,"to":111,"count":12,${tail}}`,
  ],
}
