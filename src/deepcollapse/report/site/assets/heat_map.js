// Pictures of square matrices: red above zero, blue below, the card's colour at zero.
"use strict";

(function (site) {
  const { element } = site.elements;
  const SIDE = 10; // pixels of an entry before the page scales the picture

  const channels = (color) =>
    color
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
  const mixed = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));

  /** Three colours as [r, g, b]: below, at and above zero. */
  const palette = () => ["heat-low", "card", "heat-high"].map((name) => channels(site.theme.color(name)));

  function paint(canvas, matrix) {
    const [low, middle, high] = palette();
    const most = site.logitPatterns.largest(matrix) || 1;
    const pen = canvas.getContext("2d");
    canvas.width = canvas.height = SIDE * matrix.length;
    matrix.forEach((row, i) =>
      row.forEach((value, j) => {
        const share = Math.abs(value) / most;
        pen.fillStyle = `rgb(${mixed(middle, value < 0 ? low : high, share ** 0.8).join(" ")})`;
        pen.fillRect(SIDE * j, SIDE * i, SIDE, SIDE);
      }),
    );
  }

  /** A small picture of a matrix with its description. */
  function picture(matrix, description) {
    const canvas = element("canvas", { role: "img", "aria-label": description });
    paint(canvas, matrix);
    site.theme.onChange(() => canvas.isConnected && paint(canvas, matrix));
    return canvas;
  }

  /** The same colours for plotly's heat maps, -1 to 1. */
  function colorscale() {
    const [low, middle, high] = palette().map((color) => `rgb(${color.join(",")})`);
    return [
      [0, low],
      [0.5, middle],
      [1, high],
    ];
  }

  site.heatMap = Object.freeze({ picture, colorscale });
})(globalThis.deepcollapse);
