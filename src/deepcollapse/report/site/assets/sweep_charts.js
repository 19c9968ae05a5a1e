// What is drawn of a sweep: rate of collapse, ranks or structures of the endpoints.
"use strict";

(function (site) {
  const { number, percent, wilson, counted } = site.numbers;
  const { label, text } = site.runs;
  const { across, hue, shade, distinct, named } = site.chartAxes;
  const family = (name) => site.structureNames.FAMILIES.find((one) => one.family === name);

  const splits = (points) => distinct(points.map((point) => point.by));

  /** A point with the share of seeds at collapse, null while some are undecided, and bounds with Wilson's interval. */
  function withRate(point) {
    const undecided = point.seeds - point.decided;
    return {
      ...point,
      undecided,
      rate: undecided || !point.seeds ? null : point.dnc / point.seeds,
      interval: point.seeds
        ? [wilson(point.dnc, point.seeds)[0], wilson(point.dnc + undecided, point.seeds)[1]]
        : [null, null],
    };
  }

  /** How often seeds end at collapse, with Wilson's interval. */
  function rates(points, { x, by }) {
    const rows = points.map(withRate);
    if (!rows.some((row) => row.seeds)) return { empty: "There are no seeds to count." };
    const { place, axis } = across(
      x,
      points.map((point) => point.x),
    );
    const groups = splits(points);
    const open = rows.reduce((sum, row) => sum + row.undecided, 0);
    const lost = rows.reduce((sum, row) => sum + row.diverged, 0);
    const total = rows.reduce((sum, row) => sum + row.seeds, 0);
    const trace = (group, i, color) => {
      const own = rows.filter((row) => row.by === group && row.seeds);
      const heights = own.map((row) => row.rate ?? (row.interval[0] + row.interval[1]) / 2);
      return {
        type: "scatter",
        mode: own.length > 1 && x && own.every((row) => row.rate !== null) ? "lines+markers" : "markers",
        name: by ? `${label(by)} ${text(by, group)}` : "collapse",
        x: own.map((row) => place(row.x)),
        y: heights,
        line: { color: hue(i, groups.length, color), width: 2 },
        marker: {
          size: own.map((row) => (row.rate === null ? 0 : 7)),
          sizemin: 0,
          color: hue(i, groups.length, color),
        },
        error_y: {
          type: "data",
          symmetric: false,
          array: own.map((row, j) => row.interval[1] - heights[j]),
          arrayminus: own.map((row, j) => heights[j] - row.interval[0]),
          thickness: 1.25,
          width: 3,
        },
        text: own.map(
          (row) =>
            `${text(x, row.x)}: ${row.dnc} of ${row.seeds}, ${row.undecided} undecided, ` +
            `${percent(row.interval[0])} to ${percent(row.interval[1])}`,
        ),
        hovertemplate: "%{text}<extra></extra>",
      };
    };
    return {
      caption:
        "Share of seeds that end at deep neural collapse, with Wilson's 95% interval. Where seeds are undecided the " +
        "interval leaves room for all of them, and there is no mark. " +
        `${counted(total, "seed")}; ${number(open)} undecided, of which ${number(lost)} diverged.`,
      table: {
        columns: [
          ...named(rows, { x, by }),
          ["seeds", rows.map((row) => row.seeds)],
          ["undecided", rows.map((row) => row.undecided)],
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

  /** Seeds by rank or by structure, stacked to one; those that are undecided come last. */
  function counts(points, { x, by, count }) {
    const rows = points.filter((point) => point.decided);
    if (!rows.length) return { empty: "None of the chosen seeds is decided." };
    const of = (row) => (count === "structure" ? row.families : row.ranks);
    const order = site.structureNames.FAMILIES.map((one) => one.family);
    const keys = [...new Set(rows.flatMap((row) => [...of(row).keys()]))].sort((a, b) =>
      count === "structure" ? order.indexOf(a) - order.indexOf(b) : a - b,
    );
    const places = rows.map((row) => text(x, row.x));
    const at = by ? [rows.map((row) => text(by, row.by)), places] : places;
    const bars = (name, height) => ({
      type: "bar",
      name,
      x: at,
      y: rows.map((row) => height(row) / row.seeds),
      text: rows.map((row) => `${number(height(row))} of ${number(row.seeds)}`),
      textposition: "none",
      hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
    });
    const open = (color) => ({
      ...bars("undecided", (row) => row.seeds - row.decided),
      marker: { color: color("grey"), pattern: { shape: "/" } },
    });
    const trace = (key, i, color) => ({
      ...bars(count === "structure" ? family(key).label : `rank ${key}`, (row) => of(row).get(key) || 0),
      marker: {
        color:
          count === "structure" ? color(family(key).color) : shade(keys.length > 1 ? i / (keys.length - 1) : 1, color),
      },
    });
    return {
      caption:
        count === "structure"
          ? "Seeds by the family of the structure they ended at."
          : "Seeds by the rank of their logits; collapse has rank K − 1.",
      table: {
        columns: [
          ...named(rows, { x, by }),
          ...keys.map((key) => [count === "structure" ? key : `rank_${key}`, rows.map((row) => of(row).get(key) || 0)]),
          ["undecided", rows.map((row) => row.seeds - row.decided)],
        ],
      },
      traces: (color) => [
        ...keys.map((key, i) => trace(key, i, color)),
        ...(rows.some((row) => row.seeds > row.decided) ? [open(color)] : []),
      ],
      layout: {
        barmode: "stack",
        bargap: 0.25,
        xaxis: { title: x ? label(x) : "", type: by ? "multicategory" : "category" },
        yaxis: { title: "share of seeds", tickformat: ".0%", range: [0, 1] },
        legend: { traceorder: "normal" },
      },
    };
  }

  site.sweepCharts = Object.freeze({ rates, counts, losses: site.lossChart });
})(globalThis.deepcollapse);
