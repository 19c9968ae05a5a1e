// Logits of a run's endpoints as pictures, with their spectra, beside what theory predicts.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;
  const { number, counted } = site.numbers;

  /** The pictured runs by part: [[key, name, ids]]. */
  function groups() {
    const found = new Map();
    for (const id of site.data.pictured.ids) {
      const { kind, index } = site.runs.find(id);
      const places = site.runs.of(kind).parts[index];
      for (const place of places.length ? places : [kind]) {
        const name = typeof place === "number" ? site.runs.partName(place) : kind;
        if (!found.has(String(place))) found.set(String(place), { name, kind, ids: [] });
        found.get(String(place)).ids.push(id);
      }
    }
    return found;
  }

  /** Runs of a part told apart by their settings. */
  function runOptions({ ids }) {
    const found = ids.map((id) => ({ id, ...site.runs.find(id) }));
    const kind = found[0].kind;
    const keys = site.runs
      .varying(
        kind,
        found.map(({ index }) => index),
      )
      .map(({ key }) => key)
      .slice(0, 4);
    const text = ({ id, index }) => (keys.length ? site.runs.brief(kind, index, keys) : id);
    const inOrder = (a, b) =>
      keys.reduce(
        (sum, key) =>
          sum ||
          site.runs.inOrder(site.runs.of(kind).settings[key][a.index], site.runs.of(kind).settings[key][b.index]),
        0,
      );
    return found.sort(inOrder).map((one) => [one.id, text(one)]);
  }

  /** What theory has for an endpoint: the named structure of the run's model, or null. */
  function predicted(kind, index, name) {
    const { settings } = site.runs.of(kind);
    const of = (key) => settings[key]?.[index];
    if (!name || kind === "train" || of("activation") !== "linear" || of("loss") !== "ce") return null;
    const problem = {
      classes: of("classes"),
      layers: of("layers"),
      decay: of("decay"),
      samples: of("samples"),
      width: of("width"),
    };
    if (Object.values(problem).some((value) => typeof value !== "number")) return null;
    return (
      site.closedForms.structures(problem).find((point) => point.name === (name === "dnc" ? "simplex" : name)) || null
    );
  }

  const { heatMap, spectrum } = site.matrixCharts;

  function logits(section, given) {
    const slot = section.querySelector('[data-slot="view"]');
    if (!site.data.pictured.ids.length) {
      replace(
        slot,
        element(
          "p",
          { class: "card missing" },
          "No run in this store has logits yet: ensembles, searches and networks have them.",
        ),
      );
      return;
    }
    let state = given;
    const all = groups();
    const controls = element("div", { class: "card row picks" });
    const facts = element("p", { class: "answer", "aria-live": "polite" });
    const charts = {
      logits: site.chart({ name: "logits", title: "Class logits" }),
      values: site.chart({ name: "singular-values", title: "Singular values" }),
    };
    const total = Object.values(site.data.kinds).reduce((sum, kind) => sum + kind.ids.length, 0);
    const which =
      `Shown for ${number(site.data.pictured.ids.length)} of ${counted(total, "run")}: those ` +
      "that claims rest on, and runs spread evenly over every part; at most 16 endpoints each. " +
      "All others are in arrays.safetensors in their run's folder.";
    replace(
      slot,
      controls,
      facts,
      element("div", { class: "pair" }, charts.logits.element, charts.values.element),
      element("p", { class: "note" }, which),
    );

    function change(patch) {
      state = { ...state, ...patch };
      site.address.replace("logits", state);
      show();
    }

    function part() {
      const holding = state.run && [...all.keys()].find((key) => all.get(key).ids.includes(state.run));
      const key = all.has(state.part) ? state.part : holding || [...all.keys()][0];
      return { key, group: all.get(key) };
    }

    async function show() {
      const { key, group } = part();
      const id = group.ids.includes(state.run) ? state.run : runOptions(group)[0][0];
      const place = site.data.pictured.ids.indexOf(id);
      try {
        const content = await site.columns.side(`matrices-${Math.floor(place / site.data.pictured.per_file)}`);
        draw({ key, group, id, found: content[id] });
      } catch (error) {
        replace(facts, error.message);
      }
    }

    function draw({ key, group, id, found }) {
      const at = Math.min(Math.max(Number(state.end) || 0, 0), found.labels.length - 1);
      const { kind, index } = site.runs.find(id);
      const theory = predicted(kind, index, found.structures[at]);
      const matrix = site.columns.matrices(found.logits, found.classes)[at];
      const order = state.order === "as-is" ? null : site.logitPatterns.grouped(matrix);
      pickers({ key, group, id, found, at });
      replace(facts, sentence(found, at, theory), site.runLink(id));
      charts.logits.update(() => heatMap(matrix, order));
      charts.values.update(() => spectrum(found.values[at], theory));
      section.dataset.shown = JSON.stringify({ run: id, end: at, order: order ? "grouped" : "as-is" });
    }

    function sentence(found, at, theory) {
      const name = found.structures[at] ? site.structureNames.label(found.structures[at]) : "no name";
      const loss = found.losses[at] === null ? "" : `, with a loss of ${number(found.losses[at], 8)}`;
      const gap = theory && found.losses[at] !== null ? ` (in theory ${number(theory.loss, 8)})` : "";
      return [
        `${found.labels[at][0].toUpperCase()}${found.labels[at].slice(1)}: `,
        element("strong", {}, name),
        `${loss}${gap}. Run `,
      ];
    }

    function pickers({ key, group, id, found, at }) {
      const { choice } = site.controls;
      const step = (text, by) =>
        element(
          "button",
          {
            type: "button",
            class: "button",
            disabled: !found.labels[at + by],
            "data-control": text,
            on: { click: () => change({ end: String(at + by) }) },
          },
          text,
        );
      const ends = found.labels.map((label, i) => [
        String(i),
        `${label}: ${found.structures[i] ? site.structureNames.label(found.structures[i]) : "no name"}`,
      ]);
      refill(
        controls,
        choice({
          name: "part",
          label: "Part",
          value: key,
          options: [...all].map(([index, { name }]) => [index, name]),
          onInput: (to) => change({ part: to, run: "", end: "" }),
        }),
        choice({
          name: "run",
          label: "Run",
          value: id,
          options: runOptions(group),
          onInput: (to) => change({ part: key, run: to, end: "" }),
        }),
        choice({
          name: "end",
          label: "Endpoint",
          value: String(at),
          options: ends,
          onInput: (to) => change({ part: key, run: id, end: to }),
        }),
        element("div", { class: "steps" }, step("Previous", -1), step("Next", 1)),
        choice({
          name: "order",
          label: "Classes",
          value: state.order || "grouped",
          options: [
            ["grouped", "grouped"],
            ["as-is", "in order"],
          ],
          onInput: (to) => change({ order: to }),
        }),
      );
    }

    show();
  }

  site.views = { ...site.views, logits };
})(globalThis.deepcollapse);
