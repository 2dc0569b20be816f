// A line chart of what happened in the last minutes: plain SVG, as wide as its place.

import { make, makeSvg } from "./dom.js";
import { clock } from "./format.js";
import { tell } from "./i18n.js";

const HEIGHT = 150;
const MARGIN = { left: 58, right: 10, top: 10, bottom: 22 };
const LINES = 3; // of the grid, the one at the bottom included

export class Chart {
  #samples = [];
  #names = [];
  #hovered = null; // index of the sample under the pointer
  #titleOf;
  #format;
  #least;

  // `titleKey` names the words above it, `format` writes a value; `titleOf` gives a series' name
  // an element that shows it. The axis reaches at least to `least`.
  constructor(titleKey, { format, titleOf, least }) {
    this.#format = format;
    this.#least = least;
    this.#titleOf = titleOf;
    this.legend = make("p", { className: "legend" });
    this.svg = makeSvg("svg", { role: "img", height: HEIGHT });
    tell(this.svg, titleKey, {}, "sayLabel");
    this.node = make("figure", { className: "chart" }, tell(make("figcaption"), titleKey));
    this.node.append(this.legend, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.#hover(event));
    this.svg.addEventListener("pointerleave", () => this.#hover(null));
    new ResizeObserver(() => this.#draw()).observe(this.node);
  }

  // Shows samples {at, values}: milliseconds since the epoch; series -> number or null.
  show(samples) {
    this.#samples = samples;
    if (this.#hovered >= samples.length) this.#hovered = null;
    this.#names = [...new Set(samples.flatMap(({ values }) => Object.keys(values)))].sort();
    this.#draw();
  }

  #hover(event) {
    this.#hovered = null;
    if (event && this.#samples.length > 1) {
      const x = event.clientX - this.svg.getBoundingClientRect().left;
      const near = this.#samples.map(({ at }) => Math.abs(this.#x(at) - x));
      this.#hovered = near.indexOf(Math.min(...near));
    }
    this.#draw();
  }

  get #width() {
    return Math.max(160, this.node.clientWidth - 32); // without its padding
  }

  #x(at) {
    const first = this.#samples[0].at;
    const span = Math.max(1, this.#samples.at(-1).at - first);
    return MARGIN.left + ((at - first) / span) * (this.#width - MARGIN.left - MARGIN.right);
  }

  #draw() {
    const width = this.#width;
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren();
    this.#drawLegend();
    if (this.#samples.length < 2) return;
    const values = this.#samples.flatMap((sample) => Object.values(sample.values));
    const top = roundUp(Math.max(this.#least, ...values.filter((value) => value !== null)));
    const y = (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    for (let line = 0; line < LINES; line += 1) {
      const value = (top * line) / (LINES - 1);
      this.#line("grid", MARGIN.left, y(value), width - MARGIN.right, y(value));
      this.#text(MARGIN.left - 8, y(value) + 4, "end", this.#format(value));
    }
    for (const [end, sample] of [["start", this.#samples[0]], ["end", this.#samples.at(-1)]]) {
      this.#text(this.#x(sample.at), HEIGHT - 4, end, clock(sample.at));
    }
    for (const [number, name] of this.#names.entries()) this.#series(number, name, y);
    if (this.#hovered !== null) {
      const x = this.#x(this.#samples[this.#hovered].at);
      this.#line("cursor", x, MARGIN.top, x, HEIGHT - MARGIN.bottom);
    }
  }

  #series(number, name, y) {
    let path = "";
    let isDown = false;
    for (const { at, values } of this.#samples) {
      const value = values[name] ?? null;
      if (value !== null) {
        path += `${isDown ? "L" : "M"}${this.#x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      }
      isDown = value !== null;
    }
    this.svg.append(makeSvg("path", { class: `series c${number % 6}`, d: path || "M0 0" }));
  }

  #drawLegend() {
    const sample = this.#hovered === null ? this.#samples.at(-1) : this.#samples[this.#hovered];
    if (!sample) {
      this.legend.replaceChildren(tell(make("span", { className: "note" }), "chart-empty"));
      return;
    }
    const entries = this.#names.map((name, number) => {
      const value = sample.values[name] ?? null;
      const shown = make("b", { textContent: value === null ? "–" : this.#format(value) });
      return make("span", { className: `entry c${number % 6}` }, this.#titleOf(name), " ", shown);
    });
    if (this.#hovered !== null) {
      entries.push(make("span", { className: "note", textContent: clock(sample.at) }));
    }
    this.legend.replaceChildren(...entries);
  }

  #line(kind, x1, y1, x2, y2) {
    this.svg.append(makeSvg("line", { class: kind, x1, y1, x2, y2 }));
  }

  #text(x, y, anchor, text) {
    this.svg.append(makeSvg("text", { x, y, "text-anchor": anchor }, text));
  }
}

// Returns the next larger number that makes a good end of an axis.
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => value <= step * unit * 1.0001);
}
