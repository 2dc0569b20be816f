// The call of the form as a command and as programs. Pure.

const AS_FILE_CHARS = 2000; // longer text is read from a file rather than written out

export const SNIPPETS = { curl, client, standard };

// For a shell: the request comes from a here-document, so that data may be of any size.
function curl(call) {
  const body = call.body === undefined ? written(call) : forHereDocument(call.body);
  const fields = ["Content-Type: application/json"];
  if (call.way !== "once") fields.push("Accept: text/event-stream");
  return [
    `curl -s${call.way === "once" ? "" : "N"} ${call.base}${call.route} \\`,
    ...fields.map((field) => `  -H '${field}' \\`),
    "  --data-binary @- <<JSON",
    body,
    "JSON",
  ].join("\n");
}

function written(call) {
  const parameters = Object.entries({ ...call.parameters, ...call.expected }).map(
    ([name, value]) => `      ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  const entries = call.inputs.map((input) => {
    const entry = JSON.stringify({ ...input.attributes, status: 3, [input.kind]: "" });
    const before = `    ${JSON.stringify(input.name)}: ${entry.slice(0, -'"}'.length)}`;
    const encoded = isFile(input)
      ? `base64 < ${quoted(input.file)}`
      : `printf %s ${quoted(input.text)} | base64`;
    return `${forHereDocument(before)}$(${encoded} | tr -d '\\n')"}`;
  });
  return [
    "{",
    `  "header": ${forHereDocument(JSON.stringify(call.header))},`,
    '  "parameter": {',
    forHereDocument(`    ${JSON.stringify(call.id)}: {\n${parameters.join(",\n")}\n    }`),
    "  },",
    '  "payload": {',
    entries.join(",\n"),
    "  }",
    "}",
  ].join("\n");
}

const forHereDocument = (text) => text.replace(/[\\$`]/g, "\\$&");
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const isFile = (input) => input.text === null || input.text.length > AS_FILE_CHARS;

// With the client that comes with this program.
function client(call) {
  if (call.body !== undefined) return standard(call); // it needs names for inputs
  const isOnce = call.way === "once";
  const inputs = call.inputs.map((input) => `        ${literal(input.name)}: ${clientData(input)},`);
  const options = [];
  if (Object.keys(call.parameters).length) options.push(`params=${literal(call.parameters)}`);
  if (!same(call.expected, call.given)) options.push(`expect=${literal(texts(call.expected))}`);
  const question = [
    isOnce ? "    answer = client.once({" : "    for result in client.stream({",
    ...inputs,
    `    }${options.map((option) => `, ${option}`).join("")})${isOnce ? "" : ":"}`,
  ];
  const base = call.way === "websocket" ? call.base.replace(/^http/, "ws") : call.base;
  const shown = Object.entries(call.expected).map(([name, { data_type: kind, encoding }]) =>
    isOnce ? shownOnce(name, kind, encoding) : shownInStream(name, kind),
  );
  const needsInput = call.inputs.some(hasOwnAttributes);
  const usesFiles = call.inputs.some(isFile) || shown.some((line) => line.includes("Path("));
  const indent = isOnce ? "    " : "        ";
  return [
    ...(usesFiles ? ["from pathlib import Path", ""] : []),
    `from aiges.client import Client${needsInput ? ", Input" : ""}`,
    "",
    `with Client(${literal(base)}) as client:`,
    ...question,
    ...shown.flatMap((lines) => lines.split("\n")).map((line) => indent + line),
  ].join("\n");
}

// What differs from what the service is used to, and of other data than text everything.
const hasOwnAttributes = ({ kind, attributes, given }) =>
  Object.keys(attributes).length > 0 && (kind !== "text" || !same(attributes, given));

function clientData(input) {
  const data = isFile(input) ? `Path(${literal(input.file)}).read_bytes()` : literal(input.text);
  if (!hasOwnAttributes(input)) return data;
  return `Input(${data}, attributes=${literal(texts({ x: input.attributes }).x)})`;
}

const shownOnce = (name, kind, encoding) =>
  kind === "text"
    ? `print(answer[${literal(name)}].text)`
    : `Path(${literal(`${name}.${encoding ?? "bin"}`)}).write_bytes(answer[${literal(name)}].data)`;

const shownInStream = (name, kind) =>
  [
    "for output in result:",
    `    if output.name == ${literal(name)}:`,
    kind === "text"
      ? '        print(output.text, end="", flush=True)'
      : "        print(len(output.data), flush=True)",
  ].join("\n");

// With nothing but Python: server-sent events where results come one by one.
function standard(call) {
  const isOnce = call.way === "once";
  const accept = isOnce ? "" : ', "Accept": "text/event-stream"';
  const files = call.inputs?.some(isFile);
  return [
    ...(call.body === undefined ? ["import base64"] : []),
    "import json",
    ...(files ? ["from pathlib import Path"] : []),
    "from urllib.error import HTTPError",
    "from urllib.request import Request, urlopen",
    "",
    ...(call.body === undefined ? payload(call) : [`request = json.loads(${literal(call.body)})`]),
    "question = Request(",
    `    ${literal(call.base + call.route)},`,
    "    data=json.dumps(request).encode(),",
    `    headers={"Content-Type": "application/json"${accept}},`,
    ")",
    "try:",
    "    response = urlopen(question, timeout=120)",
    "except HTTPError as error:",
    "    response = error  # its body says why",
    "with response:",
    ...(isOnce
      ? ["    frame = json.load(response)", ...shownFrame("    ")]
      : [
          "    for line in response:",
          '        if line.startswith(b"data:"):',
          '            frame = json.loads(line[len(b"data:") :])',
          ...shownFrame("            "),
        ]),
  ].join("\n");
}

function payload(call) {
  const parameters = Object.entries({ ...call.parameters, ...call.expected });
  return [
    "",
    "def encoded(data):",
    "    return base64.b64encode(data).decode()",
    "",
    "",
    "request = {",
    `    "header": ${literal(call.header)},`,
    '    "parameter": {',
    `        ${literal(call.id)}: {`,
    ...parameters.map(([name, value]) => `            ${literal(name)}: ${literal(value)},`),
    "        },",
    "    },",
    '    "payload": {',
    ...call.inputs.map((input) => {
      const data = isFile(input)
        ? `Path(${literal(input.file)}).read_bytes()`
        : `${literal(input.text)}.encode()`;
      const entry = literal({ ...input.attributes, status: 3 });
      return `        ${literal(input.name)}: {**${entry}, ${literal(input.kind)}: encoded(${data})},`;
    }),
    "    },",
    "}",
  ];
}

const shownFrame = (indent) => [
  `${indent}if frame["header"]["code"]:`,
  `${indent}    raise SystemExit(frame["header"]["message"])`,
  `${indent}print(frame.get("payload"))`,
];

// Python's way to write a value.
function literal(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return `{${Object.entries(value)
    .map(([name, one]) => `${JSON.stringify(name)}: ${literal(one)}`)
    .join(", ")}}`;
}

// The client takes attributes as texts.
const texts = (outputs) =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, attributes]) => [
      name,
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)])),
    ]),
  );

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
