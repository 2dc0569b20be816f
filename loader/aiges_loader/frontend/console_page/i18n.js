// Says everything in the reader's language, and says it again when that changes.

import { forEver, keep } from "./dom.js";
import { WORDS } from "./words.js";

const KEY = "aiges.language";
const PARTS = { say: "", sayLabel: "aria-label", sayHint: "placeholder", sayTitle: "title" };
const LANGUAGES = ["en", "zh"];

const preferred = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const kept = keep.get(forEver, KEY);
let language = LANGUAGES.includes(kept) ? kept : preferred;

// Returns words, with {name} replaced by the values.
export function words(key, values = {}) {
  const said = WORDS[key]?.[language];
  if (said === undefined) throw new Error(`there are no words for ${key}`);
  return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Gives an element words that follow the language. `part` is where they go: "say" is its text.
export function tell(node, key, values = {}, part = "say") {
  node.dataset[part] = key;
  if (Object.keys(values).length) node.dataset.values = JSON.stringify(values);
  else delete node.dataset.values;
  speak(node, part);
  return node;
}

// Has an element say what is not translated, such as a name.
export function quote(node, text) {
  delete node.dataset.say;
  delete node.dataset.values;
  node.textContent = text;
  return node;
}

export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const [part, attribute] of Object.entries(PARTS)) {
    const name = part.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const node of document.querySelectorAll(`[data-${name}]`)) speak(node, part, attribute);
  }
}

export function otherLanguage() {
  language = LANGUAGES.find((other) => other !== language);
  keep.set(forEver, KEY, language);
  translate();
}

function speak(node, part, attribute = PARTS[part]) {
  const said = words(node.dataset[part], JSON.parse(node.dataset.values ?? "{}"));
  if (attribute) node.setAttribute(attribute, said);
  else if (node.textContent !== said) node.textContent = said; // or it would be read aloud again
}
