// Choosing runs: a part of a plan, and values of the settings that vary in it. The choice stands in the address.
"use strict";

(function (site) {
  const { element, replace } = site.elements;
  const ONLY = "only.";
  const BETWEEN = "|";

  /** The positions of the runs that a state chooses, and what varies among them before values are picked. */
  function chosen(kind, state) {
    const parts = site.runs.partsOf(kind);
    const all = site.runs.of(kind).ids.map((_, run) => run);
    const largest = parts.reduce((best, part) => (best && best.runs.length >= part.runs.length ? best : part), null);
    const wanted = state.part === undefined ? String(largest ? largest.index : "all") : state.part;
    const part = parts.find(({ index }) => String(index) === wanted);
    const inPart = part ? part.runs : all;
    const varying = site.runs.varying(kind, inPart);
    const only = varying.map(({ key }) => [key, picked(state, key)]).filter(([, values]) => values.length);
    const settings = site.runs.of(kind).settings;
    const runs = inPart.filter((run) => only.every(([key, values]) => values.includes(String(settings[key][run]))));
    return { parts, part: part ? wanted : "all", varying, runs, inPart };
  }

  const picked = (state, key) => (state[ONLY + key] ? state[ONLY + key].split(BETWEEN) : []);

  /** The state without choices of values; another part has other settings. */
  const cleared = (state) => Object.fromEntries(Object.entries(state).filter(([key]) => !key.startsWith(ONLY)));

  /** The panel: choice of part, the view's own controls, boxes for each setting. `change(patch, whole)`. */
  function panel({ kind, state, own = [], onChange }) {
    const { parts, part, varying } = chosen(kind, state);
    const options = [
      ...parts.map(({ index, name, runs }) => [String(index), `${name} (${site.numbers.counted(runs.length, "run")})`]),
      ["all", "All runs"],
    ];
    const ofPart = site.controls.choice({
      name: "part",
      label: "Part of the plan",
      options,
      value: part,
      onInput: (to) => onChange({ ...cleared(state), part: to, x: "", by: "" }),
    });
    const boxes = varying.map(({ key, values }) =>
      site.controls.boxes({
        name: `only-${key}`,
        label: site.runs.label(key),
        options: values.map((value) => [String(value), site.runs.text(key, value)]),
        chosen: picked(state, key),
        onInput: (to) => onChange({ [ONLY + key]: to.join(BETWEEN) }, { quietly: true }),
      }),
    );
    const head = boxes.length ? element("h2", { class: "filters-head" }, "Only runs with") : null;
    return element(
      "form",
      { class: "card panel", "aria-label": "Choice of runs", on: { submit: (event) => event.preventDefault() } },
      ofPart,
      own,
      head,
      boxes,
    );
  }

  /** The two choices of settings that a view's charts are drawn over. */
  function axes({ varying, x, by, onX, onBy }) {
    const options = varying.map(({ key }) => [key, site.runs.label(key)]);
    return [
      site.controls.choice({
        name: "x",
        label: "Across",
        value: x,
        options: options.length ? options : [["", "nothing varies"]],
        onInput: onX,
      }),
      site.controls.choice({
        name: "by",
        label: "Split by",
        value: by,
        options: [["", "nothing"], ...options.filter(([key]) => key !== x)],
        onInput: onBy,
      }),
    ];
  }

  /** A slot split in a panel and contents. */
  function framed(section) {
    const [side, contents] = [element("div"), element("div")];
    replace(section.querySelector('[data-slot="view"]'), element("div", { class: "with-panel" }, side, contents));
    return { side, contents };
  }

  site.filters = Object.freeze({ axes, chosen, panel, framed });
})(globalThis.deepcollapse);
