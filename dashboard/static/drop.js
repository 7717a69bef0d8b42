/**
 * Files that are dropped anywhere on the page.
 */

/**
 * @param {HTMLElement} hint shown while files are over the page
 * @param {(files: File[]) => void} dropped
 */
export function takeDrops(hint, dropped) {
  /** Entered less left: each element on the way tells of both. */
  let depth = 0;
  /** @param {number} value */
  const set = (value) => {
    depth = Math.max(0, value);
    hint.hidden = depth === 0;
  };
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    set(depth + 1);
  });
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    // Without it the browser would open the file in place of the page.
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  window.addEventListener("dragleave", (event) => {
    if (hasFiles(event)) set(depth - 1);
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    set(0);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) dropped(files);
  });
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
