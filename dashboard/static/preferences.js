/**
 * What the browser remembers for this page, and the switches for it.
 */

import { byId } from "./dom.js";

const THEMES = ["auto", "light", "dark"];

/**
 * @param {string} key
 * @returns {string | null}
 */
export function remembered(key) {
  try {
    return localStorage.getItem(`smart-sensor-${key}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(`smart-sensor-${key}`, value);
  } catch {
    // Storage is closed to this page: it holds until the page is left.
  }
}

/**
 * The theme switch: as the system prefers, light, dark.
 * @param {() => void} changed called when the colours are other ones
 * @returns {() => void} switches to the next theme
 */
export function themeSwitch(changed) {
  const button = byId("theme");
  const show = () => {
    const theme = document.documentElement.dataset.theme ?? "auto";
    const text =
      { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" }[theme] ??
      "Theme";
    button.setAttribute("aria-label", text);
    button.title = text;
  };
  const next = () => {
    const theme = document.documentElement.dataset.theme ?? "auto";
    const chosen = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    remember("theme", chosen);
    show();
    changed();
  };
  button.addEventListener("click", next);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
  return next;
}
