// Fields for what stands beside data: encoding, format, sample rate and the like.

import { make } from "./dom.js";

// Returns {node, values, set}; `choices` names the attributes that have only certain values.
export function attributeFields(owner, attributes, choices) {
  const controls = {};
  const node = make("div", { className: "attributes" });
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "data_type") continue; // not to be chosen
    const id = `attribute-${owner}-${name}`;
    const control = choices[name]
      ? make("select", { id }, ...choices[name].map((choice) => new Option(choice, choice)))
      : make("input", { id, autocomplete: "off" });
    control.value = String(value);
    controls[name] = control;
    node.append(make("label", { htmlFor: id }, make("code", { textContent: name })), control);
  }
  const read = (name, value) => {
    const text = controls[name]?.value ?? value;
    return typeof value === "number" && text !== "" && !Number.isNaN(+text) ? +text : text;
  };
  return {
    node,
    isEmpty: Object.keys(controls).length === 0,
    values: () =>
      Object.fromEntries(Object.entries(attributes).map(([name, was]) => [name, read(name, was)])),
    // Sets an attribute if there is one of that name that takes one of these values.
    set: (name, ...values) => {
      const allowed = choices[name];
      const value = values.find((one) => !allowed || allowed.includes(one));
      if (controls[name] && value !== undefined) controls[name].value = String(value);
    },
  };
}
