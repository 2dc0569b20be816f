// Making and finding elements. Text only ever becomes text: nothing here reads markup.

export const byId = (id) => document.getElementById(id);

// Makes an element. Of the properties, `data`, `aria` and `attributes` name attributes, the others
// are the element's own.
export function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, attributes = {}, ...own } = properties;
  const node = Object.assign(document.createElement(tag), own);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(aria)) node.setAttribute(`aria-${name}`, value);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function makeSvg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Keeps something for this browser, where it lets us.
export const keep = {
  get: (store, name) => {
    try {
      return store().getItem(name);
    } catch {
      return null; // storage is switched off: nothing is kept, which is what was asked for
    }
  },
  set: (store, name, value) => {
    try {
      if (value) store().setItem(name, value);
      else store().removeItem(name);
    } catch {
      // as above
    }
  },
};
export const forEver = () => localStorage;
export const forThisTab = () => sessionStorage;
