/**
 * Elements. Text from the server only ever becomes a text node.
 */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties] `class`, `on<event>` and attributes; null and false are left out
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...texts(children));
  return node;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children);
  return node;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {any} value
 */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {Element} node
 * @param {...Child} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...texts(children));
}

/**
 * New content without losing the reader's place: scroll position and focus stay, the latter by
 * `data-key`.
 * @param {HTMLElement} node
 * @param {...Child} children
 */
export function refill(node, ...children) {
  const { scrollTop } = node;
  const focused = node.contains(document.activeElement)
    ? /** @type {HTMLElement} */ (document.activeElement).dataset.key
    : null;
  arrange(node, texts(children));
  // Where it stands at the top there is nothing to lose, and to set it is to lay out everything.
  if (scrollTop) node.scrollTop = scrollTop;
  const again = focused && node.querySelector(`[data-key="${CSS.escape(focused)}"]`);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/**
 * New content, of which what was there before stays where it is, and is not laid out again.
 * @param {Element} node
 * @param {readonly (Node | string)[]} children
 */
export function arrange(node, children) {
  const kept = new Set(children);
  for (const child of [...node.childNodes]) if (!kept.has(child)) child.remove();
  children.forEach((child, at) => {
    const there = node.childNodes[at] ?? null;
    if (there !== child)
      node.insertBefore(child instanceof Node ? child : document.createTextNode(child), there);
  });
}

/**
 * The text of a node, touched only when it differs: a live region speaks at every touch.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function texts(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no element #${id}.`);
  return node;
}

/**
 * A mark of a level, by shape and colour: red diamond, yellow triangle, hatched gap.
 * @param {"red" | "yellow" | "gap" | "normal"} level
 * @param {string} [title]
 */
export function mark(level, title) {
  const shapes = {
    red: () => svg("path", { d: "M7 0.8 13.2 7 7 13.2 0.8 7Z" }),
    yellow: () => svg("path", { d: "M7 1.2 13.4 12.6H0.6Z" }),
    gap: () => svg("path", { d: "M1 9 9 1M1 13 13 1M5 13 13 5M9.5 13 13 9.5" }),
    normal: () => svg("path", { d: "M2 7.5 5.5 11 12 3.5" }),
  };
  const label = title ? { role: "img", "aria-label": title } : { "aria-hidden": "true" };
  return svg(
    "svg",
    { class: `mark mark-${level}`, viewBox: "0 0 14 14", ...label },
    shapes[level](),
  );
}
