// Light, dark, or as the system has it. The colours are in console.css.

import { forEver, keep } from "./dom.js";
import { tell } from "./i18n.js";

const KEY = "aiges.theme";
const THEMES = ["auto", "light", "dark"];

export function followTheme(button) {
  let theme = THEMES.includes(keep.get(forEver, KEY)) ? keep.get(forEver, KEY) : "auto";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    tell(button, `theme-${theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep.set(forEver, KEY, theme === "auto" ? "" : theme);
    show();
  });
  show();
}
