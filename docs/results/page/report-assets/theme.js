// Light and dark: what the system prefers, until the switch is used.
"use strict";

(function (site) {
  const KEY = "deepcollapse-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = new Set();

  /** Storage may be closed to pages opened from files. */
  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function store(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // the choice then lasts as long as the page
    }
  }

  let chosen = ["light", "dark"].includes(stored()) ? stored() : null;
  const isDark = () => (chosen ? chosen === "dark" : system.matches);

  function apply() {
    if (chosen) document.documentElement.dataset.theme = chosen;
    const button = document.getElementById("theme");
    if (button) {
      button.setAttribute("aria-pressed", String(isDark()));
      button.title = isDark() ? "Switch to light" : "Switch to dark";
    }
    listeners.forEach((listener) => listener());
  }

  function start() {
    document.getElementById("theme").addEventListener("click", () => {
      chosen = isDark() ? "light" : "dark";
      store(chosen);
      apply();
    });
    system.addEventListener("change", apply);
    apply();
  }

  /** The value of a colour of the style sheet ("ink", "blue", ...) at this moment. */
  function color(name) {
    const probe = document.getElementById("probe");
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  const onChange = (listener) => listeners.add(listener);

  if (chosen) document.documentElement.dataset.theme = chosen;
  site.theme = Object.freeze({ start, color, onChange, isDark });
})(globalThis.deepcollapse);
