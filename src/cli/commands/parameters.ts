import { TickwireError } from '../../base/errors.ts'

/** `fast=20`, or `fast=5..50:5` for each of those: every set of parameters they make. @throws BAD_OPTION */
export function parameterSets(texts: readonly string[]): Record<string, unknown>[] {
  let sets: Record<string, unknown>[] = [{}]
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1) {
      throw new TickwireError('BAD_OPTION', `--param ${text} is no NAME=VALUE`, {
        hint: 'As in --param fast=20, or --param fast=5..50:5 for a sweep.',
      })
    }
    const [name, value] = [text.slice(0, at), text.slice(at + 1)]
    const values = valuesOf(value)
    sets = sets.flatMap(set => values.map(one => ({ ...set, [name]: one })))
    if (sets.length > MOST_SETS) {
      throw new TickwireError('BAD_OPTION', `these are more than ${MOST_SETS} runs`, {
        hint: 'Take larger steps.',
      })
    }
  }
  return sets
}

const MOST_SETS = 10_000

function valuesOf(text: string): unknown[] {
  const sweep = /^(-?[\d.]+)\.\.(-?[\d.]+)(?::([\d.]+))?$/.exec(text)
  if (!sweep) return [text]
  const [from, to, step] = [Number(sweep[1]), Number(sweep[2]), Number(sweep[3] ?? 1)]
  if (!(step > 0) || !(from <= to)) {
    throw new TickwireError('BAD_OPTION', `${text} is no range`, {
      hint: 'Write FROM..TO:STEP, as 5..50:5.',
    })
  }
  const count = Math.floor((to - from) / step + 1e-9) + 1
  return Array.from({ length: count }, (_, i) => Number((from + i * step).toPrecision(12)))
}
