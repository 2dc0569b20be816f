// Joins the parts: who serves the page, which view is shown, what state the service is in.

import { Admin } from "./admin.js";
import { CallError, isReady as probe } from "./calls.js";
import { byId } from "./dom.js";
import { otherLanguage, tell, translate } from "./i18n.js";
import { Operate } from "./operate.js";
import { followTheme } from "./theme.js";
import { Try } from "./try.js";

const PERIOD_MS = 5000;
const VIEWS = ["try", "operate"];
const READY = ["ready", "degraded"];

const isAdminPort = document.body.dataset.port === "admin";
const admin = new Admin(isAdminPort);
let base = isAdminPort ? null : location.origin; // of the service
let isConnected = false; // to the admin API, which says more than a probe
let isReady = false;
let crash = null; // the last one, while the service is not ready

// Views:

function show() {
  const named = location.hash.slice(1);
  const view = VIEWS.includes(named) ? named : VIEWS[0];
  document.body.dataset.view = view;
  for (const name of VIEWS) {
    byId(name).hidden = name !== view;
    if (name === view) byId(`to-${name}`).setAttribute("aria-current", "page");
    else byId(`to-${name}`).removeAttribute("aria-current");
  }
  if (view === "operate") operate.look();
}

// State:

function showState(state) {
  const pill = byId("service-state");
  pill.dataset.state = state;
  tell(pill, `service-${state}`);
}

function onStatus(status, lastCrash = null) {
  isConnected = status !== null;
  isReady = READY.includes(status?.state);
  if (status === null) {
    if (isAdminPort) showState("unknown");
    return;
  }
  showState(status.state);
  crash = lastCrash;
  if (isAdminPort) {
    const wasUnknown = base === null;
    base = addressOf(status.addresses.http);
    byId("connect-first").hidden = true;
    if (wasUnknown) look();
  }
}

// The service listens at host:port; one that listens everywhere is where this page comes from.
function addressOf(listener) {
  const [, host, port] = listener.match(/^(.*):(\d+)$/);
  const isEverywhere = ["0.0.0.0", "::", ""].includes(host);
  const name = isEverywhere ? location.hostname : host.includes(":") ? `[${host}]` : host;
  return `${location.protocol}//${name}:${port}`;
}

let timer = 0;

async function look() {
  clearTimeout(timer);
  timer = setTimeout(look, PERIOD_MS);
  if (document.hidden || base === null) return;
  if (!isConnected) await ask();
  await trying.look(base, { isReady, crash });
}

async function ask() {
  if (isAdminPort) return; // pages of another port cannot read the probe
  try {
    isReady = await probe(base);
    showState(isReady ? "ready" : "not ready");
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    isReady = false;
    showState("unreachable");
  }
}

// Begin:

followTheme(byId("theme"));
byId("language").addEventListener("click", otherLanguage);
const trying = new Try();
const operate = new Operate(admin, onStatus);
byId("admin-hint").href = `${admin.address}/console/#operate`;
byId("waiting-hint").querySelector("a").href = `${admin.address}/console/#operate`;
byId("connect-first").hidden = !isAdminPort;
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", look);
translate();
show();
look();
operate.look();
