// Tables as files.
"use strict";

(function (site) {
  /** A cell by RFC 4180; text that a spreadsheet would take for a formula is kept as text. */
  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+@\t\r]|^-(?!\d)/.test(String(value)) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** A table {columns: [[name, values], ...]} as text, numbers in full precision. */
  function text({ columns }) {
    const rows = columns.length ? columns[0][1].map((_, i) => columns.map(([, values]) => values[i])) : [];
    return [columns.map(([name]) => name), ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  function download(name, table) {
    const url = URL.createObjectURL(new Blob([text(table)], { type: "text/csv;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  site.csv = Object.freeze({ text, download });
})(globalThis.deepcollapse);
