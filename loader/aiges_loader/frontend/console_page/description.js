// What a service takes and gives, from its openapi.json and its example request. Pure.

export const KINDS = ["text", "image", "audio", "video", "other"];

// Returns {id, route, header, example, inputs, parameters, expected, outputChoices}: an input is
// {name, kind, attributes, choices, about, example}, a parameter {name, type, values, least, most,
// longest, about, isRequired, value}; `expected` has the attributes of each output, `outputChoices`
// the values that these may have.
export function describe(openapi, example) {
  const route = openapi.servers[0].url;
  const request =
    openapi.paths?.["/"]?.post?.requestBody?.content?.["application/json"]?.schema?.properties ?? {};
  const [id] = Object.keys(example.parameter);
  const values = example.parameter[id];
  const section = request.parameter?.properties?.[id] ?? {};
  const declared = section.properties ?? {};
  const entries = request.payload?.properties ?? {};
  const names = new Set([...Object.keys(values), ...Object.keys(declared)]);
  return {
    id,
    route,
    header: example.header,
    example,
    inputs: Object.entries(example.payload).map(([name, entry]) => input(name, entry, entries[name])),
    parameters: [...names]
      .filter((name) => typeof values[name] !== "object" && declared[name]?.type !== "object")
      .map((name) => parameter(name, values[name], declared[name] ?? {}, section.required ?? [])),
    expected: Object.fromEntries(
      Object.entries(values).filter(([, value]) => typeof value === "object"),
    ),
    outputChoices: Object.fromEntries(
      Object.entries(declared).map(([name, schema]) => [name, choicesOf(schema)]),
    ),
  };
}

function input(name, entry, schema = {}) {
  const kind = KINDS.find((known) => known in entry) ?? "other";
  const { [kind]: data, status, ...attributes } = entry;
  const example = typeof data === "string" ? data : "";
  const about = schema.description ?? "";
  return { name, kind, attributes, choices: choicesOf(schema), about, example };
}

// Attribute -> the values it may have, where these are listed.
function choicesOf(schema) {
  const choices = {};
  for (const [attribute, declared] of Object.entries(schema.properties ?? {})) {
    if (declared.enum && attribute !== "status") choices[attribute] = declared.enum;
  }
  return choices;
}

function parameter(name, value, schema, required) {
  return {
    name,
    type: schema.type ?? typeof value,
    values: schema.enum ?? null,
    least: schema.minimum,
    most: schema.maximum,
    longest: schema.maxLength,
    about: schema.description ?? "",
    isRequired: required.includes(name),
    value: value ?? schema.default,
  };
}
