/**
 * The published table of conditions once more, as it is printed there: code, tapes, then open and close, high and low,
 * volume of minute bars and, where they differ, of daily ones; `1` is only as the first trade.
 * https://docs.alpaca.markets/docs/market-data-faq
 */
const TABLE = `
_ AB yyy | @ CO yyy | A C yyy | B AB nny | B C yyy | C ABCO nny | D C yyy | E AB yyy | F ABC yyy
G C nny/1yy | H ABC nny | I ABCO nny | K ABC yyy | L ABC yyy | M ABC nnn | N ABCO nny | O ABC yyy
P ABCO nny/1yy | Q ABC nnn | R ABCO nny | T ABCO yyy/nny | U ABCO nny | V ABC nny | W CO nny
X ABC yyy | Y C yyy | Z ABC nny/1yy | 4 ABC nny/1yy | 5 ABC yyy | 6 ABC yyy | 7 ABC nny | 9 ABC nnn/yyn`

export const ROWS = TABLE.trim()
  .split(/\s*[|\n]\s*/)
  .map(text => {
    const [code = '', tapes = '', effects = ''] = text.split(' ')
    const [minute = '', day = minute] = effects.split('/')
    return { code: code === '_' ? ' ' : code, tapes, minute, day }
  })

/** The strictest of several, as three letters. */
export function effectOf(
  conditions: readonly string[] | undefined,
  tape: string | undefined,
  kind: 'minute' | 'day',
): string {
  if (conditions === undefined || tape === undefined) return 'yyy'
  const effects = conditions.map(
    code => ROWS.find(row => row.code === code && row.tapes.includes(tape))?.[kind] ?? 'nny',
  )
  const strictest = (i: number) => ['n', '1'].find(word => effects.some(it => it[i] === word))
  return [0, 1, 2].map(i => strictest(i) ?? 'y').join('')
}
