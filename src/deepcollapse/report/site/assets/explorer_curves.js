// Two charts of the explorer: how much dearer each family is than the cheapest over the decay, and R(d).
"use strict";

(function (site) {
  const { number, decay, exponentOfTwo } = site.numbers;
  const { familyOf, label } = site.structureNames;
  const LEAST = -20;
  const MOST = -1;
  const STEP = 0.25;
  const exponents = Array.from({ length: (MOST - LEAST) / STEP + 1 }, (_, i) => LEAST + i * STEP);
  const ticks = [-20, -16, -12, -8, -4, -1];

  /** The cheapest of each family at one decay: {family: point}. */
  function cheapest(points) {
    const found = {};
    for (const point of points) found[familyOf(point.name).family] ||= point;
    return found;
  }

  const powerAxis = (title) => ({ title, tickvals: ticks, ticktext: ticks.map((k) => decay(2 ** k)) });
  const here = (x, color) => ({
    type: "line",
    x0: x,
    x1: x,
    yref: "paper",
    y0: 0,
    y1: 1,
    line: { color: color("faint"), width: 1, dash: "dot" },
  });

  /** What is drawn of the losses over the decay. */
  function overDecay(problem, families) {
    const at = exponents.map((exponent) =>
      cheapest(site.closedForms.structures({ ...problem, decay: 2 ** exponent }, families)),
    );
    const least = at.map((points) => Math.min(...Object.values(points).map((point) => point.loss)));
    const present = site.structureNames.FAMILIES.filter(({ family }) => at.some((points) => points[family]));
    const curve = (family) =>
      at.map((points, i) => (points[family] ? 100 * (points[family].loss / least[i] - 1) : null));
    const height = Math.min(Math.max(40, ...curve("dnc").map((value) => 1.15 * value)), 250);
    const names = (family) =>
      at.map((points) => (points[family] ? `${label(points[family].name)}, loss ${number(points[family].loss)}` : ""));
    return {
      caption:
        "How much more each family costs than the cheapest one; the line at 0 is the cheapest. A " +
        "line ends where its structure has no stationary scale. The dotted line is the decay " +
        "chosen above.",
      table: {
        columns: [
          ["log2_decay", exponents],
          ...present.map(({ family }) => [`${family}_loss`, at.map((points) => points[family]?.loss ?? null)]),
        ],
      },
      traces: (color) =>
        present.map(({ family, label: text, color: name }) => ({
          type: "scatter",
          mode: "lines",
          name: text,
          x: exponents,
          y: curve(family),
          text: names(family),
          line: { color: color(name), width: 2.25, dash: family === "paired-trial" ? "dash" : "solid" },
          hovertemplate: "%{text}<br>%{y:.3g} % above the cheapest<extra></extra>",
        })),
      layout: ({ color }) => ({
        xaxis: { ...powerAxis("weight decay λ"), range: [LEAST, MOST] },
        yaxis: { title: "above the cheapest, %", range: [-0.025 * height, height] },
        shapes: [here(Math.log2(problem.decay), color)],
      }),
    };
  }

  /** What is drawn of the dimension ratio over the width, for a structure of lower rank. */
  function ratioOverWidth(problem, rival) {
    if (!rival) return { empty: "There is no named structure of a rank below that of collapse at this setting." };
    const k = problem.classes;
    const last = Math.max(6 * k, Math.min(2 * problem.width, 4000));
    const step = Math.max(1, Math.floor((last - k) / 200));
    const widths = Array.from({ length: Math.floor((last - k + 1) / step) + 1 }, (_, i) => k - 1 + i * step);
    const ratios = widths.map((width) => site.closedForms.dimensionRatio(rival, { ...problem, width }));
    const limit = (k - 1) / rival.rank;
    const curve = (name, kind, text, dash) => (color) => ({
      type: "scatter",
      mode: "lines",
      name: text,
      x: widths,
      y: ratios.map((ratio) => ratio[kind]),
      line: { color: color(name), width: 2.25, dash },
      hovertemplate: `d = %{x}<br>R = %{y:.4f}<extra>${kind}</extra>`,
    });
    const ceiling = (color) => ({
      type: "scatter",
      mode: "lines",
      name: "limit (K − 1) / r",
      x: [widths[0], last],
      y: [limit, limit],
      line: { color: color("faint"), width: 1.25, dash: "dash" },
      hoverinfo: "skip",
    });
    const most = Math.max(limit, ...ratios.map((ratio) => ratio.exact));
    return {
      caption:
        `Dimension of the set of solutions at collapse over that at ${label(rival.name)} (rank ` +
        `${rival.rank}). The wider the network, the larger the share of directions that lead to ` +
        `collapse, up to ${number(limit, 4)}. The paper counts subspaces of equal singular ` +
        "values; the exact count is the nullity of the Hessian.",
      table: {
        columns: [
          ["width", widths],
          ["ratio_exact", ratios.map((r) => r.exact)],
          ["ratio_paper", ratios.map((r) => r.paper)],
        ],
      },
      traces: (color) =>
        [
          curve("vermilion", "exact", "exact", "solid"),
          curve("blue", "paper", "as the paper counts", "solid"),
          ceiling,
        ].map((draw) => draw(color)),
      layout: ({ color }) => ({
        xaxis: { title: "width d", range: [widths[0], last] },
        yaxis: { title: "dimension ratio R(d)", range: [Math.min(0.9, ...ratios.map((r) => r.paper)), most * 1.04] },
        shapes: problem.width <= last ? [here(problem.width, color)] : [],
      }),
    };
  }

  site.explorerCurves = Object.freeze({ overDecay, ratioOverWidth, exponentOfTwo });
})(globalThis.deepcollapse);
