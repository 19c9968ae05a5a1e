// What is drawn of a sweep: rate of collapse, ranks or structures of the endpoints.
"use strict";

(function (site) {
  const { number, percent, wilson, counted } = site.numbers;
  const { label, text } = site.runs;
  const { across, hue, shade, distinct, named } = site.chartAxes;
  const family = (name) => site.structureNames.FAMILIES.find((one) => one.family === name);

  const splits = (points) => distinct(points.map((point) => point.by));

  /** How often seeds end at collapse, with Wilson's interval. */
  function rates(points, { x, by }) {
    const rows = points.map((point) => ({
      ...point,
      rate: point.converged ? point.dnc / point.converged : null,
      interval: wilson(point.dnc, point.converged) || [null, null],
    }));
    if (!rows.some((row) => row.converged))
      return { empty: "None of the chosen seeds converged, so that there is no rate." };
    const { place, axis } = across(
      x,
      points.map((point) => point.x),
    );
    const groups = splits(points);
    const missing = rows.reduce((sum, row) => sum + row.notConverged, 0);
    const lost = rows.reduce((sum, row) => sum + row.diverged, 0);
    const total = rows.reduce((sum, row) => sum + row.seeds, 0);
    const trace = (group, i, color) => {
      const own = rows.filter((row) => row.by === group && row.converged);
      return {
        type: "scatter",
        mode: own.length > 1 && x ? "lines+markers" : "markers",
        name: by ? `${label(by)} ${text(by, group)}` : "collapse",
        x: own.map((row) => place(row.x)),
        y: own.map((row) => row.rate),
        line: { color: hue(i, groups.length, color), width: 2 },
        marker: { size: 7, color: hue(i, groups.length, color) },
        error_y: {
          type: "data",
          symmetric: false,
          array: own.map((row) => row.interval[1] - row.rate),
          arrayminus: own.map((row) => row.rate - row.interval[0]),
          thickness: 1.25,
          width: 3,
        },
        text: own.map(
          (row) =>
            `${text(x, row.x)}: ${row.dnc} of ${row.converged}, ${percent(row.interval[0])} to ` +
            `${percent(row.interval[1])}`,
        ),
        hovertemplate: "%{text}<extra></extra>",
      };
    };
    return {
      caption:
        "Share of converged seeds that end at deep neural collapse, with Wilson's 95% interval. " +
        `${counted(total, "seed")}; ${number(missing)} did not converge and ${number(lost)} ` +
        "diverged, and do not count.",
      table: {
        columns: [
          ...named(rows, { x, by }),
          ["seeds", rows.map((row) => row.seeds)],
          ["converged", rows.map((row) => row.converged)],
          ["not_converged", rows.map((row) => row.notConverged)],
          ["diverged", rows.map((row) => row.diverged)],
          ["dnc", rows.map((row) => row.dnc)],
          ["rate", rows.map((row) => row.rate)],
          ["low", rows.map((row) => row.interval[0])],
          ["high", rows.map((row) => row.interval[1])],
        ],
      },
      traces: (color) => groups.map((group, i) => trace(group, i, color)),
      layout: {
        xaxis: axis,
        yaxis: { title: "share at collapse", range: [-0.03, 1.03], tickformat: ".0%" },
        showlegend: Boolean(by),
      },
    };
  }

  /** Converged seeds by rank or by structure, stacked to one. */
  function counts(points, { x, by, count }) {
    const rows = points.filter((point) => point.converged);
    if (!rows.length) return { empty: "None of the chosen seeds converged." };
    const of = (row) => (count === "structure" ? row.families : row.ranks);
    const order = site.structureNames.FAMILIES.map((one) => one.family);
    const keys = [...new Set(rows.flatMap((row) => [...of(row).keys()]))].sort((a, b) =>
      count === "structure" ? order.indexOf(a) - order.indexOf(b) : a - b,
    );
    const places = rows.map((row) => text(x, row.x));
    const at = by ? [rows.map((row) => text(by, row.by)), places] : places;
    const trace = (key, i, color) => ({
      type: "bar",
      name: count === "structure" ? family(key).label : `rank ${key}`,
      x: at,
      y: rows.map((row) => (of(row).get(key) || 0) / row.converged),
      marker: {
        color:
          count === "structure" ? color(family(key).color) : shade(keys.length > 1 ? i / (keys.length - 1) : 1, color),
      },
      text: rows.map((row) => `${number(of(row).get(key) || 0)} of ${number(row.converged)}`),
      textposition: "none",
      hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
    });
    return {
      caption:
        count === "structure"
          ? "Converged seeds by the family of the structure they ended at."
          : "Converged seeds by the rank of their logits; collapse has rank K − 1.",
      table: {
        columns: [
          ...named(rows, { x, by }),
          ...keys.map((key) => [count === "structure" ? key : `rank_${key}`, rows.map((row) => of(row).get(key) || 0)]),
        ],
      },
      traces: (color) => keys.map((key, i) => trace(key, i, color)),
      layout: {
        barmode: "stack",
        bargap: 0.25,
        xaxis: { title: x ? label(x) : "", type: by ? "multicategory" : "category" },
        yaxis: { title: "share of converged seeds", tickformat: ".0%", range: [0, 1] },
        legend: { traceorder: "normal" },
      },
    };
  }

  site.sweepCharts = Object.freeze({ rates, counts, losses: site.lossChart });
})(globalThis.deepcollapse);
