// Pairs of classes and one lone class for odd K: pairs(b) + u v^T, u = e_K - 1/K, v = (y, ..., y, x). The critical
// point beside the paired trial point, three parameters. No DOM; the Python truth is ufm/structures/relaxed.py.
"use strict";

(function (site) {
  const STEPS = 100;
  const NEAR = 1e-4;
  const SMALL = 1e-9; // slopes left, in units of the decay

  /** What does not change with the parameters. */
  function setting(problem) {
    const { classes: k, samples: n, layers, decay } = problem;
    const power = 2 / (layers + 1);
    return {
      k,
      power,
      decay,
      factors: layers + 1,
      pairs: ((k - 1) / 2) * (2 * Math.sqrt(n)) ** power,
      lone: ((n * (k - 1)) / k) ** (power / 2),
    };
  }

  /** Terms of the softmax at (b, x, y) and the length of v. */
  function terms(s, [b, x, y]) {
    const both = Math.exp(-2 * b);
    const others = (s.k - 3) * Math.exp(-b);
    const lone = Math.exp(y - b);
    const alone = (s.k - 1) * Math.exp(-x);
    return { both, others, lone, alone, all: 1 + both + others + lone, square: x * x + (s.k - 1) * y * y };
  }

  function objective(s, at) {
    const t = terms(s, at);
    const data = ((s.k - 1) / s.k) * Math.log1p(t.both + t.others + t.lone) + Math.log1p(t.alone) / s.k;
    return data + 0.5 * s.factors * s.decay * (s.pairs * at[0] ** s.power + s.lone * t.square ** (s.power / 2));
  }

  function gradient(s, [b, x, y]) {
    const t = terms(s, [b, x, y]);
    const share = (s.k - 1) / s.k / t.all;
    const pull = s.decay * s.lone * t.square ** (s.power / 2 - 1);
    return [
      -share * (2 * t.both + t.others + t.lone) + s.decay * s.pairs * b ** (s.power - 1),
      -t.alone / (1 + t.alone) / s.k + pull * x,
      share * t.lone + pull * (s.k - 1) * y,
    ];
  }

  function hessian(s, [b, x, y]) {
    const t = terms(s, [b, x, y]);
    const share = (s.k - 1) / s.k / t.all;
    const first = 2 * t.both + t.others + t.lone;
    const pull = s.decay * s.lone * t.square ** (s.power / 2 - 1);
    const bend = ((s.power - 2) * pull) / t.square;
    const w = s.k - 1;
    const bb =
      share * (4 * t.both + t.others + t.lone - first ** 2 / t.all) +
      s.decay * s.pairs * (s.power - 1) * b ** (s.power - 2);
    const by = -share * t.lone * (1 - first / t.all);
    const xx = t.alone / (1 + t.alone) ** 2 / s.k + pull + bend * x * x;
    const xy = bend * w * x * y;
    const yy = share * t.lone * (1 - t.lone / t.all) + pull * w + bend * w * w * y * y;
    return [
      [bb, 0, by],
      [0, xx, xy],
      [by, xy, yy],
    ];
  }

  /** (H + damping)^-1 g if the matrix is positive definite, else null: Cholesky. */
  function descentStep(matrix, slopes, damping) {
    const l = [[], [], []];
    for (let i = 0; i < 3; i++)
      for (let j = 0; j <= i; j++) {
        let sum = matrix[i][j] + (i === j ? damping : 0);
        for (let m = 0; m < j; m++) sum -= l[i][m] * l[j][m];
        if (i === j && !(sum > 0)) return null;
        l[i][j] = i === j ? Math.sqrt(sum) : sum / l[j][j];
      }
    const forward = [];
    for (let i = 0; i < 3; i++)
      forward.push((slopes[i] - forward.reduce((sum, value, m) => sum + l[i][m] * value, 0)) / l[i][i]);
    const step = [0, 0, 0];
    for (let i = 2; i >= 0; i--) {
      let sum = forward[i];
      for (let m = i + 1; m < 3; m++) sum -= l[m][i] * step[m];
      step[i] = sum / l[i][i];
    }
    return step;
  }

  /** Damped Newton descent from the trial point. */
  function descended(s, start) {
    let at = start;
    let damping = 0;
    for (let count = 0; count < STEPS; count++) {
      const slopes = gradient(s, at);
      const matrix = hessian(s, at);
      const floor = 1e-3 * s.decay;
      let moved = false;
      for (let tries = 0; tries < 60 && !moved; tries++) {
        const step = descentStep(matrix, slopes, damping);
        const next = step && at.map((value, i) => value - step[i]);
        const length = step && Math.max(...step.map(Math.abs));
        if (next && length < 1e-13) return next;
        const near = next && damping === 0 && length < NEAR; // where rounding hides what a step gains
        if (near || (next && length < 1 && next[0] > 0 && objective(s, next) <= objective(s, at))) {
          at = next;
          damping = damping > floor ? damping / 8 : 0;
          moved = true;
        } else damping = Math.max(4 * damping, floor);
      }
      if (!moved) return at;
    }
    return at;
  }

  /** The point, or null where there is none near the trial scale: {scales, loss, values (of Z), multiplicities}. */
  function relaxedPairs(problem, trialScale) {
    const s = setting(problem);
    const scales = descended(s, [trialScale, trialScale, 0]);
    const left = gradient(s, scales).map((value, i) => Math.abs(value) * Math.max(Math.abs(scales[i]), 1));
    if (!(Math.max(...left) < SMALL * s.decay) || Math.min(scales[0], scales[1]) <= 0) return null;
    const root = Math.sqrt(problem.samples);
    const length = Math.sqrt(((s.k - 1) / s.k) * terms(s, scales).square);
    return {
      scales,
      loss: objective(s, scales),
      values: [2 * scales[0] * root, length * root],
      multiplicities: [(s.k - 1) / 2, 1],
    };
  }

  site.relaxedPairs = relaxedPairs;
})(globalThis.deepcollapse);
