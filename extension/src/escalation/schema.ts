/** Whether a value is what a JSON Schema says: as much of it as dfedge's own schemas use. */

export interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

type Definitions = Readonly<Record<string, Schema>>;

/** Where a value does not fit, in words; undefined where all of it does. Other fields may be there. */
export function misfit(
  value: unknown,
  schema: Schema,
  definitions: Definitions,
  where = 'it',
): string | undefined {
  if (schema.$ref !== undefined) {
    const target = definitions[schema.$ref.replace('#/$defs/', '')];
    if (target === undefined) throw new Error(`${schema.$ref} is not defined`);
    return misfit(value, target, definitions, where);
  }
  if (schema.anyOf !== undefined) {
    const misfits = schema.anyOf.map((one) => misfit(value, one, definitions, where));
    return misfits.includes(undefined) ? undefined : misfits[0];
  }
  if (schema.enum !== undefined) {
    return schema.enum.includes(value) ? undefined : `${where} is none of those it can be`;
  }
  if (!isOfType(value, schema.type)) return `${where} is no ${schema.type ?? 'value'}`;
  if (typeof value === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return value >= minimum && value <= maximum ? undefined : `${where} is out of its range`;
  }
  if (Array.isArray(value)) return itemMisfit(value, schema, definitions, where);
  if (typeof value === 'object' && value !== null) {
    return fieldMisfit(value as Record<string, unknown>, schema, definitions, where);
  }
  return undefined;
}

function itemMisfit(
  values: readonly unknown[],
  { items }: Schema,
  definitions: Definitions,
  where: string,
): string | undefined {
  for (const [i, value] of values.entries()) {
    const wrong = items && misfit(value, items, definitions, `${where}[${i}]`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function fieldMisfit(
  value: Readonly<Record<string, unknown>>,
  { properties = {}, required = [] }: Schema,
  definitions: Definitions,
  where: string,
): string | undefined {
  for (const [name, field] of Object.entries(properties)) {
    const path = `${where}.${name}`;
    if (!Object.hasOwn(value, name)) {
      if (required.includes(name)) return `${path} is missing`;
      continue;
    }
    const wrong = misfit(value[name], field, definitions, path);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isOfType(value: unknown, type: Schema['type']): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}
