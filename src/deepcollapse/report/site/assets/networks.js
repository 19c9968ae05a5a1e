// Trained networks: choice of runs, two charts, and all of them in a table.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;
  const SHOWN = [
    "loss",
    "feature_model_objective",
    "dnc_loss",
    "bound",
    "rank",
    "rank_paper",
    "structure",
    "nc1",
    "train_error",
    "test_accuracy",
    "converged",
    "epochs",
  ];
  const HEADS = { loss: "objective", dnc_loss: "DNC bound", bound: "kind of bound" };

  function networks(section, given) {
    if (!section.querySelector('[data-slot="view"]')) return;
    let state = given;
    const { side, contents } = site.filters.framed(section);
    const charts = {
      objectives: site.chart({ name: "objectives", title: "Objective against the bound" }),
      spectra: site.chart({ name: "network-spectra", title: "Singular values of the logits" }),
    };
    const list = element("div", { class: "card" });
    replace(contents, charts.objectives.element, charts.spectra.element, list);

    function change(patch, { quietly = false } = {}) {
      state = "part" in patch ? patch : { ...state, ...patch };
      site.address.replace("networks", state);
      if (!quietly) build();
      show();
    }

    const all = () => site.filters.chosen("train", { part: "all", ...state });

    function axes({ varying }) {
      const has = (key) => varying.some((one) => one.key === key);
      const preferred = ["head.width", "head.gain", "data.source", "name"].find(has) || varying[0]?.key || "";
      const x = has(state.x) ? state.x : preferred;
      const by =
        state.by === undefined && has("data.source") && x !== "data.source"
          ? "data.source"
          : has(state.by) && state.by !== x
            ? state.by
            : "";
      return { x, by };
    }

    function build() {
      const found = all();
      const { x, by } = axes(found);
      const own = site.filters.axes({
        varying: found.varying,
        x,
        by,
        onX: (to) => change({ x: to }),
        onBy: (to) => change({ by: to }, { quietly: true }),
      });
      refill(side, site.filters.panel({ kind: "train", state: { part: "all", ...state }, own, onChange: change }));
    }

    function show() {
      const found = all();
      const how = axes(found);
      for (const [name, chart] of Object.entries(charts)) chart.update(() => site.networkCharts[name](found.runs, how));
      const { ids, settings, results } = site.runs.of("train");
      const keys = site.runs
        .varying("train", found.runs)
        .map(({ key }) => key)
        .slice(0, 5);
      const columns = [
        ["run", found.runs.map((run) => ids[run])],
        ...keys.map((key) => [site.runs.label(key), found.runs.map((run) => settings[key][run])]),
        ...SHOWN.filter((name) => results[name]).map((name) => [
          HEADS[name] || site.runs.resultLabel(name),
          found.runs.map((run) => results[name][run]),
        ]),
      ];
      replace(
        list,
        element("h2", { class: "card-title" }, "All chosen networks"),
        site.table({ columns, page: 25, cells: { run: site.runLink, ...site.runs.namedCells(SHOWN) } }),
      );
      section.dataset.shown = JSON.stringify({ ...how, runs: found.runs.length });
    }

    build();
    show();
  }

  /** A cell that leads to a run. */
  site.runLink = (id) => element("a", { href: site.address.link("run", { id }) }, element("code", {}, id));
  site.views = { ...site.views, networks };
})(globalThis.deepcollapse);
