// What is shown, in the address: "#view?name=value&...". A link copied from there restores it.
"use strict";

(function (site) {
  function read() {
    const [view, query = ""] = location.hash.slice(1).split("?");
    return { view, state: Object.fromEntries(new URLSearchParams(query)) };
  }

  /** The address of a view; entries that are empty are left out. */
  function link(view, state = {}) {
    const entries = Object.entries(state).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const query = new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString();
    return `#${view}${query ? `?${query}` : ""}`;
  }

  let late = 0;

  /** Put the state into the address without a new entry in the history; later where the browser limits how often. */
  function replace(view, state) {
    clearTimeout(late);
    try {
      history.replaceState(null, "", link(view, state));
    } catch {
      late = setTimeout(() => replace(view, state), 1000);
    }
  }

  site.address = Object.freeze({ read, link, replace });
})(globalThis.deepcollapse);
