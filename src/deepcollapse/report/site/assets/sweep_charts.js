// What is drawn of a sweep: rate of collapse, ranks or structures, losses against the predicted levels.
"use strict";

(function (site) {
  const { number, percent, wilson, counted } = site.numbers;
  const { label, text, inOrder } = site.runs;
  const PALETTE = ["blue", "vermilion", "green", "purple", "orange", "sky"];
  const MOVING = { family: "moving", label: "not converged", color: "grey" };
  const family = (name) => site.structureNames.FAMILIES.find((one) => one.family === name) || MOVING;

  const channels = (color) => color.match(/[\d.]+/g).slice(0, 3).map(Number);

  /** A shade from light to dark. */
  function shade(share, color) {
    const [low, high] = [channels(color("shade-low")), channels(color("shade-high"))];
    return `rgb(${low.map((value, i) => Math.round(value + share * (high[i] - value))).join(",")})`;
  }

  const hue = (i, count, color) => (count <= PALETTE.length ? color(PALETTE[i]) : shade(i / (count - 1), color));

  const distinct = (values) => [...new Set(values)].sort(inOrder);

  /** The horizontal axis of a setting: logarithmic where numbers spread widely, a list where they are no numbers. */
  function across(key, values) {
    const title = key ? label(key) : "";
    const all = distinct(values);
    const texts = all.map((value) => text(key, value));
    if (!all.every((value) => typeof value === "number") || all.length < 2)
      return { place: (value) => text(key, value), axis: { title, type: "category", categoryorder: "array", categoryarray: texts } };
    const wide = all[0] > 0 && all[all.length - 1] >= 8 * all[0];
    const shown = all.length <= 9 ? all : all.filter((_, i) => i % Math.ceil(all.length / 9) === 0);
    const ticks = { tickvals: shown, ticktext: shown.map((value) => text(key, value)) };
    return { place: (value) => value, axis: { title, type: wide ? "log" : "linear", ...ticks } };
  }

  const splits = (points) => distinct(points.map((point) => point.by));

  /** How often seeds end at collapse, with Wilson's interval. */
  function rates(points, { x, by }) {
    const rows = points.map((point) => ({ ...point, rate: point.converged ? point.dnc / point.converged : null, interval: wilson(point.dnc, point.converged) || [null, null] }));
    if (!rows.some((row) => row.converged)) return { empty: "None of the chosen seeds converged, so that there is no rate." };
    const { place, axis } = across(x, points.map((point) => point.x));
    const groups = splits(points);
    const missing = rows.reduce((sum, row) => sum + row.notConverged, 0);
    const lost = rows.reduce((sum, row) => sum + row.diverged, 0);
    const total = rows.reduce((sum, row) => sum + row.seeds, 0);
    const trace = (group, i, color) => {
      const own = rows.filter((row) => row.by === group && row.converged);
      return {
        type: "scatter", mode: own.length > 1 && x ? "lines+markers" : "markers", name: by ? `${label(by)} ${text(by, group)}` : "collapse",
        x: own.map((row) => place(row.x)), y: own.map((row) => row.rate),
        line: { color: hue(i, groups.length, color), width: 2 }, marker: { size: 7, color: hue(i, groups.length, color) },
        error_y: { type: "data", symmetric: false, array: own.map((row) => row.interval[1] - row.rate), arrayminus: own.map((row) => row.rate - row.interval[0]), thickness: 1.25, width: 3 },
        text: own.map((row) => `${text(x, row.x)}: ${row.dnc} of ${row.converged}, ${percent(row.interval[0])} to ${percent(row.interval[1])}`), hovertemplate: "%{text}<extra></extra>",
      };
    };
    return {
      caption: `Share of converged seeds that end at deep neural collapse, with Wilson's 95% interval. ${counted(total, "seed")}; ${number(missing)} did not converge and ${number(lost)} diverged, and do not count.`,
      table: { columns: [
        ...named(rows, { x, by }), ["seeds", rows.map((row) => row.seeds)], ["converged", rows.map((row) => row.converged)],
        ["not_converged", rows.map((row) => row.notConverged)], ["diverged", rows.map((row) => row.diverged)], ["dnc", rows.map((row) => row.dnc)],
        ["rate", rows.map((row) => row.rate)], ["low", rows.map((row) => row.interval[0])], ["high", rows.map((row) => row.interval[1])],
      ] },
      traces: (color) => groups.map((group, i) => trace(group, i, color)),
      layout: { xaxis: axis, yaxis: { title: "share at collapse", range: [-0.03, 1.03], tickformat: ".0%" }, showlegend: Boolean(by) },
    };
  }

  /** The columns that say where a row belongs. */
  const named = (rows, { x, by }) => [[x, rows.map((row) => row.x)], [by, rows.map((row) => row.by)]].filter(([name]) => name);

  /** Converged seeds by rank or by structure, stacked to one. */
  function counts(points, { x, by, count }) {
    const rows = points.filter((point) => point.converged);
    if (!rows.length) return { empty: "None of the chosen seeds converged." };
    const of = (row) => (count === "structure" ? row.families : row.ranks);
    const order = site.structureNames.FAMILIES.map((one) => one.family);
    const keys = [...new Set(rows.flatMap((row) => [...of(row).keys()]))].sort((a, b) => (count === "structure" ? order.indexOf(a) - order.indexOf(b) : a - b));
    const places = rows.map((row) => text(x, row.x));
    const at = by ? [rows.map((row) => text(by, row.by)), places] : places;
    const trace = (key, i, color) => ({
      type: "bar", name: count === "structure" ? family(key).label : `rank ${key}`, x: at, y: rows.map((row) => (of(row).get(key) || 0) / row.converged),
      marker: { color: count === "structure" ? color(family(key).color) : shade(keys.length > 1 ? i / (keys.length - 1) : 1, color) },
      text: rows.map((row) => `${number(of(row).get(key) || 0)} of ${number(row.converged)}`), textposition: "none", hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
    });
    return {
      caption: count === "structure" ? "Converged seeds by the family of the structure they ended at." : "Converged seeds by the rank of their logits; collapse has rank K − 1.",
      table: { columns: [...named(rows, { x, by }), ...keys.map((key) => [count === "structure" ? key : `rank_${key}`, rows.map((row) => of(row).get(key) || 0)])] },
      traces: (color) => keys.map((key, i) => trace(key, i, color)),
      layout: { barmode: "stack", bargap: 0.25, xaxis: { title: x ? label(x) : "", type: by ? "multicategory" : "category" }, yaxis: { title: "share of converged seeds", tickformat: ".0%", range: [0, 1] }, legend: { traceorder: "normal" } },
    };
  }

  /** Endpoints that would lie on each other as one: the same setting and family, heights within a part in 2,000. */
  function merged(ends, height) {
    const heights = ends.map(height);
    const step = (Math.max(...heights) - Math.min(...heights)) / 2000 || 1;
    const found = new Map();
    ends.forEach((end, i) => {
      const key = JSON.stringify([end.x, end.by, end.family, end.structure, Math.round(heights[i] / step)]);
      if (found.has(key)) found.get(key).seeds += end.seeds;
      else found.set(key, { ...end });
    });
    return [...found.values()];
  }

  /** Losses of endpoints beside those that theory predicts, as they are or over that of collapse. */
  function losses(points, { x, by, scale }) {
    const ratio = scale !== "absolute";
    const ends = points.flatMap((point) => point.losses.map((end) => ({ ...end, x: point.x, by: point.by })));
    const value = (loss, end) => (loss === null || (ratio && !end.dncLoss) ? null : ratio ? loss / end.dncLoss : loss);
    const shown = merged(ends.filter((end) => value(end.loss, end) !== null), (end) => value(end.loss, end));
    if (!shown.length) return { empty: ratio && ends.length ? "Collapse does not exist at these settings; choose the losses themselves." : "There are no endpoints to show." };
    const { place, axis } = across(x, points.map((point) => point.x));
    const families = [...site.structureNames.FAMILIES, MOVING].filter((one) => shown.some((end) => end.family === one.family));
    const most = Math.max(...shown.map((end) => end.seeds));
    const trace = (one, color) => {
      const own = shown.filter((end) => end.family === one.family);
      return {
        type: "scatter", mode: "markers", name: one.label, x: own.map((end) => place(end.x)), y: own.map((end) => value(end.loss, end)),
        marker: { color: color(one.color), opacity: 0.8, size: own.map((end) => 5 + 11 * Math.sqrt(end.seeds / most)), symbol: one === MOVING ? "x-thin-open" : "circle", line: { width: one === MOVING ? 1.5 : 0 } },
        text: own.map((end) => `${end.structure ? site.structureNames.label(end.structure) : "not converged"}, ${counted(end.seeds, "seed")}<br>loss ${number(end.loss)}`), hovertemplate: "%{text}<extra></extra>",
      };
    };
    const levels = points.flatMap((point) => [...point.levels.values()].map((level) => ({ x: point.x, ...level })));
    const level = (name, pick, colorName) => (color) => ({
      type: "scatter", mode: "markers", name, x: levels.map((one) => place(one.x)), y: levels.map((one) => value(pick(one), one)),
      marker: { symbol: "line-ew-open", size: 26, color: color(colorName), line: { width: 2, color: color(colorName) } }, text: levels.map((one) => `${name}: ${number(pick(one))}`), hovertemplate: "%{text}<extra></extra>",
    });
    const predicted = [level("collapse, predicted", (one) => one.dncLoss, "vermilion"), level("best known, predicted", (one) => one.bestLoss, "ink")];
    return {
      caption: `Each disc is a point where seeds ended, its area how many. The bars are predictions: collapse, and the best point known.${by ? " All splits are shown together." : ""}`,
      table: { columns: [
        ...named(shown, { x, by }), ["status", shown.map((end) => end.status)], ["structure", shown.map((end) => end.structure)], ["rank", shown.map((end) => end.rank)],
        ["loss", shown.map((end) => end.loss)], ["seeds", shown.map((end) => end.seeds)], ["dnc_loss", shown.map((end) => end.dncLoss)], ["best_structure", shown.map((end) => end.best)], ["best_structure_loss", shown.map((end) => end.bestLoss)],
      ] },
      traces: (color) => [...predicted.map((draw) => draw(color)), ...families.map((one) => trace(one, color))],
      layout: { height: 420, xaxis: axis, yaxis: { title: ratio ? "loss over that of collapse" : "loss" } },
    };
  }

  site.sweepCharts = Object.freeze({ rates, counts, losses, across, hue, distinct });
})(globalThis.deepcollapse);
