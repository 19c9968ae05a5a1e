// What is drawn of trained networks: objectives over the bound, singular values.
"use strict";

(function (site) {
  const { number } = site.numbers;
  const { label, text } = site.runs;
  const COLUMNS = [
    "loss",
    "feature_model_objective",
    "dnc_loss",
    "bound",
    "below_bound",
    "best_structure",
    "best_structure_loss",
    "converged",
  ];
  const levelName = (bound) => (bound === "exact" ? "bound" : bound);

  /**
   * What can be held against the DNC loss of a run: the objective where that is a bound of it; else the objective of
   * features and head alone, as a point of the feature model whose loss it is.
   */
  const comparable = (results, run) =>
    (results.bound[run] === "exact" ? results.loss : results.feature_model_objective)?.[run] ?? null;

  /** Objective over the DNC bound across a setting; below 1 the head is cheaper than collapse. */
  function objectives(runs, { x, by }) {
    const { ids, settings, results } = site.runs.of("train");
    const shown = runs.filter((run) => results.dnc_loss?.[run] && comparable(results, run) !== null);
    if (!shown.length)
      return { empty: "None of the chosen networks has a bound: it needs class means and a decay of each factor." };
    const at = (run) => (x ? settings[x][run] : "all");
    const { place, axis } = site.chartAxes.across(x, shown.map(at));
    const groups = site.chartAxes.distinct(shown.map((run) => (by ? settings[by][run] : null)));
    const ratio = (value, run) => (value === null || value === undefined ? null : value / results.dnc_loss[run]);
    const trace = (group, i, color) => {
      const own = shown.filter((run) => !by || settings[by][run] === group);
      return {
        type: "scatter",
        mode: "markers",
        name: by ? `${label(by)} ${text(by, group)}` : "network",
        x: own.map((run) => place(at(run))),
        y: own.map((run) => ratio(comparable(results, run), run)),
        marker: {
          size: 10,
          color: site.chartAxes.hue(i, groups.length, color),
          symbol: own.map((run) => (results.converged?.[run] ? "circle" : "circle-open")),
          line: { width: 2, color: site.chartAxes.hue(i, groups.length, color) },
        },
        customdata: own.map((run) => ids[run]),
        text: own.map(
          (run) =>
            `objective ${number(comparable(results, run))}, ${levelName(results.bound[run])} ` +
            `${number(results.dnc_loss[run])}<br>rank ${number(results.rank?.[run])}, ` +
            `${results.structure?.[run] || "no name"}`,
        ),
        hovertemplate: "%{text}<extra></extra>",
      };
    };
    const known = (color) => ({
      type: "scatter",
      mode: "markers",
      name: "best point known",
      x: shown.map((run) => place(at(run))),
      y: shown.map((run) => ratio(results.best_structure_loss?.[run], run)),
      marker: { symbol: "line-ew-open", size: 22, color: color("ink"), line: { width: 2, color: color("ink") } },
      text: shown.map((run) => `${results.best_structure?.[run]}: ${number(results.best_structure_loss?.[run])}`),
      hovertemplate: "%{text}<extra></extra>",
    });
    const held = shown.filter((run) => typeof results.below_bound?.[run] === "boolean");
    const below = held.filter((run) => results.below_bound[run]);
    const inexact = shown.some((run) => results.bound[run] !== "exact");
    return {
      caption:
        `Regularised objective at the end over the DNC bound, the line at 1. ${number(below.length)} of ` +
        `${number(held.length)} networks end below it. Open rings are networks that were still ` +
        "moving; bars are the best point known of the head's features model." +
        (inexact
          ? " Where the line is an estimate or no bound, the objective is that of features and head alone, as a " +
            "point of that model."
          : ""),
      table: {
        columns: [
          ["run", shown.map((run) => ids[run])],
          ...[x, by].filter(Boolean).map((key) => [key, shown.map((run) => settings[key][run])]),
          ...COLUMNS.map((name) => [name, shown.map((run) => results[name]?.[run] ?? null)]),
        ],
      },
      traces: (color) => [known(color), ...groups.map((group, i) => trace(group, i, color))],
      layout: ({ color }) => ({
        xaxis: axis,
        yaxis: { title: "objective over the bound" },
        shapes: [
          {
            type: "line",
            xref: "paper",
            x0: 0,
            x1: 1,
            y0: 1,
            y1: 1,
            line: { color: color("vermilion"), width: 1.75, dash: "dash" },
          },
        ],
      }),
    };
  }

  /** Singular values of the class-mean logits over the largest, one line a network. */
  function spectra(runs, { by }) {
    const { ids, settings, results } = site.runs.of("train");
    const shown = runs.filter((run) => results.singular_values?.[run]?.length);
    if (!shown.length) return { empty: "The chosen networks have no singular values." };
    const groups = site.chartAxes.distinct(shown.map((run) => (by ? settings[by][run] : null)));
    const floor = 1e-9;
    const line = (run, color) => {
      const values = results.singular_values[run];
      const group = groups.indexOf(by ? settings[by][run] : null);
      const first = shown.find((other) => !by || settings[by][other] === groups[group]) === run;
      const tone = site.chartAxes.hue(group, groups.length, color);
      return {
        type: "scatter",
        mode: "lines+markers",
        name: by ? `${label(by)} ${text(by, groups[group])}` : "network",
        legendgroup: String(group),
        showlegend: Boolean(by) && first,
        opacity: shown.length > 12 ? 0.5 : 0.9,
        x: values.map((_, i) => i + 1),
        y: values.map((value) => Math.max(value / values[0], floor)),
        line: { color: tone, width: 1.5 },
        marker: { color: tone, size: 5 },
        text: values.map((value) => `${ids[run]}: ${number(value)}`),
        hovertemplate: "%{text}<extra></extra>",
      };
    };
    const flat = shown.flatMap((run) => results.singular_values[run].map((value, i) => [ids[run], i + 1, value]));
    return {
      caption:
        "Collapse has K − 1 equal values; fewer that stay up are a lower rank. Values that are " +
        "not used decay as training goes on, down to rounding.",
      table: {
        columns: [
          ["run", flat.map((row) => row[0])],
          ["index", flat.map((row) => row[1])],
          ["singular_value", flat.map((row) => row[2])],
        ],
      },
      traces: (color) => shown.map((run) => line(run, color)),
      layout: {
        xaxis: { title: "index", dtick: 1 },
        yaxis: { title: "singular value over the largest", type: "log", exponentformat: "power", dtick: 2 },
      },
    };
  }

  site.networkCharts = Object.freeze({ objectives, spectra });
})(globalThis.deepcollapse);
