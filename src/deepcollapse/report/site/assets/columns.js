// Reading the shipped columns, and the data files that are asked for when they are looked at. No DOM but a script tag.
"use strict";

(function (site) {
  const waiting = new Map();

  /** The cells of a column. */
  function decoded(column) {
    if (!column) return [];
    if (column.codes) return column.codes.map((code) => column.words[code]);
    return column.values || Array(column.count).fill(column.all);
  }

  const table = (columns) =>
    Object.fromEntries(Object.entries(columns || {}).map(([name, column]) => [name, decoded(column)]));

  /** A data file beside the page, as a promise; each is loaded once. */
  function side(name) {
    if (!waiting.has(name)) {
      const file = {};
      file.content = new Promise((done, failed) => Object.assign(file, { done, failed }));
      waiting.set(name, file);
      const script = document.createElement("script");
      script.src = `${site.assets}/${name}.js`;
      script.onerror = () => file.failed(new Error(`${name}.js is missing beside the page; make the report again`));
      document.head.append(script);
    }
    return waiting.get(name).content;
  }

  /** Called by the data files themselves. */
  site.arrived = (name, content) => waiting.get(name)?.done(content);

  /** Matrices from the bytes of little-endian float32 in base64, as rows of numbers. */
  function matrices(text, size) {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const at = (i) => Number(view.getFloat32(4 * i, true).toPrecision(7));
    const count = bytes.length / 4 / (size * size);
    const row = (m, i) => Array.from({ length: size }, (_, j) => at((m * size + i) * size + j));
    return Array.from({ length: count }, (_, m) => Array.from({ length: size }, (_, i) => row(m, i)));
  }

  site.columns = Object.freeze({ decoded, table, side, matrices });
})(globalThis.deepcollapse);
