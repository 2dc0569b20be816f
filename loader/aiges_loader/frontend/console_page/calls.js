// Asks the service: what it is, and to do its work, in each of the three ways. Knows no elements.
//
// A call is {base, route, id, header, parameters, expected, inputs, way}, an input of it {name, kind,
// attributes, data} with data a Blob; or, where nothing is declared, {base, route, body, way}.

import { base64Of } from "./bytes.js";

export const WAYS = ["once", "websocket", "events"];
const COMPLETE = 3; // a status: these inputs are all
const LAST = [2, 3]; // statuses of results: the end, and the only one

// Why a call has no result. `code` is the service's, or 0: then `key` names the words for it.
export class CallError extends Error {
  constructor({ code = 0, message = "", sid = "", key = "" }) {
    super(message || key);
    Object.assign(this, { code, said: message, sid, key });
  }
}

export const DESCRIPTION = "/openapi.json";
export const EXAMPLE = "/test.json";

// Returns one of the two documents as text; throws a CallError if it cannot be had.
export async function document(base, path) {
  const response = await reach(`${base}${path}`, { signal: AbortSignal.timeout(15_000) });
  const text = await received(response.text());
  if (response.ok) return text;
  throw new CallError(headerOf(text) ?? { key: "no-service" });
}

export async function isReady(base) {
  return (await reach(`${base}/readyz`, { signal: AbortSignal.timeout(5000) })).ok;
}

// Yields what the service answers, frame by frame: {header, payload, hasPlainText}. Ends after the
// last one. Data is base64, but in the answer to a call text stands as it is.
export async function* results(call, signal) {
  const body = await bodyOf(call);
  const ways = { once: overHttp, events: overEvents, websocket: overWebSocket };
  for await (const text of ways[call.way](call, body, signal)) {
    const frame = read(text);
    if (frame.header.code !== 0) throw new CallError(frame.header);
    yield { ...frame, hasPlainText: call.way === "once" };
    if (frame.payload && (call.way === "once" || LAST.includes(frame.header.status))) return;
  }
  throw new CallError({ key: "cut" });
}

// Writes the request without ever making one long string of it.
export async function bodyOf(call) {
  if (call.body !== undefined) return new Blob([call.body]);
  const parameter = { [call.id]: { ...call.parameters, ...call.expected } };
  const before = JSON.stringify({ header: call.header, parameter });
  const parts = [before.slice(0, -1), ',"payload":{'];
  for (const [number, input] of call.inputs.entries()) {
    const entry = JSON.stringify({ ...input.attributes, status: COMPLETE, [input.kind]: "" });
    parts.push(number ? "," : "", `${JSON.stringify(input.name)}:`, entry.slice(0, -'"}'.length));
    parts.push(...(await base64Of(input.data)), '"}');
  }
  return new Blob([...parts, "}}"]);
}

async function* overHttp(call, body, signal) {
  yield received((await post(call, body, signal)).text());
}

async function* overEvents(call, body, signal) {
  const response = await post(call, body, signal, { Accept: "text/event-stream" });
  if (!(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
    yield received(response.text()); // an error that came before the first result
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  while (true) {
    const { done, value } = await received(reader.read());
    if (done) return;
    waiting += value;
    const events = waiting.split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const lines = event.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice("data:".length).trimStart()).join("\n");
    }
  }
}

async function* overWebSocket(call, body, signal) {
  const url = new URL(call.route, call.base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url);
  const came = []; // messages nobody has taken yet
  let wake = () => {};
  let ended = null;
  const leave = () => socket.close();
  socket.onopen = () => socket.send(body);
  socket.onmessage = ({ data }) => {
    came.push(data);
    wake();
  };
  socket.onclose = (event) => {
    ended = event;
    wake();
  };
  signal.addEventListener("abort", leave);
  try {
    while (true) {
      while (came.length) yield came.shift();
      if (signal.aborted) throw new DOMException("stopped", "AbortError");
      if (ended) throw new CallError({ key: "cut", message: ended.reason });
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal.removeEventListener("abort", leave);
    socket.close();
  }
}

function post(call, body, signal, fields = {}) {
  const headers = { "Content-Type": "application/json", ...fields };
  return reach(`${call.base}${call.route}`, { method: "POST", headers, body, signal });
}

const reach = (url, options) => unlessBroken(fetch(url, options), "unreachable");
const received = (part) => unlessBroken(part, "cut");

async function unlessBroken(promise, key) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error; // it was stopped here
    throw new CallError({ key, message: error.message });
  }
}

function read(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    frame = null;
  }
  if (typeof frame?.header?.code !== "number") throw new CallError({ key: "no-service" });
  return frame;
}

function headerOf(text) {
  try {
    return read(text).header;
  } catch {
    return null;
  }
}
