/**
 * A rig file that the server proposes for a file which it cannot read: for whoever runs the server.
 */

import { element, setText } from "./dom.js";

/**
 * @param {string} rigFile
 * @returns {HTMLElement}
 */
export function proposal(rigFile) {
  const text = element("pre", { tabindex: "0", role: "region", "aria-label": "Rig file" }, rigFile);
  const said = element("span", { class: "muted", role: "status" });
  const copy = element("button", { type: "button", onclick: () => copyText() }, "Copy");
  const copyText = async () => {
    try {
      await navigator.clipboard.writeText(rigFile);
      setText(said, "Copied.");
    } catch {
      // Without HTTPS a page has no clipboard; what is selected can be copied with the keyboard.
      getSelection()?.selectAllChildren(text);
      setText(said, "Selected: copy it with the keyboard.");
    }
  };
  return element("div", { class: "proposal" }, element("p", {}, copy, " ", said), text);
}
