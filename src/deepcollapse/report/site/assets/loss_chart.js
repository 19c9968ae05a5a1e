// What is drawn of a sweep's endpoints: their losses beside those that theory predicts.
"use strict";

(function (site) {
  const { number, counted } = site.numbers;
  const { across, named } = site.chartAxes;
  const MOVING = { family: "moving", label: "undecided", color: "grey" };

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
    const shown = merged(
      ends.filter((end) => value(end.loss, end) !== null),
      (end) => value(end.loss, end),
    );
    if (!shown.length)
      return {
        empty:
          ratio && ends.length
            ? "Collapse does not exist at these settings; choose the losses themselves."
            : "There are no endpoints to show.",
      };
    const { place, axis } = across(
      x,
      points.map((point) => point.x),
    );
    const families = [...site.structureNames.FAMILIES, MOVING].filter((one) =>
      shown.some((end) => end.family === one.family),
    );
    const most = Math.max(...shown.map((end) => end.seeds));
    const trace = (one, color) => {
      const own = shown.filter((end) => end.family === one.family);
      return {
        type: "scatter",
        mode: "markers",
        name: one.label,
        x: own.map((end) => place(end.x)),
        y: own.map((end) => value(end.loss, end)),
        marker: {
          color: color(one.color),
          opacity: 0.8,
          size: own.map((end) => 5 + 11 * Math.sqrt(end.seeds / most)),
          symbol: one === MOVING ? "x-thin-open" : "circle",
          line: { width: one === MOVING ? 1.5 : 0 },
        },
        text: own.map(
          (end) =>
            `${end.structure ? site.structureNames.label(end.structure) : "undecided"}, ` +
            `${counted(end.seeds, "seed")}<br>loss ${number(end.loss)}`,
        ),
        hovertemplate: "%{text}<extra></extra>",
      };
    };
    const levels = points.flatMap((point) => [...point.levels.values()].map((level) => ({ x: point.x, ...level })));
    const level = (name, pick, colorName) => (color) => ({
      type: "scatter",
      mode: "markers",
      name,
      x: levels.map((one) => place(one.x)),
      y: levels.map((one) => value(pick(one), one)),
      marker: {
        symbol: "line-ew-open",
        size: 26,
        color: color(colorName),
        line: { width: 2, color: color(colorName) },
      },
      text: levels.map((one) => `${name}: ${number(pick(one))}`),
      hovertemplate: "%{text}<extra></extra>",
    });
    const predicted = [
      level("collapse, predicted", (one) => one.dncLoss, "vermilion"),
      level("best known, predicted", (one) => one.bestLoss, "ink"),
    ];
    return {
      caption:
        "Each disc is a point where seeds ended, its area how many. The bars are predictions: " +
        `collapse, and the best point known.${by ? " All splits are shown together." : ""}`,
      table: {
        columns: [
          ...named(shown, { x, by }),
          ["status", shown.map((end) => end.status)],
          ["structure", shown.map((end) => end.structure)],
          ["rank", shown.map((end) => end.rank)],
          ["loss", shown.map((end) => end.loss)],
          ["seeds", shown.map((end) => end.seeds)],
          ["dnc_loss", shown.map((end) => end.dncLoss)],
          ["best_structure", shown.map((end) => end.best)],
          ["best_structure_loss", shown.map((end) => end.bestLoss)],
        ],
      },
      traces: (color) => [...predicted.map((draw) => draw(color)), ...families.map((one) => trace(one, color))],
      layout: { height: 420, xaxis: axis, yaxis: { title: ratio ? "loss over that of collapse" : "loss" } },
    };
  }

  site.lossChart = losses;
})(globalThis.deepcollapse);
