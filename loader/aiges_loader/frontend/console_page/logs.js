// The newest log records, followed while they are looked at.

import { byId, make } from "./dom.js";
import { clock } from "./format.js";
import { tell } from "./i18n.js";

const MAX_SHOWN = 1000;
const LEVELS = ["debug", "info", "warning", "error", "critical"];

export class Logs {
  #last = 0;
  #records = [];

  constructor() {
    for (const id of ["log-level", "log-worker", "log-text"]) {
      byId(id).addEventListener("input", () => this.#showAll());
    }
  }

  get last() {
    return this.#last;
  }

  forget() {
    this.#last = 0;
    this.#records = [];
    this.#showAll();
  }

  // Takes what GET /logs has answered.
  take({ records, last, missed }) {
    if (last < this.#last) this.forget(); // the service was started anew
    const isFirst = this.#last === 0;
    this.#last = last;
    if (missed && !isFirst) this.#records.push({ missed });
    this.#records.push(...records);
    this.#records = this.#records.slice(-MAX_SHOWN);
    if (records.length) this.#showAll();
  }

  // Offers the workers to choose from.
  name(workers) {
    const select = byId("log-worker");
    const wanted = ["", "0", ...workers.map(String)];
    const has = [...select.options].map((option) => option.value);
    if (has.join() === wanted.join()) return;
    const chosen = select.value;
    const all = tell(new Option("", ""), "all-sources");
    const own = tell(new Option("", "0"), "supervisor");
    const others = workers.map((number) => tell(new Option("", String(number)), "worker", { number }));
    select.replaceChildren(all, own, ...others);
    select.value = wanted.includes(chosen) ? chosen : "";
  }

  #showAll() {
    const box = byId("log");
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    const lines = this.#records.filter((record) => this.#isWanted(record)).map(lineOf);
    if (lines.length) box.replaceChildren(...lines);
    else box.replaceChildren(tell(make("p", { className: "note" }), "no-logs"));
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  #isWanted({ missed, level, worker, text }) {
    if (missed) return true;
    const source = byId("log-worker").value;
    return (
      LEVELS.indexOf(level) >= LEVELS.indexOf(byId("log-level").value) &&
      (source === "" || Number(source) === (worker ?? 0)) &&
      text.toLowerCase().includes(byId("log-text").value.toLowerCase())
    );
  }
}

function lineOf({ missed, at, level, worker, text }) {
  if (missed) return tell(make("p", { className: "note" }), "missed-logs", { count: missed });
  const source = make("span", { textContent: worker ?? "·" });
  tell(source, worker === null ? "supervisor" : "worker", { number: worker }, "sayTitle");
  return make(
    "div",
    { className: `line ${level}` },
    make("time", { textContent: clock(at), dateTime: at }),
    make("span", { className: "level", textContent: level }),
    source,
    make("span", { className: "text", textContent: text }),
  );
}
