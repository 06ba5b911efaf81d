// Building DOM from data. Text becomes text nodes, never markup: what a CSMS sends is hostile until shown otherwise.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. Keys of `props`: `class`, `on` (listeners), `data` (dataset), names with a dash and `role`/`for`/`list` (attributes),
 * anything else is a property of the element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key === "class") element.className = value;
    else if (key === "on") listen(element, value);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key.includes("-") || key === "role" || key === "for" || key === "list") element.setAttribute(key, String(value));
    else /** @type {any} */ (element)[key] = value;
  }
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, (event: any) => void>} listeners
 */
function listen(element, listeners) {
  for (const [name, listener] of Object.entries(listeners)) element.addEventListener(name, listener);
}

/**
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(typeof child === "number" ? String(child) : child);
  }
}

/**
 * Replace what an element contains.
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * Change a text only when it differs: no needless layout.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setData(element, name, value) {
  const data = /** @type {HTMLElement} */ (element).dataset;
  if (data[name] !== value) data[name] = value;
}

/**
 * The element with this id. The page is ours, so a missing one is a mistake in it.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return element;
}

/**
 * A text with names in backticks, as the command table writes them: those as code.
 * @param {string} text
 * @returns {Child[]}
 */
export function withCode(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? h("code", {}, part) : part));
}

let serial = 0;

/**
 * An id that no other element has, for labels and descriptions.
 * @param {string} stem
 */
export function freshId(stem) {
  serial += 1;
  return `${stem}-${serial}`;
}

/**
 * A button. `title` is its tooltip, with the keyboard shortcut if it has one.
 * @param {string} text
 * @param {(event: MouseEvent) => void} pressed
 * @param {Record<string, any>} [props]
 */
export function button(text, pressed, props = {}) {
  return h("button", { type: "button", class: "btn", ...props, on: { click: pressed } }, text);
}

/**
 * A labelled field: the label is above it.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [extra] more classes
 */
export function labelled(label, control, extra = "") {
  if (!control.id) control.id = freshId("field");
  return h("div", { class: `field ${extra}` }, h("label", { for: control.id }, label), control);
}

/**
 * A choice. Options are texts, or [value, label].
 * @param {(string | [string, string])[]} options
 * @param {string} [value]
 * @param {Record<string, any>} [props]
 */
export function choice(options, value, props = {}) {
  const made = options.map((option) => {
    const [key, label] = typeof option === "string" ? [option, option] : option;
    return h("option", { value: key }, label);
  });
  const select = h("select", props, made);
  if (value !== undefined) select.value = value;
  return select;
}
