// Shows what a call brings, while it comes: its state, its outputs, its frames, its error.

import { bytesOf, kindOf, wav } from "./bytes.js";
import { KINDS } from "./description.js";
import { byId, make } from "./dom.js";
import { milliseconds, size } from "./format.js";
import { quote, tell } from "./i18n.js";
import { adviceFor } from "./advice.js";

const MAX_ROWS = 200; // of frames that are listed; the others are counted
const MAX_SHOWN_CHARS = 200_000; // of a text output; all of it can be saved
const CELL_CHARS = 120;

const addresses = []; // of what is shown and can be saved, until the next call

function addressOf(blob) {
  addresses.push(URL.createObjectURL(blob));
  return addresses.at(-1);
}

export class Outcome {
  #began = performance.now();
  #count = 0;
  #bytes = 0;
  #firstMs = null;
  #sid = "";
  #outputs = new Map();

  constructor() {
    byId("outputs").replaceChildren();
    for (const address of addresses.splice(0)) URL.revokeObjectURL(address);
    byId("frames").tBodies[0].replaceChildren();
    byId("frames-box").hidden = true;
    byId("error").hidden = true;
    this.#state("sending");
  }

  take({ header, payload, hasPlainText }) {
    this.#sid = header.sid ?? this.#sid;
    if (!payload) {
      this.#state("accepted"); // only says that the request was accepted
      return;
    }
    this.#count += 1;
    this.#firstMs ??= this.#elapsed();
    for (const [name, entry] of Object.entries(payload)) {
      this.#takeOutput(name, entry, hasPlainText);
    }
    this.#state("receiving");
  }

