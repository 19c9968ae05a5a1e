// Sweeps of ensembles: choice of runs and axes, and the three charts.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;

  function sweeps(section, given) {
    if (!section.querySelector('[data-slot="view"]')) return;
    let state = given;
    const { side, contents } = site.filters.framed(section);
    const count = site.controls.choice({
      name: "count",
      label: "Count by",
      value: state.count || "rank",
      options: [
        ["rank", "rank"],
        ["structure", "structure"],
      ],
      onInput: (to) => change({ count: to }, { quietly: true }),
    });
    const scale = site.controls.choice({
      name: "scale",
      label: "Loss",
      value: state.scale || "ratio",
      options: [
        ["ratio", "over that of collapse"],
        ["absolute", "itself"],
      ],
      onInput: (to) => change({ scale: to }, { quietly: true }),
    });
    const charts = {
      rates: site.chart({ name: "dnc-rate", title: "How often seeds collapse" }),
      counts: site.chart({ name: "endpoints", title: "What seeds end at", controls: [count] }),
      losses: site.chart({ name: "endpoint-losses", title: "Losses against the predicted levels", controls: [scale] }),
    };
    const pooled = element("p", { class: "note", "aria-live": "polite", "data-slot": "pooled" });
    replace(contents, pooled, charts.rates.element, charts.counts.element, charts.losses.element);

    function change(patch, { quietly = false } = {}) {
      state = "part" in patch ? patch : { ...state, ...patch };
      site.address.replace("sweeps", state);
      if (!quietly) build();
      show();
    }

    /** The setting across: as chosen, else the one with most values, numbers first. */
    function axes({ varying }) {
      const best = [...varying].sort((a, b) => b.numeric - a.numeric || b.values.length - a.values.length)[0];
      const x = varying.some(({ key }) => key === state.x) ? state.x : best?.key || "";
      const by = varying.some(({ key }) => key === state.by) && state.by !== x ? state.by : "";
      return { x, by, count: state.count || "rank", scale: state.scale || "ratio" };
    }

    function build() {
      const found = site.filters.chosen("simulate", state);
      const { x, by } = axes(found);
      const own = site.filters.axes({
        varying: found.varying,
        x,
        by,
        onX: (to) => change({ x: to, by: to === by ? "" : state.by }),
        onBy: (to) => change({ by: to }, { quietly: true }),
      });
      refill(side, site.filters.panel({ kind: "simulate", state, own, onChange: change }));
    }

    function show() {
      const found = site.filters.chosen("simulate", state);
      const how = axes(found);
      let points = null;
      const gather = () => (points ||= site.sweepPoints(found.runs, how.x, how.by));
      pooled.textContent = note(found, how);
      for (const [name, chart] of Object.entries(charts)) chart.update(() => site.sweepCharts[name](gather(), how));
      section.dataset.shown = JSON.stringify({ ...how, runs: found.runs.length });
    }

    /** Which settings are thrown together in one point. */
    function note({ runs }, { x, by }) {
      const mixed = site.runs.varying("simulate", runs).filter(({ key }) => key !== x && key !== by);
      const counted = site.numbers.counted(runs.length, "run");
      if (!mixed.length) return `${counted}.`;
      return `${counted}. Each point pools ${mixed
        .map(
          ({ key, values }) =>
            `${site.runs.label(key)} (${values
              .slice(0, 6)
              .map((value) => site.runs.text(key, value))
              .join(", ")}${values.length > 6 ? ", …" : ""})`,
        )
        .join("; ")}: split by one of these, or choose single values.`;
    }

    build();
    show();
  }

  site.views = { ...site.views, sweeps };
})(globalThis.deepcollapse);
