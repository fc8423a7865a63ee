/** As much of a JSON schema as names keys. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly const?: unknown
}

/** The keys a schema knows at a path of `value`; of several forms those of the one its `kind` names. */
export function keysAt(schema: object, value: unknown, path: readonly PropertyKey[]): string[] {
  let forms = formsOf(schema, value)
  let at = value
  for (const step of path) {
    at = (at as Readonly<Record<PropertyKey, unknown>> | undefined)?.[step]
    const below = forms.map(({ items, properties }) =>
      typeof step === 'number' ? items : properties?.[String(step)],
    )
    forms = below.flatMap(form => (form ? formsOf(form, at) : []))
  }
  return forms.flatMap(({ properties = {} }) => Object.keys(properties))
}

function formsOf(schema: Schema, value: unknown): readonly Schema[] {
  const { kind } = (value ?? {}) as { kind?: unknown }
  const forms = schema.anyOf ?? schema.oneOf ?? [schema]
  return forms.filter(({ properties }) => {
    const wanted = properties?.kind?.const
    return wanted === undefined || wanted === kind
  })
}
