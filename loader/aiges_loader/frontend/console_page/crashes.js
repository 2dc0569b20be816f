// The last deaths of workers: what ended each, the calls that it had, the last lines it wrote.

import { byId, make } from "./dom.js";
import { clock } from "./format.js";
import { tell } from "./i18n.js";
import { fact } from "./outcome.js";

export function showCrashes(crashes) {
  const list = byId("crashes");
  if (!crashes.length) {
    list.replaceChildren(tell(make("p", { className: "note" }), "no-crashes"));
    return;
  }
  const open = new Set([...list.querySelectorAll("details[open]")].map((node) => node.dataset.number));
  const isNew = list.querySelector("details")?.dataset.number !== String(crashes[0].number);
  if (!isNew) return;
  list.replaceChildren(
    ...crashes.map((crash, place) => crashOf(crash, place === 0 || open.has(String(crash.number)))),
  );
}

// Shows how a process ended; also where a service does not come up.
export function crashOf({ number, worker, exit }, isOpen) {
  const summary = make(
    "summary",
    {},
    make("time", { textContent: clock(exit.at), dateTime: exit.at, title: exit.at }),
    tell(make("b"), "worker", { number: worker }),
    tell(make("span", { className: "tag" }), `cause-${exit.cause}`),
    make("span", { className: "reason", textContent: exit.reason }),
  );
  const how = exit.signal ?? (exit.exit_status === null ? "–" : String(exit.exit_status));
  const facts = make("dl", { className: "facts" });
  const calls = exit.calls.length ? exit.calls.join(", ") : "0";
  facts.append(
    fact(exit.signal ? "crash-signal" : "crash-status", make("dd", { textContent: how })),
    fact("crash-calls", make("dd", { textContent: calls })),
    fact("crash-was", tell(make("dd"), exit.was_ready ? "crash-ready" : "crash-starting")),
  );
  const tail = exit.tail.length
    ? make("pre", { className: "tail", textContent: exit.tail.join("\n"), tabIndex: 0 })
    : tell(make("p", { className: "note" }), "no-tail");
  return make("details", { data: { number }, open: isOpen }, summary, facts, tail);
}
