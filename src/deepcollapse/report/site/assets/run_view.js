// One run: its settings, what came out, its files.
"use strict";

(function (site) {
  const { element, replace } = site.elements;
  const { number, counted } = site.numbers;

  const shown = (key, value) =>
    value === null || value === undefined
      ? "–"
      : Array.isArray(value)
        ? value.map((entry) => number(entry, 5)).join(", ")
        : site.runs.isName(key)
          ? site.structureNames.label(value)
          : site.runs.text(key, value);

  /** Names and values as a table of two columns. */
  function pairs(title, entries, label) {
    const rows = entries.map(([key, value]) =>
      element("tr", {}, element("th", { scope: "row" }, label(key)), element("td", {}, shown(key, value))),
    );
    return element(
      "div",
      { class: "card" },
      element("h2", { class: "card-title" }, title),
      element(
        "div",
        { class: "scroll", tabindex: 0, role: "group", "aria-label": title },
        element("table", {}, element("tbody", {}, rows)),
      ),
    );
  }

  const FILES = ["spec.json", "rows.parquet", "arrays.safetensors", "document.json", "notes.json"];

  function files(id, kind) {
    const { link } = site.data.store;
    const found = FILES.filter((file) => kind !== "theory" || file !== "arrays.safetensors");
    const name = (file) =>
      link === null ? file : element("a", { href: `${link}/runs/${id}/${encodeURIComponent(file)}` }, file);
    const items = found.map((file) => element("li", {}, name(file)));
    const note = "Links lead to the store's folder as it lay beside this page when it was written.";
    return element(
      "div",
      { class: "card" },
      element("h2", { class: "card-title" }, "Files"),
      element("ul", { class: "files" }, items),
      element("p", { class: "caption" }, note),
    );
  }

  function rows({ rows: found, count }) {
    const columns = Object.entries(site.columns.table(found));
    if (!columns.length) return null;
    const more =
      columns[0][1].length < count
        ? ` The first ${columns[0][1].length} of ${number(count)}; all are in rows.parquet.`
        : "";
    return element(
      "div",
      { class: "card" },
      element("h2", { class: "card-title" }, "Rows"),
      site.table({
        columns: columns.map(([name, cells]) => [site.runs.resultLabel(name), cells]),
        cells: site.runs.namedCells(columns.map(([name]) => name)),
        caption: `${counted(count, "row")} of the table of all runs.${more}`,
        page: 16,
      }),
    );
  }

  function theorems({ theorems: found }) {
    if (!found?.length) return null;
    const columns = ["theorem", "applies", "holds", "rechecked", "statement"].map((name) => [
      name,
      found.map((one) => one[name] ?? null),
    ]);
    return element(
      "div",
      { class: "card" },
      element("h2", { class: "card-title" }, "Theorems"),
      site.table({ columns }),
    );
  }

  /** Links to the views that show this run in its surroundings. */
  function ways(id, { kind, index }) {
    const claims = Object.entries(site.data.claims)
      .filter(([, ids]) => ids.includes(id))
      .map(([claim]) => element("a", { href: site.address.link("claims", { claim }) }, `claim ${claim}`));
    const parts = site.runs
      .of(kind)
      .parts[index].map((part) =>
        element("a", { href: site.address.link("runs", { kind, part }) }, site.runs.partName(part)),
      );
    const picture = site.data.pictured.ids.includes(id)
      ? element("a", { href: site.address.link("logits", { run: id }) }, "logits")
      : null;
    const all = [...parts, ...claims, picture].filter(Boolean);
    return all.length
      ? element("p", { class: "lead" }, ["In ", ...all.flatMap((one, i) => (i ? [", ", one] : [one]))])
      : null;
  }

  async function runView(section, { id = "" }) {
    const slot = section.querySelector('[data-slot="view"]');
    const place = site.runs.find(id);
    section.querySelector("h1").textContent = place ? `Run ${id}` : "Run";
    if (!place) {
      replace(
        slot,
        element(
          "p",
          { class: "card missing" },
          id ? `There is no finished run ${id} in this store.` : "No run was named.",
          " ",
          element("a", { href: "#runs" }, "All runs"),
        ),
      );
      return;
    }
    const { kind, index } = place;
    const of = site.runs.of(kind);
    const column = (table) => Object.entries(table).map(([key, cells]) => [key, cells[index]]);
    const settings = [
      ["kind", site.runs.KINDS[kind]],
      ...column(of.settings).filter(([, value]) => value !== null && value !== undefined),
    ];
    const rest = element("div", {}, element("p", { class: "note" }, "Loading …"));
    replace(
      slot,
      ways(id, place),
      element(
        "div",
        { class: "pair facing" },
        pairs("Settings", settings, site.runs.label),
        element("div", {}, pairs("Result", column(of.results), site.runs.resultLabel), rest),
      ),
      element("div", { "data-slot": "rows" }),
    );
    try {
      const name = `runs-${Math.floor(place.place / site.data.details.per_file)}`;
      const detail = (await site.columns.side(name))[id];
      if (site.address.read().state.id !== id) return;
      replace(rest, files(id, kind));
      replace(slot.querySelector('[data-slot="rows"]'), rows(detail), theorems(detail));
      section.dataset.shown = id;
    } catch (error) {
      replace(rest, element("p", { class: "wrong" }, error.message));
    }
  }

  site.views = { ...site.views, run: runView };
})(globalThis.deepcollapse);
