// Sends one request and shows its results as they come, over WebSocket or as server-sent events.

const WORDS = {
  en: {
    language: "中文",
    request: "Request",
    transport: "How results come",
    events: "server-sent events",
    send: "Send",
    stop: "Stop",
    results: "Results",
    time: "time",
    output: "output",
    data: "data",
    other: (name, kind) => `${name}: ${kind}, as in the example request`,
    loading: () => "Asking the service what it takes …",
    idle: () => "Ready.",
    connecting: () => "Connecting …",
    receiving: ({ count, sid }) => `Receiving: ${count} results. Session ${sid}`,
    ended: ({ count, ms, sid }) => `Complete: ${count} results in ${ms} ms. Session ${sid}`,
    stopped: ({ count }) => `Stopped after ${count} results.`,
    failed: ({ code, message }) => `Failed${code ? ` with code ${code}` : ""}: ${message}`,
    cut: (code, reason) =>
      `the connection ended before the last result (${[code, reason].filter(Boolean).join(", ")})`,
    unreachable: "the service cannot be reached",
    badNumber: (name) => `${name} is no number`,
  },
  zh: {
    language: "English",
    request: "请求",
    transport: "结果的传输方式",
    events: "服务器推送事件（SSE）",
    send: "发送",
    stop: "停止",
    results: "结果",
    time: "时间",
    output: "输出",
    data: "数据",
    other: (name, kind) => `${name}：${kind}，取自请求样例`,
    loading: () => "正在询问服务需要什么……",
    idle: () => "就绪。",
    connecting: () => "正在连接……",
    receiving: ({ count, sid }) => `正在接收：${count} 个结果。会话 ${sid}`,
    ended: ({ count, ms, sid }) => `完成：${count} 个结果，用时 ${ms} 毫秒。会话 ${sid}`,
    stopped: ({ count }) => `已停止，收到 ${count} 个结果。`,
    failed: ({ code, message }) => `失败${code ? `，错误码 ${code}` : ""}：${message}`,
    cut: (code, reason) => `最后一个结果之前连接已断开（${[code, reason].filter(Boolean).join("，")}）`,
    unreachable: "无法连接服务",
    badNumber: (name) => `${name} 不是数字`,
  },
};

const DATA_FIELDS = ["text", "image", "audio", "video", "other"];
const LAST = [2, 3]; // statuses: end, once

const element = (id) => document.getElementById(id);
let language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const words = () => WORDS[language];

let facts = { count: 0, sid: "", ms: 0, code: 0, message: "" }; // of the run that is shown
let route = "";
let example = null;
let leave = null; // ends the run that is going on; null if none is

// What the page says.

function say(state, more = {}) {
  facts = { ...facts, ...more };
  document.body.dataset.state = state;
  const busy = state === "connecting" || state === "receiving";
  element("send").disabled = busy || example === null;
  element("stop").disabled = !busy;
  element("state").textContent = words()[state](facts);
}

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  element("language").textContent = words().language;
  for (const node of document.querySelectorAll("[data-say]")) {
    const word = words()[node.dataset.say];
    node.textContent = typeof word === "function" ? word(...JSON.parse(node.dataset.with)) : word;
  }
  say(document.body.dataset.state);
}

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// The form: made from the example request.

function show(request) {
  example = request;
  const [service] = Object.keys(request.parameter);
  element("service").textContent = service;
  document.title = service;
  for (const [name, entry] of Object.entries(request.payload)) {
    if (typeof entry.text === "string") {
      const area = make("textarea", { id: `input-${name}`, value: decoded(entry.text) });
      element("inputs").append(field(name, area));
    } else {
      const note = make("p");
      note.dataset.say = "other";
      const kind = DATA_FIELDS.find((known) => known in entry);
      note.dataset.with = JSON.stringify([name, kind]);
      element("inputs").append(note);
    }
  }
  for (const [name, value] of Object.entries(request.parameter[service])) {
    if (typeof value !== "object") {
      const box = make("input", { id: `parameter-${name}`, value: String(value) });
      element("parameters").append(field(name, box));
    }
  }
}

function field(name, control) {
  return make("label", { className: "field" }, make("span", { textContent: name }), control);
}

function filledIn() {
  const request = structuredClone(example);
  for (const [name, entry] of Object.entries(request.payload)) {
    const area = element(`input-${name}`);
    if (area) entry.text = encoded(area.value);
  }
  const [parameters] = Object.values(request.parameter);
  for (const [name, value] of Object.entries(parameters)) {
    const box = element(`parameter-${name}`);
    if (!box) continue;
    parameters[name] = typeof value === "number" ? number(name, box.value) : box.value;
    if (typeof value === "boolean") parameters[name] = box.value === "true";
  }
  return JSON.stringify(request);
}

function number(name, text) {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new Error(words().badNumber(name));
  return value;
}

