// What charts of runs share: the axis of a setting, colours of groups, the columns that say where a row belongs.
"use strict";

(function (site) {
  const { label, text, inOrder } = site.runs;
  const PALETTE = ["blue", "vermilion", "green", "purple", "orange", "sky"];

  const channels = (color) =>
    color
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);

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
      return {
        place: (value) => text(key, value),
        axis: { title, type: "category", categoryorder: "array", categoryarray: texts },
      };
    const wide = all[0] > 0 && all[all.length - 1] >= 8 * all[0];
    const shown = all.length <= 9 ? all : all.filter((_, i) => i % Math.ceil(all.length / 9) === 0);
    const ticks = { tickvals: shown, ticktext: shown.map((value) => text(key, value)) };
    return { place: (value) => value, axis: { title, type: wide ? "log" : "linear", ...ticks } };
  }

  /** The columns that say where a row belongs. */
  const named = (rows, { x, by }) =>
    [
      [x, rows.map((row) => row.x)],
      [by, rows.map((row) => row.by)],
    ].filter(([name]) => name);

  site.chartAxes = Object.freeze({ across, hue, shade, distinct, named });
})(globalThis.deepcollapse);
