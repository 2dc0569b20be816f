// The operator's view: what the service and its workers are doing, and what can be done about it.

import { AdminError } from "./admin.js";
import { Chart } from "./charts.js";
import { showCrashes } from "./crashes.js";
import { byId, make } from "./dom.js";
import { duration, milliseconds, number, percent, size } from "./format.js";
import { quote, tell } from "./i18n.js";
import { Logs } from "./logs.js";
import { between } from "./traffic.js";
import { Workers } from "./workers.js";

const PERIOD_MS = 2000;
const KEPT_MS = 10 * 60_000; // of the charts

export class Operate {
  #admin;
  #onStatus;
  #logs = new Logs();
  #workers;
  #before = null; // the last status, or moment of the service's own history
  #samples = [];
  #charts;
  #isConnected = false;
  #isAsked = false; // an operator wants it to connect
  #isAsking = false;
  #timer = 0;

  // `onStatus` gets each status and the last crash, where that matters; null when it cannot be had.
  constructor(admin, onStatus) {
    this.#admin = admin;
    this.#onStatus = onStatus;
    this.#isAsked = admin.isAdminPort || admin.token !== "";
    this.#workers = new Workers((worker) => this.#restart([worker]));
    const series = (name) => tell(make("span"), `series-${name}`);
    const worker = (name) => tell(make("span"), "worker", { number: name });
    const chart = (key, format, titleOf, least) => new Chart(key, { format, titleOf, least });
    this.#charts = {
      traffic: chart("chart-traffic", (value) => `${number(value)}/s`, series, 1),
      latency: chart("chart-latency", (value) => milliseconds(1000 * value), series, 0.001),
      cpu: chart("chart-cpu", percent, worker, 0.1),
      memory: chart("chart-memory", (value) => size(Math.round(value)), worker, 1024 ** 2),
    };
    byId("charts").append(...Object.values(this.#charts).map((chart) => chart.node));
    this.#prepareConnecting();
    byId("restart-all").addEventListener("click", () => this.#restart(this.#workers.numbers));
    byId("reload").addEventListener("click", () => this.#reload());
    byId("drain").addEventListener("click", () => byId("drain-dialog").showModal());
    byId("drain-dialog").addEventListener("close", () => this.#drain());
    document.addEventListener("visibilitychange", () => this.look());
  }

  // Asks now, and again and again while the page is looked at.
  async look() {
    if (document.hidden || !this.#isAsked || this.#isAsking) return;
    clearTimeout(this.#timer);
    this.#isAsking = true;
    try {
      await this.#ask();
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      this.#lost(error);
    } finally {
      this.#isAsking = false;
      this.#timer = setTimeout(() => this.look(), PERIOD_MS);
    }
  }

  async #ask() {
    const status = await this.#admin.status();
    if (!isOfOneStart(this.#before, status)) await this.#begin(status);
    this.#take(status);
    let crash = null;
    if (document.body.dataset.view === "operate" || status.state !== "ready") {
      const [logs, { crashes }] = await Promise.all([
        this.#admin.logs(this.#logs.last),
        this.#admin.crashes(),
      ]);
      this.#logs.take(logs);
      showCrashes(crashes);
      crash = crashes[0] ?? null;
    }
    this.#onStatus(status, crash);
  }

  #take(status) {
    this.#isConnected = true;
    byId("operate").dataset.connected = "yes";
    byId("disconnect").hidden = !this.#admin.token;
    byId("connect-problem").hidden = true;
    this.#sample(status, Date.now());
    this.#samples = this.#samples.filter(({ at }) => at >= Date.now() - KEPT_MS);
    this.#showTiles(status, this.#samples.at(-1));
    this.#showCharts();
    this.#showUsage({ ...status.used, ...status.measured });
    this.#workers.show(status.workers, this.#samples.at(-1)?.cpu ?? {});
    this.#logs.name(this.#workers.numbers);
    byId("drain").disabled = status.state === "draining";
  }

  // Takes over what the service itself has kept of the last minutes.
  async #begin(status) {
    const { samples } = await this.#admin.history();
    this.#samples = [];
    this.#before = null;
    this.#logs.forget();
    for (const sample of samples) {
      const ago = status.uptime_seconds - sample.uptime_seconds;
      this.#sample({ ...sample, started: status.started }, Date.now() - 1000 * ago);
    }
  }

  #sample(moment, at) {
    if (this.#before && moment.uptime_seconds > this.#before.uptime_seconds) {
      this.#samples.push({ at, ...between(this.#before, moment) });
    }
    this.#before = moment;
  }

  #showTiles(status, sample) {
    const { licences, queue } = status;
    const waiting = status.waiting_for_worker + queue.taken;
    const tiles = [
      ["tile-workers", `${status.workers_ready} / ${status.workers_planned}`],
      ["tile-requests", sample ? `${number(sample.requests)}/s` : "–"],
      ["tile-latency", sample?.p95 ? milliseconds(1000 * sample.p95) : "–"],
      ["tile-flight", String(status.requests.in_flight)],
      ["tile-waiting", String(waiting)],
      ["tile-licences", `${licences.taken} / ${licences.limit}`],
      ["tile-uptime", duration(status.uptime_seconds)],
    ];
    const list = byId("tiles");
    if (!list.children.length) {
      for (const [key] of tiles) list.append(make("div", {}, tell(make("dt"), key), make("dd")));
    }
    for (const [place, [, value]] of tiles.entries()) {
      list.children[place].querySelector("dd").textContent = value;
    }
    quote(byId("operate-title"), status.service);
    quote(byId("program"), `aiges-loader ${status.version} · pid ${status.pid}`);
  }

  #showCharts() {
    const pick = (values) => this.#samples.map((sample) => ({ at: sample.at, values: values(sample) }));
    this.#charts.traffic.show(pick(({ requests, errors }) => ({ answered: requests, failed: errors })));
    this.#charts.latency.show(pick(({ p50, p95 }) => ({ p50, p95 })));
    this.#charts.cpu.show(pick(({ cpu }) => cpu));
    this.#charts.memory.show(pick(({ memory }) => memory));
  }

  #showUsage(reported) {
    const facts = Object.entries(reported).map(([key, value]) =>
      make("div", {}, make("dt", { textContent: key }), make("dd", { textContent: number(value) })),
    );
    byId("usage").querySelector("dl").replaceChildren(...facts);
    byId("usage").hidden = facts.length === 0;
  }

  #lost(error) {
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    byId("operate").dataset.connected = "no";
    this.#onStatus(null);
    if (error.key === "admin-token") {
      this.#isAsked = false; // until there is another token
      if (!this.#admin.token && this.#admin.isAdminPort && !wasConnected) return; // nobody gave one yet
    }
    const problem = byId("connect-problem");
    tell(problem.querySelector("p"), error.key, { address: this.#admin.address, said: error.said });
    const link = problem.querySelector("a");
    link.hidden = this.#admin.isAdminPort || error.key !== "admin-unreachable";
    link.href = link.textContent = `${this.#admin.address}/console/#operate`;
    problem.hidden = false;
  }

  #prepareConnecting() {
    const admin = this.#admin;
    byId("admin-address").value = admin.address;
    byId("admin-address-field").hidden = admin.isAdminPort;
    byId("connect").addEventListener("submit", (event) => {
      event.preventDefault();
      try {
        admin.connect(byId("admin-address").value, byId("admin-token").value);
      } catch (error) {
        this.#lost(error);
        return;
      }
      byId("admin-token").value = "";
      this.#isAsked = true;
      this.look();
    });
    byId("disconnect").addEventListener("click", () => {
      admin.forget();
      this.#isAsked = false;
      this.#isConnected = false;
      this.#logs.forget();
      byId("operate").dataset.connected = "no";
      this.#onStatus(null);
    });
  }

  // What operators do:

  async #restart(numbers) {
    for (const one of numbers) {
      this.#workers.busy(one, true);
      const isDone = await this.#act("restart", { number: one }, () => this.#admin.restart(one));
      this.#workers.busy(one, false);
      if (!isDone) return;
    }
  }

  async #reload() {
    byId("reload").disabled = true;
    await this.#act("reload", {}, () => this.#admin.reload());
    byId("reload").disabled = false;
  }

  async #drain() {
    const dialog = byId("drain-dialog");
    if (dialog.returnValue !== "drain") return;
    dialog.returnValue = "";
    await this.#act("drain", {}, () => this.#admin.drain());
  }

  // Does something and says how it went; returns whether it went well.
  async #act(what, values, act) {
    const notice = byId("notice");
    notice.className = "notice";
    tell(notice, `${what}-begun`, values);
    try {
      const { problems = [] } = await act();
      tell(notice, `${what}-done`, values);
      if (problems.length) tell(notice, "done-but", { said: problems.join("; ") });
      notice.classList.add(problems.length ? "warn" : "good");
      return true;
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      tell(notice, error.key, { address: this.#admin.address, said: error.said });
      notice.classList.add("bad");
      return false;
    } finally {
      this.look();
    }
  }
}

const isOfOneStart = (before, after) => before?.started === after.started;