  done() {
    for (const output of this.#outputs.values()) output.finish();
    this.#state("done");
  }

  stopped() {
    for (const output of this.#outputs.values()) output.finish();
    this.#state("stopped");
  }

  failed(error) {
    for (const output of this.#outputs.values()) output.finish();
    this.#sid = error.sid || this.#sid;
    this.#state("failed");
    const { title, advice } = adviceFor(error);
    const box = byId("error");
    tell(box.querySelector("h3"), title.key, title.values);
    quote(box.querySelector("pre"), error.said ?? error.message);
    box.querySelector("pre").hidden = !(error.said ?? error.message);
    tell(box.querySelector(".advice"), advice);
    box.hidden = false;
  }

  #takeOutput(name, entry, hasPlainText) {
    const kind = KINDS.find((known) => known in entry) ?? "other";
    if (!this.#outputs.has(name)) this.#outputs.set(name, outputOf(name, kind));
    const output = this.#outputs.get(name);
    const value = entry[kind];
    if (typeof value !== "string") {
      this.#list(name, entry, output.addValue(value)); // of format "json" it is the value itself
      return;
    }
    const isPlain = hasPlainText && kind === "text";
    const bytes = isPlain ? new TextEncoder().encode(value) : bytesOf(value);
    this.#bytes += bytes.length;
    this.#list(name, entry, output.add(bytes, entry) ?? size(bytes.length));
  }

  #list(name, entry, shown) {
    byId("frames-box").hidden = false;
    const body = byId("frames").tBodies[0];
    tell(byId("frames-count"), "frames", { count: this.#count });
    if (body.rows.length >= MAX_ROWS) return;
    const cells = [milliseconds(this.#elapsed()), name, entry.seq ?? "", entry.status ?? ""];
    const row = body.insertRow();
    for (const cell of [...cells, shown.slice(0, CELL_CHARS)]) row.insertCell().textContent = cell;
  }

  #elapsed() {
    return performance.now() - this.#began;
  }

  #state(state) {
    byId("result").dataset.state = state;
    // To be read aloud when it is complete, not piece by piece.
    byId("outputs").setAttribute("aria-busy", String(state === "receiving"));
    tell(byId("state"), `state-${state}`, { count: this.#count });
    const facts = [
      ["fact-total", milliseconds(this.#elapsed())],
      ["fact-first", this.#firstMs === null ? "" : milliseconds(this.#firstMs)],
      ["fact-size", this.#bytes ? size(this.#bytes) : ""],
      ["fact-sid", this.#sid],
    ];
    byId("facts").replaceChildren(
      ...facts
        .filter(([, value]) => value)
        .map(([key, value]) => fact(key, make("dd", { textContent: value }))),
    );
  }
}

// A name and a value in a <dl>, kept on one line.
export const fact = (key, value) => make("div", {}, tell(make("dt"), key), value);

function outputOf(name, kind) {
  const title = make("h3", {}, make("span", { textContent: name }));
  title.append(tell(make("small"), `kind-${kind}`));
  const body = make("div", { className: "body", id: `output-${name}` });
  byId("outputs").append(make("article", { className: "output" }, title, body));
  return kind === "text" ? new TextOutput(name, title, body) : new DataOutput(name, kind, title, body);
}

// Text that may come in pieces; once it is complete, JSON is laid out.
class TextOutput {
  #decoder = new TextDecoder(); // a character may come in two results
  #text = "";

  constructor(name, title, body) {
    Object.assign(this, { name, title, body });
    this.shown = make("pre");
    body.append(this.shown);
  }

  add(bytes) {
    const piece = this.#decoder.decode(bytes, { stream: true });
    this.#text += piece;
    if (this.#text.length <= MAX_SHOWN_CHARS) this.shown.append(piece);
    return JSON.stringify(piece);
  }

  addValue(value) {
    const piece = JSON.stringify(value, null, 2);
    this.#text += piece;
    this.shown.append(piece);
    return piece;
  }

  finish() {
    const whole = new Blob([this.#text], { type: "text/plain" });
    if (this.#text) this.title.append(saving(whole, `${this.name}.txt`), copying(() => this.#text));
    if (this.#text.length > MAX_SHOWN_CHARS) {
      quote(this.shown, this.#text.slice(0, MAX_SHOWN_CHARS));
      this.body.append(tell(make("p", { className: "note" }), "cut-text", { size: size(whole.size) }));
      return;
    }
    if (!/^\s*[[{]/.test(this.#text)) return;
    try {
      quote(this.shown, JSON.stringify(JSON.parse(this.#text), null, 2));
    } catch {
      // it only looked like JSON, and stays as it is
    }
  }
}

// A picture, sound or anything else; the pieces of a stream are put together.
class DataOutput {
  #pieces = [];
  #entry = {};

  constructor(name, kind, title, body) {
    Object.assign(this, { name, kind, title, body });
  }

  add(bytes, entry) {
    this.#pieces.push(bytes);
    this.#entry = entry;
    if (this.kind === "image" && bytes.length) this.#show(new Blob([bytes]), bytes); // each is one
    return null;
  }

  addValue(value) {
    const text = JSON.stringify(value, null, 2);
    this.body.replaceChildren(make("pre", { textContent: text }));
    return text;
  }

  finish() {
    const pieces = this.#pieces.filter((piece) => piece.length);
    if (!pieces.length) return;
    const kept = this.kind === "image" ? pieces.slice(-1) : pieces;
    this.#show(new Blob(kept), kept[0], true);
  }

  #show(blob, head, isWhole = false) {
    const known = kindOf(head);
    const typed = known ? blob.slice(0, blob.size, known.type) : blob;
    const address = addressOf(this.kind === "audio" && !known ? this.#wav(blob) : typed);
    const shown = {
      image: () => make("img", { src: address, alt: this.name }),
      audio: () => make("audio", { src: address, controls: true }),
      video: () => make("video", { src: address, controls: true }),
    }[this.kind]?.();
    this.body.replaceChildren(...(shown ? [shown] : []));
    if (!shown) this.body.append(make("p", { className: "note", textContent: size(blob.size) }));
    if (isWhole) this.title.append(saving(typed, `${this.name}.${known?.ending ?? "bin"}`));
  }

  // What has no header is taken for samples, as its attributes describe them.
  #wav(blob) {
    const { sample_rate: rate, bit_depth: bits, channels } = this.#entry;
    const format = { rate: Number(rate) || 16_000, bits: Number(bits) || 16 };
    return wav(blob, { ...format, channels: Number(channels) || 1 });
  }
}

function saving(blob, name) {
  const link = make("a", { href: addressOf(blob), download: name, className: "save" });
  return tell(link, "save");
}

export function copying(text) {
  const button = tell(make("button", { type: "button", className: "quiet" }), "copy");
  button.addEventListener("click", async () => {
    const isDone = await copied(text());
    tell(button, isDone ? "copied" : "not-copied");
    setTimeout(() => tell(button, "copy"), 1500);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages of another machine have no clipboard without https; the old way may work.
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
}
