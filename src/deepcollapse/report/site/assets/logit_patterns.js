// Class logits (K x K) of a named structure at its scales, as rows of numbers. No DOM.
"use strict";

(function (site) {
  const square = (k, entry) => Array.from({ length: k }, (_, i) => Array.from({ length: k }, (_, j) => entry(i, j)));

  /** Centred simplices on groups of the given sizes, each of its own scale. */
  function blocks(sizes, scaleOf) {
    const groups = sizes.flatMap((size, index) => Array(size).fill(index));
    return square(groups.length, (i, j) => {
      if (groups[i] !== groups[j]) return 0;
      const size = sizes[groups[i]];
      return scaleOf(size) * ((i === j ? 1 : 0) - 1 / size);
    });
  }

  function pairs(k, [scale]) {
    const both = Math.floor(k / 2) * 2;
    return square(k, (i, j) => {
      if (i === j) return scale;
      return i < both && j < both && i >> 1 === j >> 1 ? -scale : 0;
    });
  }

  function relaxed(k, [b, x, y]) {
    const plain = pairs(k, [b]);
    plain[k - 1][k - 1] = 0;
    return square(k, (i, j) => plain[i][j] + ((i === k - 1 ? 1 : 0) - 1 / k) * (j === k - 1 ? x : y));
  }

  function triangular(points, [scale]) {
    const edges = [];
    for (let a = 0; a < points; a++) for (let b = a + 1; b < points; b++) edges.push([a, b]);
    const shared = (i, j) => edges[i].filter((end) => edges[j].includes(end)).length;
    return square(edges.length, (i, j) => scale * (shared(i, j) - 4 / points));
  }

  const circle = (k, [scale]) => square(k, (i, j) => scale * Math.cos((2 * Math.PI * (i - j)) / k));

  /** The logits of a solved structure, or null for a name without a pattern. */
  function logits({ name, scales }, k) {
    if (name === "zero") return square(k, () => 0);
    if (name === "simplex") return blocks([k], () => scales[0]);
    if (name === "paired" && scales.length === 3) return relaxed(k, scales);
    if (name === "paired" || name === "paired-trial") return pairs(k, scales);
    if (name === "circle") return circle(k, scales);
    if (/^T\d+$/.test(name)) return triangular(Number(name.slice(1)), scales);
    if (!name.startsWith("partition-")) return null;
    const sizes = name.split("-").slice(1).map(Number);
    const distinct = [...new Set(sizes)];
    return blocks(sizes, (size) => scales[distinct.indexOf(size)]);
  }

  /** An order of the classes that brings together those with large logits between them. */
  function grouped(matrix) {
    const left = new Set(matrix.keys());
    const order = [];
    let last = 0;
    while (left.size) {
      left.delete(last);
      order.push(last);
      let next = -1;
      for (const other of left)
        if (next < 0 || Math.abs(matrix[last][other]) > Math.abs(matrix[last][next]) * (1 + 1e-6)) next = other;
      last = next;
    }
    return order;
  }

  const reordered = (matrix, order) => order.map((i) => order.map((j) => matrix[i][j]));

  /** The largest size of an entry. */
  const largest = (matrix) =>
    matrix.reduce((most, row) => row.reduce((found, value) => Math.max(found, Math.abs(value)), most), 0);

  site.logitPatterns = Object.freeze({ logits, grouped, reordered, largest });
})(globalThis.deepcollapse);
