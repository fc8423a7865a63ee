import { z } from 'zod'
import type { Route } from './route.ts'

/** How every refusal looks. */
export const refusalSchema = z.object({
  error: z.object({
    code: z.string().meta({ description: 'A word to match on: docs/errors.md has them all.' }),
    message: z.string(),
    hint: z.string().optional().meta({ description: 'The way out.' }),
    retryable: z.boolean().meta({ description: 'Whether the same request may do better later.' }),
    retryAfterMs: z.number().optional(),
  }),
})

/** The OpenAPI document of these routes: made of the very schemas that requests are held against. */
export function openApi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const one of routes) {
    paths[one.path] = { ...paths[one.path], [one.method]: operationOf(one) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'tickwire gateway',
      version,
      description:
        'Live and stored market data over HTTP; the live stream is a WebSocket at /v1/stream (docs/protocols/native.md). ' +
        'Where data is not live and real, the header `tickwire-nature` and the field `nature` say so.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: { Refusal: jsonOf(refusalSchema) },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: '`tickwire keys create` makes one.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'tickwire',
          description: 'Of POST /v1/session.',
        },
      },
    },
  }
}

function operationOf({ method, path, scope, summary, description, ...more }: Route): object {
  const { query, body, answer, answerType = 'application/json', forms = {}, isData } = more
  const content = Object.fromEntries([
    ...(answer ? [[answerType, { schema: jsonOf(answer) }]] : []),
    ...Object.entries(forms).map(([type, words]) => [
      type,
      { schema: { type: 'string', description: words } },
    ]),
  ])
  const nature = {
    'tickwire-nature': {
      description: 'What the data is: `live`, or SIMULATED, REPLAY, DELAYED … in words.',
      schema: { type: 'string' },
    },
  }
  return {
    operationId: `${method}${path.replace(/^\/v1/, '').replace(/\W+(\w)/g, (_, letter) => letter.toUpperCase())}`,
    summary,
    ...(description !== undefined && { description }),
    ...(scope && {
      security: [{ key: [scope] }, { session: [scope] }, {}],
      'x-scope': scope,
    }),
    ...(query && { parameters: parametersOf(query) }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonOf(body) } } },
    }),
    responses: {
      ...(Object.keys(content).length > 0
        ? { 200: { description: summary, ...(isData && { headers: nature }), content } }
        : { 204: { description: 'Done.' } }),
      ...(more.hasTag && { 304: { description: 'As it was: the ETag still holds.' } }),
      default: {
        description: 'Refused, and why.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Refusal' } } },
      },
    },
  }
}

function parametersOf(query: z.ZodObject): object[] {
  const { properties = {}, required = [] } = jsonOf(query) as {
    readonly properties?: Readonly<Record<string, { description?: string }>>
    readonly required?: readonly string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name) },
    ...(description !== undefined && { description }),
    schema,
  }))
}

function jsonOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}
