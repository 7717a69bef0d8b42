/**
 * A panel that a button opens: Escape, a press elsewhere and the button itself close it.
 */

export class Disclosure {
  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} panel a sibling of the button
   * @param {() => void} [opened] called when the panel has been shown
   */
  constructor(button, panel, opened = () => {}) {
    this.button = button;
    this.panel = panel;
    this.opened = opened;
    button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    for (const kind of ["pointerdown", "focusin"])
      document.addEventListener(kind, ({ target }) => {
        const inside = target instanceof Node && panel.parentElement?.contains(target);
        if (!inside) this.close(false);
      });
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.opened();
  }

  /** @param {boolean} [back] focus goes back to the button */
  close(back = true) {
    if (!this.isOpen) return;
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (back) this.button.focus();
  }
}
