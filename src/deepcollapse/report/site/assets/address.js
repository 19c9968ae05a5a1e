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

  /** Put the state into the address without a new entry in the history. */
  const replace = (view, state) => history.replaceState(null, "", link(view, state));

  site.address = Object.freeze({ read, link, replace });
})(globalThis.deepcollapse);
