// The request as a form, made from what the service says of itself.

import { attributeFields } from "./attributes.js";
import { make } from "./dom.js";
import { tell } from "./i18n.js";
import { InputField } from "./inputs.js";

export class Form {
  #description;
  #inputs;
  #parameters = [];
  #expected = [];
  #body = null;

  // `onChange` is called whenever what would be sent may have changed.
  constructor(description, onChange) {
    this.#description = description;
    this.node = make("div", { className: "fields" });
    this.node.addEventListener("input", onChange);
    this.node.addEventListener("change", onChange);
    this.#inputs = description.inputs.map((input) => new InputField(input, onChange));
    if (!this.#inputs.length) {
      this.#addBody();
      return;
    }
    this.node.append(...this.#inputs.map((input) => input.node));
    if (description.parameters.length) this.#addParameters();
    this.#addOthers();
  }

  // Returns the call that the form describes; see calls.js. Needs valid fields.
  call() {
    const { id, route } = this.#description;
    if (this.#body) return { route, id, body: this.#body.value };
    const parameters = {};
    for (const { name, read } of this.#parameters) {
      const value = read();
      if (value !== undefined) parameters[name] = value;
    }
    const expected = this.#expected.map(({ name, fields }) => [name, fields.values()]);
    return {
      id,
      route,
      header: { ...this.#description.header, appid: this.appId.value },
      parameters,
      expected: Object.fromEntries(expected),
      given: this.#description.expected,
      inputs: this.#inputs.map((input) => input.value()),
    };
  }

  // Gives a pasted file to the first input that takes its kind; says whether there is one.
  paste(file) {
    const taker = this.#inputs.find((input) => input.takesPasted(file.type));
    taker?.take(file);
    return Boolean(taker);
  }

  leave() {
    for (const input of this.#inputs) input.leave();
  }

  #addBody() {
    const body = JSON.stringify(this.#description.example, null, 2);
    this.#body = make("textarea", { id: "body", rows: 16, value: body, spellcheck: false });
    this.#body.className = "code";
    const label = tell(make("label", { htmlFor: "body" }), "body");
    this.node.append(tell(make("p", { className: "note" }), "nothing-declared"), label, this.#body);
  }

  #addParameters() {
    const title = tell(make("h3", { id: "parameters-title" }), "parameters");
    const list = make("div", { className: "parameters" });
    for (const parameter of this.#description.parameters) {
      const { control, read } = parameterControl(parameter);
      control.id = `parameter-${parameter.name}`;
      this.#parameters.push({ name: parameter.name, read });
      list.append(labelled(parameter, control));
    }
    const section = make("section", { className: "input" }, title, list);
    section.setAttribute("aria-labelledby", title.id);
    this.node.append(section);
  }

  #addOthers() {
    const id = "appid";
    const value = this.#description.header.appid ?? "";
    this.appId = make("input", { id, value, autocomplete: "off" });
    const label = make("label", { htmlFor: id }, make("code", { textContent: "appid" }));
    const header = make("div", { className: "attributes" }, label, this.appId);
    const others = make("details", {}, tell(make("summary"), "more"), header);
    for (const [name, attributes] of Object.entries(this.#description.expected)) {
      const choices = this.#description.outputChoices[name] ?? {};
      const fields = attributeFields(`output-${name}`, attributes, choices);
      this.#expected.push({ name, fields });
      if (!fields.isEmpty) {
        const title = make("h4", { textContent: name });
        title.append(tell(make("small"), "output"));
        others.append(title, fields.node);
      }
    }
    this.node.append(others);
  }
}

// Returns the control of a parameter and what reads it: undefined if nothing is to be sent.
function parameterControl({ type, values, least, most, longest, isRequired, value }) {
  if (values) {
    const options = isRequired || value !== undefined ? values : ["", ...values];
    const control = make("select", {}, ...options.map((one) => new Option(String(one), String(one))));
    control.value = String(value ?? options[0]);
    return { control, read: () => values.find((one) => String(one) === control.value) };
  }
  if (type === "boolean") {
    const control = make("input", { type: "checkbox", checked: value === true });
    return { control, read: () => control.checked };
  }
  if (type === "integer" || type === "number") {
    const control = make("input", { type: "number", step: type === "integer" ? "1" : "any" });
    if (least !== undefined) control.min = least;
    if (most !== undefined) control.max = most;
    control.required = isRequired;
    control.value = value ?? "";
    return { control, read: () => (control.value === "" ? undefined : Number(control.value)) };
  }
  const control = make("input", { type: "text", value: value ?? "", autocomplete: "off" });
  if (longest) control.maxLength = longest;
  control.required = isRequired;
  return { control, read: () => (control.value === "" && !isRequired ? undefined : control.value) };
}

function labelled({ name, type, least, most, about, isRequired }, control) {
  const label = make("label", { htmlFor: control.id }, make("span", { textContent: name }));
  if (isRequired) label.append(tell(make("small"), "required"));
  const limits = [least, most].some((limit) => limit !== undefined)
    ? `${least ?? "…"} – ${most ?? "…"}`
    : "";
  const hint = [about, limits].filter(Boolean).join(" · ");
  const field = make("div", { className: type === "boolean" ? "field check" : "field" });
  field.append(...(type === "boolean" ? [control, label] : [label, control]));
  if (hint) {
    const note = make("p", { className: "note", id: `${control.id}-hint`, textContent: hint });
    control.setAttribute("aria-describedby", note.id);
    field.append(note);
  }
  return field;
}
