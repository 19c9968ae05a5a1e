// Tables that can be sorted and leafed through.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;
  const { number } = site.numbers;

  const shown = (value) => {
    if (value === true) return "yes";
    if (value === false) return "no";
    return typeof value === "number" ? number(value) : value === null || value === undefined ? "–" : value;
  };

  const numeric = (values) => {
    const present = values.filter((value) => value !== null && value !== undefined);
    return present.length > 0 && present.every((value) => typeof value === "number");
  };

  function compare(a, b) {
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  }

  const LONG = 40; // characters from which a column's text is broken into lines

  /** How a column is set: numbers to the right, long texts in several lines, everything else in one. */
  function manner(values) {
    if (numeric(values)) return "number";
    return values.some((value) => typeof value === "string" && value.length > LONG) ? "long" : "short";
  }

  /**
   * A table of columns [[name, values], ...]. Options: caption, page (rows at a time), cells ({name: (value, row) =>
   * node}), state ({sort, at}) and onChange(state) to remember what is shown.
   */
  function table({ columns, caption, page = 50, cells = {}, state = {}, onChange = () => {} }) {
    const count = columns.length ? columns[0][1].length : 0;
    const manners = columns.map(([, values]) => manner(values));
    const place = { sort: state.sort || "", at: Math.min(Number(state.at) || 0, Math.max(count - 1, 0)) };
    const body = element("tbody");
    const heads = columns.map(([name], index) => head(name, manners[index]));
    const pager = element("div", { class: "pager" });

    function head(name, set) {
      const order = () => {
        place.sort = place.sort === name ? `-${name}` : place.sort === `-${name}` ? "" : name;
        place.at = 0;
        fill();
        onChange({ ...place });
      };
      const button = element("button", { type: "button", class: "sort", on: { click: order } }, name);
      return element("th", { scope: "col", class: set }, button);
    }

    function rows() {
      const order = Array.from({ length: count }, (_, i) => i);
      const falling = place.sort.startsWith("-") && !columns.some(([name]) => name === place.sort);
      const column = columns.find(([name]) => name === (falling ? place.sort.slice(1) : place.sort));
      if (!column) return order;
      return order.sort((a, b) => (falling ? -1 : 1) * compare(column[1][a], column[1][b]));
    }

    function fill() {
      replace(
        body,
        rows()
          .slice(place.at, place.at + page)
          .map(line),
      );
      heads.forEach((one, index) => {
        const name = columns[index][0];
        const falling = place.sort === `-${name}`;
        one.setAttribute("aria-sort", place.sort === name ? "ascending" : falling ? "descending" : "none");
      });
      leaf();
    }

    function line(row) {
      return element(
        "tr",
        {},
        columns.map(([name, values], index) =>
          element("td", { class: manners[index] }, cells[name] ? cells[name](values[row], row) : shown(values[row])),
        ),
      );
    }

    function leaf() {
      if (count <= page) return;
      const go = (to) => () => {
        place.at = to;
        fill();
        onChange({ ...place });
      };
      const step = (text, to, off) =>
        element("button", { type: "button", disabled: off, "data-control": text, on: { click: go(to) } }, text);
      const last = Math.min(place.at + page, count);
      refill(
        pager,
        step("Previous", Math.max(place.at - page, 0), place.at === 0),
        element("span", { role: "status" }, `${number(place.at + 1)} to ${number(last)} of ${number(count)}`),
        step("Next", place.at + page, last === count),
      );
    }

    fill();
    const whole = element(
      "table",
      {},
      caption && element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads)),
      body,
    );
    const scroll = element(
      "div",
      {
        class: "scroll",
        tabindex: 0,
        role: "group",
        "aria-label": `${caption || "Table"}, scrolls sideways on small screens`,
      },
      whole,
    );
    return element("div", { class: "table" }, scroll, pager);
  }

  site.table = table;
})(globalThis.deepcollapse);
