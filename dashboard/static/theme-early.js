/* Before the first paint, so that a remembered theme does not flash. Not a module: those wait. */
(() => {
  try {
    const theme = localStorage.getItem("smart-sensor-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    /* Storage is closed to this page: the preference of the system stays. */
  }
})();
