import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { didYouMean, nearest } from '../../src/base/suggest.ts'

const providers = ['alpaca', 'simulated', 'polygon']

describe('nearest', () => {
  it('finds the word that was meant', () => {
    const meant = { alpacca: 'alpaca', ALPACA: 'alpaca', simulatd: 'simulated', poligon: 'polygon' }
    for (const [word, candidate] of Object.entries(meant)) {
      assert.equal(nearest(word, providers), candidate)
    }
  })

  it('prefers the nearer of two', () => {
    assert.equal(nearest('tradse', ['trade', 'trades']), 'trade')
    assert.equal(nearest('bras', ['bars', 'bass', 'bra']), 'bra')
  })

  it('keeps quiet when nothing is near', () => {
    assert.equal(nearest('kraken', providers), undefined)
    assert.equal(nearest('', providers), undefined)
    assert.equal(nearest('x', []), undefined)
  })

  it('sees through one letter too many, too few or wrong', () => {
    const word = fc.stringMatching(/^[a-z]{4,12}$/)
    fc.assert(
      fc.property(
        word,
        fc.nat(),
        fc.constantFrom<'many' | 'few' | 'wrong'>('many', 'few', 'wrong'),
        (word, at, slip) => {
          const place = at % word.length
          const kept = { many: `${word[place]}q`, few: '', wrong: 'q' }[slip]
          const mistyped = word.slice(0, place) + kept + word.slice(place + 1)
          assert.equal(nearest(mistyped, [word]), word)
        },
      ),
    )
  })
})

describe('didYouMean', () => {
  it('asks, or lists what there is', () => {
    assert.equal(didYouMean('alpacca', providers), 'did you mean alpaca?')
    assert.equal(didYouMean('kraken', providers), 'known: alpaca, simulated, polygon')
  })
})
