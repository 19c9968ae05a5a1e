// The explorer's settings: what sliders run over, what is allowed, examples, and how they stand in the address.
"use strict";

(function (site) {
  const { number, parsed } = site.numbers;
  const count = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const SAMPLES = [...count(1, 10), 15, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000];
  const WIDTHS = [...count(1, 32), ...count(9, 32).map((i) => 4 * i), ...count(9, 32).map((i) => 16 * i), 1024];
  const whole = (text) => (Number.isInteger(parsed(text)) ? parsed(text) : NaN);
  /** The k of 2^k if it is a multiple of 1/4, as on the slider, else null. */
  function quarters(value) {
    const exponent = Math.round(4 * Math.log2(value)) / 4;
    return 2 ** exponent === value ? exponent : null;
  }

  const plain = (value) => {
    const exponent = quarters(value);
    return exponent === null || exponent > -1 ? String(Number(value.toPrecision(6))) : `2^${exponent}`;
  };

  const SETTINGS = {
    classes: { label: "K, classes", values: count(2, 30), allowed: [2, 50], read: whole, write: String },
    layers: { label: "L, layers", values: count(1, 12), allowed: [1, 12], read: whole, write: String },
    decay: {
      label: "λ, weight decay",
      values: count(0, 74).map((i) => 2 ** (-20 + i / 4)),
      allowed: [2 ** -30, 0.5],
      read: parsed,
      write: plain,
      say: (value) => `${plain(value)}, ${number(value, 3)}`,
    },
    samples: { label: "n, samples per class", values: SAMPLES, allowed: [1, 100000], read: whole, write: String },
    width: { label: "d, width", values: WIDTHS, allowed: [1, 100000], read: whole, write: String },
  };

  const START = { classes: 10, layers: 2, decay: 2 ** -10, samples: 5, width: 70 };
  const HEAD = (5e-3 ** 3 * 1e-6) ** 0.25;
  const EXAMPLES = [
    ["Deep features model of the paper (E1)", START],
    ["Network heads on MNIST and CIFAR-10 (E4, E5)", { classes: 10, layers: 3, decay: HEAD, samples: 5000, width: 64 }],
    ["Collapse optimal for small decay only", { classes: 4, layers: 2, decay: 2 ** -8, samples: 1, width: 16 }],
    ["One layer: collapse is always optimal", { classes: 10, layers: 1, decay: 2 ** -7, samples: 1, width: 16 }],
    ["Odd number of classes", { classes: 7, layers: 2, decay: 2 ** -10, samples: 1, width: 32 }],
    ["Three classes", { classes: 3, layers: 3, decay: 2 ** -4, samples: 1, width: 8 }],
    ["Decay too large for any solution", { classes: 10, layers: 3, decay: 2 ** -2, samples: 1, width: 16 }],
    ["Many classes", { classes: 28, layers: 3, decay: 2 ** -12, samples: 1, width: 64 }],
  ];

  /** The problem in an address; what is missing or not allowed there is as at the start. */
  function problemOf(state) {
    const value = (name) => {
      const { read, allowed } = SETTINGS[name];
      const found = read(state[name] || "");
      return found >= allowed[0] && found <= allowed[1] ? found : START[name];
    };
    return Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, value(name)]));
  }

  /** The same in words of the address, exact: a decay that is no power of two in full. */
  function stateOf(problem) {
    const exponent = quarters(problem.decay);
    return { ...problem, decay: exponent === null ? problem.decay : `2^${exponent}` };
  }

  /** The command that prints the same numbers. */
  function command({ classes, layers, samples, width, decay: strength }) {
    const state = stateOf({ decay: strength });
    return (
      `deepcollapse theory --classes ${classes} --layers ${layers} --samples ${samples} ` +
      `--width ${width} --decay ${state.decay}`
    );
  }

  site.modelSettings = Object.freeze({ SETTINGS, START, EXAMPLES, problemOf, stateOf, command });
})(globalThis.deepcollapse);
