// The objective along a ray of logits: one pattern, one free scale. No DOM; the Python truth is ufm/ray.py.
//
// F(b X) = h(b) + decay (M / 2) sum_i (b v_i)^(2/M). A stationary scale solves phi(b) = -h'(b) b^(1 - 2/M) =
// decay sum_i v_i^(2/M); phi rises and falls, so that for M >= 3 there is a minimum only below the fold. The shape of
// phi does not depend on the decay and is computed once for a ray.
"use strict";

globalThis.deepcollapse = globalThis.deepcollapse || {};

(function (site) {
  const POINTS = 400;

  /** A ray of columns [{weight, gaps, counts}] (gaps are negative) with singular values [[value, multiplicity]]. */
  function ray(columns, values, layers) {
    const power = 2 / (layers + 1);
    const cost = values.reduce((sum, [value, count]) => sum + count * value ** power, 0);
    const rank = values.reduce((sum, [, count]) => sum + count, 0);
    return { columns, values, layers, power, cost, rank, shape: null };
  }

  /** F at a scale: the columns' log(1 + sum_i c_i e^(b g_i)) and the penalty. */
  function loss(of, scale, decay) {
    let data = 0;
    for (const { weight, gaps, counts } of of.columns) {
      let sum = 0;
      for (let i = 0; i < gaps.length; i++) sum += counts[i] * Math.exp(scale * gaps[i]);
      data += weight * Math.log1p(sum);
    }
    return data + 0.5 * (of.layers + 1) * decay * of.cost * scale ** of.power;
  }

  /** phi at a scale. */
  function slope(of, scale) {
    let descent = 0;
    for (const { weight, gaps, counts } of of.columns) {
      let above = 0;
      let below = 1;
      for (let i = 0; i < gaps.length; i++) {
        const term = counts[i] * Math.exp(scale * gaps[i]);
        above -= gaps[i] * term;
        below += term;
      }
      descent += (weight * above) / below;
    }
    return descent * scale ** (1 - of.power);
  }

  /** phi on a grid of scales, even in their logarithm, with its top: {scales, heights, top: {scale, decay}}. */
  function shape(of) {
    if (of.shape) return of.shape;
    const scales = grid(of);
    const heights = scales.map((scale) => slope(of, scale));
    const at = of.layers === 1 ? 0 : topScale(of, scales, heights);
    const height = slope(of, at);
    const place = scales.findIndex((scale) => scale >= at);
    if (scales[place] !== at) {
      scales.splice(place < 0 ? scales.length : place, 0, at);
      heights.splice(place < 0 ? heights.length : place, 0, height);
    }
    of.shape = { scales, heights, top: { scale: at, decay: height / of.cost } };
    return of.shape;
  }

  function grid(of) {
    const sizes = of.columns.flatMap((column) => column.gaps.map(Math.abs));
    const low = Math.log(1e-6 / Math.max(...sizes));
    const high = Math.log(50 / Math.min(...sizes));
    return Array.from({ length: POINTS }, (_, i) => Math.exp(low + (i * (high - low)) / (POINTS - 1)));
  }

  function topScale(of, scales, heights) {
    const top = heights.indexOf(Math.max(...heights));
    const low = Math.log(scales[Math.max(top - 1, 0)]);
    const high = Math.log(scales[Math.min(top + 1, scales.length - 1)]);
    return Math.exp(highest((t) => slope(of, Math.exp(t)), low, high));
  }

  /** Scale of the largest phi and the largest decay with a stationary scale: {scale, decay}. For L = 1 at scale 0. */
  const fold = (of) => shape(of).top;

  /** The scale of the lowest local minimum along the ray, or null: at this decay only scale 0 is stationary. */
  function minimum(of, decay) {
    const level = decay * of.cost;
    const excess = (scale) => slope(of, scale) - level;
    const { scales, heights } = shape(of);
    let best = null;
    const take = (low, high) => {
      const found = root(excess, low, high);
      if (best === null || loss(of, found, decay) < loss(of, best, decay)) best = found;
    };
    for (let i = 1; i < scales.length; i++)
      if (heights[i - 1] > level && !(heights[i] > level)) take(scales[i - 1], scales[i]);
    const last = scales[scales.length - 1];
    if (heights[heights.length - 1] > level) {
      let high = 2 * last;
      while (excess(high) > 0) high *= 2;
      take(last, high);
    }
    return best;
  }

  /** The place of the largest value of a function with one top between two places: golden section. */
  function highest(value, low, high) {
    const share = (Math.sqrt(5) - 1) / 2;
    let left = high - share * (high - low);
    let right = low + share * (high - low);
    let [atLeft, atRight] = [value(left), value(right)];
    while (high - low > 1e-12) {
      if (atLeft > atRight) {
        [high, right, atRight] = [right, left, atLeft];
        left = high - share * (high - low);
        atLeft = value(left);
      } else {
        [low, left, atLeft] = [left, right, atRight];
        right = low + share * (high - low);
        atRight = value(right);
      }
    }
    return 0.5 * (low + high);
  }

  /** A zero between two places where the function has opposite signs: false position that never stalls (Illinois). */
  function root(value, low, high) {
    let [atLow, atHigh] = [value(low), value(high)];
    if (atLow === 0) return low;
    for (let step = 0; step < 200 && atHigh !== 0; step++) {
      let next = high - (atHigh * (high - low)) / (atHigh - atLow);
      if (!(Math.abs(next - high) > 4e-16 * Math.abs(next))) break;
      if (step > 60) next = 0.5 * (low + high);
      const at = value(next);
      if (at > 0 !== atHigh > 0) [low, atLow] = [high, atHigh];
      else atLow *= 0.5;
      [high, atHigh] = [next, at];
    }
    return high;
  }

  site.ray = Object.freeze({ ray, loss, slope, fold, minimum, root });
})(globalThis.deepcollapse);
