// The table of workers. Rows stay in place, so that nobody loses the button under the finger.

import { byId, make } from "./dom.js";
import { duration, percent, size } from "./format.js";
import { tell } from "./i18n.js";

export class Workers {
  #rows = new Map(); // "number:place" -> row; while one replaces another there are two of a number
  #busy = new Set();
  #onRestart;

  constructor(onRestart) {
    this.#onRestart = onRestart;
  }

  get numbers() {
    return [...new Set([...this.#rows.values()].map(({ number }) => number))];
  }

  show(workers, cpu) {
    const body = byId("workers").tBodies[0];
    const seen = new Map();
    const keys = workers.map(({ number }) => {
      const place = seen.get(number) ?? 0;
      seen.set(number, place + 1);
      return `${number}:${place}`;
    });
    for (const [key, row] of this.#rows) {
      if (!keys.includes(key)) {
        row.node.remove();
        this.#rows.delete(key);
      }
    }
    for (const [index, worker] of workers.entries()) {
      if (!this.#rows.has(keys[index])) this.#rows.set(keys[index], this.#newRow(worker.number));
      const row = this.#rows.get(keys[index]);
      if (body.rows[index] !== row.node) body.insertBefore(row.node, body.rows[index] ?? null);
      this.#fill(row, worker, cpu[worker.number]);
    }
  }

  busy(number, isBusy) {
    if (isBusy) this.#busy.add(number);
    else this.#busy.delete(number);
    for (const row of this.#rows.values()) {
      if (row.number === number) this.#showBusy(row);
    }
  }

  #newRow(number) {
    const button = make("button", { type: "button", className: "quiet", data: { restart: number } });
    button.addEventListener("click", () => this.#onRestart(number));
    const state = make("span", { className: "state" });
    const cells = {};
    const title = make("th", { scope: "row", textContent: number });
    const node = make("tr", { data: { worker: number } }, title, make("td", {}, state));
    for (const name of ["pid", "for", "calls", "served", "restarts", "memory", "cpu"]) {
      cells[name] = make("td", { className: "figure" });
      node.append(cells[name]);
    }
    node.append(make("td", { className: "figure" }, button));
    const row = { number, node, state, cells, button };
    this.#showBusy(row);
    return row;
  }

  #showBusy({ number, button }) {
    button.disabled = this.#busy.has(number);
    tell(button, button.disabled ? "restarting" : "restart");
    tell(button, "restart-worker", { number }, "sayLabel");
  }

  #fill({ node, state, cells }, worker, cpu) {
    node.dataset.state = worker.state;
    tell(state, `worker-${worker.state}`);
    const runs = worker.pid !== null;
    const calls = `${worker.in_flight} / ${worker.concurrency}`;
    const values = {
      pid: worker.pid ?? "–",
      for: duration(worker.since_seconds),
      calls: worker.sessions ? `${calls} + ${worker.sessions}` : calls,
      served: worker.served,
      restarts: worker.restarts,
      memory: runs ? size(worker.rss_bytes) : "–",
      cpu: runs && cpu !== undefined ? percent(cpu) : "–",
    };
    for (const [name, value] of Object.entries(values)) cells[name].textContent = value;
    cells.restarts.classList.toggle("warn", worker.restarts > 0);
  }
}
