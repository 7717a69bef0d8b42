/**
 * Which rig a file belongs to: one that is known, or a new one.
 */

import { element } from "./dom.js";

/**
 * @param {string} rig as which the file was looked at
 * @param {string[]} rigs that are stored
 * @param {{choose: (rig: string) => void, hesitate: () => void}} wishes `hesitate` while the name
 *   of a new one is still to come
 * @returns {HTMLElement[]}
 */
export function rigChoice(rig, rigs, { choose, hesitate }) {
  const known = [...new Set([...rigs, rig])].filter(Boolean);
  const name = element("input", {
    type: "text",
    maxlength: "200",
    required: true,
    autocomplete: "off",
    "aria-label": "Name of the new rig",
    "aria-describedby": "upload-new-rig",
    onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && use(),
  });
  const use = () => {
    name.value = name.value.trim();
    if (name.reportValidity()) choose(name.value);
  };
  const fields = element(
    "span",
    { class: "upload-new-rig", hidden: true },
    name,
    element("button", { type: "button", onclick: use }, "Look again"),
    element(
      "span",
      { class: "muted", id: "upload-new-rig" },
      "It gets the channels that are configured on the server.",
    ),
  );
  const select = element(
    "select",
    {
      id: "upload-rig",
      onchange: () => {
        fields.hidden = select.value !== "";
        if (select.value) return choose(select.value);
        hesitate();
        name.focus();
      },
    },
    ...known.map((each) => element("option", { value: each, selected: each === rig }, each)),
    element("option", { value: "" }, "A new rig …"),
  );
  return [element("label", { for: "upload-rig" }, "Rig"), select, fields];
}
