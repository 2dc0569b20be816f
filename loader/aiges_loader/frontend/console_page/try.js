// The view that makes calls: the form, its result, and the same call as code.

import { CallError, DESCRIPTION, EXAMPLE, WAYS, document as published, results } from "./calls.js";
import { crashOf } from "./crashes.js";
import { describe } from "./description.js";
import { byId } from "./dom.js";
import { Form } from "./form.js";
import { quote, tell } from "./i18n.js";
import { Outcome, copying } from "./outcome.js";
import { SNIPPETS } from "./snippets.js";

export class Try {
  #base = null;
  #description = null; // the documents that the form is to be made from
  #example = null;
  #isLoading = false;
  #form = null;
  #running = null; // ends the call that is going on
  #language = "curl";

  constructor() {
    byId("call").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("call").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("call").requestSubmit();
    });
    byId("stop").addEventListener("click", () => this.#running?.abort());
    byId("reload-form").addEventListener("click", () => this.#build());
    for (const tab of document.querySelectorAll("#snippets [role=tab]")) {
      tab.addEventListener("click", () => this.#choose(tab.dataset.snippet));
      tab.addEventListener("keydown", (event) => this.#moveTab(event));
    }
    for (const way of document.querySelectorAll("[name=way]")) {
      way.addEventListener("change", () => this.#showSnippet());
    }
    byId("snippets-bar").append(copying(() => byId("snippet").textContent));
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (!file || document.body.dataset.view !== "try") return;
      if (this.#form?.paste(file)) event.preventDefault();
    });
  }

  // Says where the service is, whether it is ready, and how its last worker ended if that is known.
  async look(base, { isReady, crash }) {
    this.#base = base;
    if (!this.#form && !isReady) this.#showWaiting("waiting-title", crash);
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      await this.#learn();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      quote(byId("waiting-reason"), error.said);
      const isThere = error.key !== "unreachable";
      if (!this.#form) this.#showWaiting(isThere ? "waiting-title" : "waiting-unreachable", crash);
    } finally {
      this.#isLoading = false;
    }
  }

  async #learn() {
    const description = await published(this.#base, DESCRIPTION);
    if (description === this.#description) return;
    this.#example = await published(this.#base, EXAMPLE); // it may be large
    this.#description = description;
    byId("waiting").hidden = true;
    byId("try-columns").hidden = false;
    if (this.#form) byId("changed").hidden = false;
    else this.#build();
  }

  #showWaiting(title, crash) {
    byId("waiting").hidden = false;
    tell(byId("waiting-title"), title, { base: this.#base });
    const box = byId("waiting-crash");
    const number = box.firstElementChild?.dataset.number;
    if (crash && String(crash.number) !== number) box.replaceChildren(crashOf(crash, true));
    byId("waiting-hint").hidden = crash !== null;
  }

  #build() {
    const description = describe(JSON.parse(this.#description), JSON.parse(this.#example));
    byId("changed").hidden = true;
    this.#form?.leave();
    this.#form = new Form(description, () => this.#showSnippet());
    byId("fields").replaceChildren(this.#form.node);
    quote(byId("service"), description.id);
    quote(byId("route"), description.route);
    document.title = description.id;
    document.body.dataset.ready = "yes";
    this.#showSnippet();
  }

  // The call as it would be sent.
  #call() {
    const way = WAYS.find((one) => byId(`way-${one}`).checked);
    return { ...this.#form.call(), base: this.#base, way };
  }

  async #send() {
    if (this.#running || !this.#form) return;
    const controller = new AbortController();
    this.#running = controller;
    byId("send").disabled = true;
    byId("stop").disabled = false;
    const outcome = new Outcome();
    try {
      for await (const frame of results(this.#call(), controller.signal)) outcome.take(frame);
      outcome.done();
    } catch (error) {
      if (controller.signal.aborted) outcome.stopped();
      else outcome.failed(error);
      if (!controller.signal.aborted && !(error instanceof CallError)) throw error; // a bug of ours
    } finally {
      controller.abort(); // what has not been read is not wanted
      this.#running = null;
      byId("send").disabled = false;
      byId("stop").disabled = true;
    }
  }

  // The code:

  #showSnippet() {
    // While the form is being made it describes no call yet.
    if (!this.#form?.node.isConnected) return;
    byId("snippet").textContent = SNIPPETS[this.#language](this.#call());
    byId("snippet-note").hidden = byId("way-once").checked || this.#language === "client";
  }

  #choose(language) {
    this.#language = language;
    for (const tab of document.querySelectorAll("#snippets [role=tab]")) {
      const isChosen = tab.dataset.snippet === language;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      if (isChosen) byId("snippet").setAttribute("aria-labelledby", tab.id);
    }
    this.#showSnippet();
  }

  #moveTab(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...document.querySelectorAll("#snippets [role=tab]")];
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.focus();
    this.#choose(next.dataset.snippet);
  }
}
