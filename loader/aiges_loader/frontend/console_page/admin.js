// Asks the admin API. The token stays in this tab's sessionStorage and goes nowhere else.

import { forEver, forThisTab, keep } from "./dom.js";

const ADDRESS = "aiges.admin.address";
const TOKEN = "aiges.admin.token";
const LIMIT_MS = 10_000;

// Why there is no answer. `key` names the words for it; `said` is what the service said.
export class AdminError extends Error {
  constructor(key, said = "") {
    super(said || key);
    Object.assign(this, { key, said });
  }
}

export class Admin {
  constructor(isAdminPort) {
    this.isAdminPort = isAdminPort;
    this.address = isAdminPort ? location.origin : keep.get(forEver, ADDRESS) ?? guessed();
    this.token = keep.get(forThisTab, TOKEN) ?? "";
  }

  // Takes what an operator has typed; throws an AdminError if it is no address.
  connect(address, token) {
    if (!this.isAdminPort) {
      this.address = originOf(address);
      keep.set(forEver, ADDRESS, this.address);
    }
    this.token = token.trim();
    keep.set(forThisTab, TOKEN, this.token);
  }

  forget() {
    this.token = "";
    keep.set(forThisTab, TOKEN, "");
  }

  status = () => this.ask("GET", "/status");
  history = () => this.ask("GET", "/history");
  crashes = () => this.ask("GET", "/crashes");
  logs = (after) => this.ask("GET", `/logs?after=${after}`);
  // These answer once they are done, however long workers take to start.
  reload = () => this.ask("POST", "/reload", { isPatient: true });
  drain = () => this.ask("POST", "/drain");
  restart = (number) => this.ask("POST", `/workers/${number}/restart`, { isPatient: true });

  async ask(method, path, { isPatient = false } = {}) {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const signal = isPatient ? null : AbortSignal.timeout(LIMIT_MS);
    let response;
    let value;
    try {
      response = await fetch(`${this.address}${path}`, { method, headers, signal });
      value = await response.json();
    } catch (error) {
      throw new AdminError(response ? "admin-strange" : "admin-unreachable", error.message);
    }
    if (response.status === 401) throw new AdminError("admin-token");
    if (!response.ok) {
      const said = [value.error, ...(value.problems ?? [])].join("\n");
      throw new AdminError("admin-refused", said);
    }
    return value;
  }
}

const guessed = () => `http://${location.hostname}:1889`;

function originOf(text) {
  const given = text.trim();
  try {
    const url = new URL(/^https?:\/\//.test(given) ? given : `http://${given}`);
    return url.origin;
  } catch {
    throw new AdminError("admin-address", given);
  }
}