// The results.

class Results {
  constructor() {
    this.began = performance.now();
    this.decoders = new Map();
    element("outputs").replaceChildren();
    element("frames").tBodies[0].replaceChildren();
    element("frames").hidden = true;
  }

  // Takes the JSON of a frame or of an event; returns whether it was the last.
  take(text) {
    const { header, payload } = JSON.parse(text);
    if (header.code !== 0) {
      say("failed", header);
      return true;
    }
    if (!payload) {
      say("receiving", { sid: header.sid }); // only says that the request was accepted
      return false;
    }
    for (const [name, entry] of Object.entries(payload)) this.show(name, entry);
    const ms = Math.round(performance.now() - this.began);
    const isLast = LAST.includes(header.status);
    say(isLast ? "ended" : "receiving", { count: facts.count + 1, sid: header.sid, ms });
    return isLast;
  }

  show(name, entry) {
    const kind = DATA_FIELDS.find((known) => known in entry);
    const value = entry[kind];
    let shown = "";
    if (typeof value !== "string") shown = JSON.stringify(value); // format "json"
    else if (kind === "text") shown = this.decoder(name).decode(bytes(value), { stream: true });
    else if (kind === "image") this.picture(name, entry.encoding, value);
    if (shown) this.place(name).append(shown);
    const size = typeof value === "string" ? bytes(value).length : shown.length;
    const time = `${Math.round(performance.now() - this.began)} ms`;
    const cells = [time, name, entry.seq, entry.status, shown ? JSON.stringify(shown) : `${size} B`];
    const row = element("frames").tBodies[0].insertRow();
    for (const cell of cells) row.insertCell().textContent = cell;
    element("frames").hidden = false;
  }

  // A character may come in two results.
  decoder(name) {
    if (!this.decoders.has(name)) this.decoders.set(name, new TextDecoder());
    return this.decoders.get(name);
  }

  place(name) {
    const id = `output-${name}`;
    if (!element(id)) {
      const heading = make("h3", { textContent: name });
      const output = make("div", { className: "output" }, heading, make("p", { id }));
      element("outputs").append(output);
    }
    return element(id);
  }

  picture(name, encoding, data) {
    if (data === "") return;
    const source = `data:image/${encoding === "jpg" ? "jpeg" : encoding || "png"};base64,${data}`;
    this.place(name).replaceChildren(make("img", { src: source, alt: name }));
  }
}

// The two ways.

function overWebSocket(request, results) {
  const url = new URL(route, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url);
  let isDone = false;
  const finish = () => {
    isDone = true;
    leave = null;
    socket.close();
  };
  leave = () => {
    finish();
    say("stopped");
  };
  socket.onopen = () => socket.send(request);
  socket.onmessage = ({ data }) => {
    if (!isDone && results.take(data)) finish();
  };
  socket.onclose = ({ code, reason }) => {
    if (isDone) return;
    finish();
    say("failed", { code: 0, message: words().cut(code, reason) });
  };
}

async function asEvents(request, results) {
  const controller = new AbortController();
  leave = () => controller.abort();
  try {
    const response = await fetch(route, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: request,
      signal: controller.signal,
    });
    if (!(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
      const { header } = await response.json(); // an error that came before the first result
      say("failed", header);
      return;
    }
    for await (const data of eventsOf(response.body)) {
      if (results.take(data)) return;
    }
    say("failed", { code: 0, message: words().cut() });
  } catch (error) {
    if (controller.signal.aborted) say("stopped");
    else say("failed", { code: 0, message: `${words().unreachable}: ${error.message}` });
  } finally {
    leave = null;
    controller.abort(); // what has not been read is not wanted
  }
}

// Yields the data of each event; comments only say that the server is there.
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  while (true) {
    const { done, value } = await reader.read();
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

// Base64 of UTF-8.

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const decoded = (base64) => new TextDecoder().decode(bytes(base64));
const encoded = (text) =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

// What people do.

element("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  translate();
});

element("request").addEventListener("submit", (event) => {
  event.preventDefault();
  if (leave) return;
  facts = { count: 0, sid: "", ms: 0, code: 0, message: "" };
  const results = new Results();
  let request;
  try {
    request = filledIn();
  } catch (error) {
    say("failed", { message: error.message });
    return;
  }
  say("connecting");
  const transport = new FormData(event.target).get("transport");
  if (transport === "websocket") overWebSocket(request, results);
  else asEvents(request, results);
});

element("stop").addEventListener("click", () => leave?.());

translate();
try {
  const [description, request] = await Promise.all(
    ["/openapi.json", "/test.json"].map(async (path) => (await fetch(path)).json()),
  );
  route = description.servers[0].url;
  element("route").textContent = route;
  show(request);
  translate();
  say("idle");
} catch (error) {
  say("failed", { message: `${words().unreachable}: ${error.message}` });
}
