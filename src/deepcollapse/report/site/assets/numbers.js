// Numbers as a reader wants them, and the interval of a share. No DOM.
"use strict";

(function (site) {
  const SUPERSCRIPTS = Object.fromEntries([..."-0123456789"].map((sign, i) => [sign, "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"[i]]));
  const NONE = "–";
  const Z = 1.959963984540054; // the normal quantile of 0.975

  const superscript = (exponent) => [...String(exponent)].map((sign) => SUPERSCRIPTS[sign]).join("");

  /** So many significant digits, whole numbers in full; a dash for what does not exist. */
  function number(value, digits = 6) {
    if (value === null || value === undefined || Number.isNaN(value)) return NONE;
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    const sign = value < 0 ? "−" : "";
    if (Number.isInteger(value) && size < 1e15) return sign + size.toLocaleString("en-US");
    if (size >= 1e-4 && size < 1e6) return sign + String(Number(size.toPrecision(digits)));
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    return `${sign}${Number(mantissa)}·10${superscript(Number(exponent))}`;
  }

  /** A share in percent, three significant digits. */
  const percent = (share) => (share === null ? NONE : `${number(100 * share, 3)} %`);

  /** How much more than another number, with sign: "+13.3 %". */
  function difference(share) {
    if (Math.abs(share) < 5e-10) return "0 %";
    return `${share > 0 ? "+" : "−"}${percent(Math.abs(share))}`;
  }

  /** The k of 2^k, or null where the number is no such power. */
  function exponentOfTwo(value) {
    const exponent = Math.log2(value);
    return value > 0 && Math.abs(exponent - Math.round(exponent)) < 1e-12 ? Math.round(exponent) : null;
  }

  /** A decay: powers of two as such. */
  function decay(value, digits = 6) {
    const exponent = exponentOfTwo(value);
    return exponent === null || exponent > -1 ? number(value, digits) : `2${superscript(exponent)}`;
  }

  /** What a user types for a number: 0.001, 1e-3 or 2^-10; NaN for anything else. */
  function parsed(text) {
    const found = /^\s*([+-]?[\d.]+(?:e[+-]?\d+)?)(?:\^([+-]?[\d.]+))?\s*$/i.exec(text.replaceAll("−", "-"));
    if (!found) return NaN;
    return found[2] === undefined ? Number(found[1]) : Number(found[1]) ** Number(found[2]);
  }

  /** Wilson's 95% interval of a share, or null without runs. */
  function wilson(count, total) {
    if (!total) return null;
    const share = count / total;
    const square = (Z * Z) / total;
    const middle = (share + square / 2) / (1 + square);
    const half = Math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square);
    return [count === 0 ? 0 : middle - half, count === total ? 1 : middle + half];
  }

  const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

  site.numbers = Object.freeze({ number, percent, difference, exponentOfTwo, decay, parsed, wilson, counted });
})(globalThis.deepcollapse);
