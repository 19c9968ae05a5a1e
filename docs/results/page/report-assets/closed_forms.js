// Every structure of the linear deep unconstrained feature model with cross-entropy, in closed form: losses,
// existence, stability, dimensions. No DOM, so that it can be tested against the Python package, which is the truth:
// ufm/structures, curvature/stability.py, curvature/dimension.py, theory/t5.py.
//
// A problem is {classes, layers, decay, samples, width}; the width decides only what fits and the dimensions.
"use strict";

(function (site) {
  const ALL_PARTITIONS = 12; // up to this K every partition is listed, beyond it the equal ones and the best
  const EQUAL = 1e-6;
  const { ray, loss, fold, minimum, root } = site.ray;

  // ---- rays of the families ---------------------------------------------------------------------------------

  function simpleRay(columns, values, { layers, samples }) {
    const scale = Math.sqrt(samples);
    return ray(
      columns,
      values.map(([value, count]) => [scale * value, count]),
      layers,
    );
  }

  /** A centred simplex on a group of classes. */
  function groupRay(size, sizes) {
    const k = sizes.classes;
    const inside = 1 - 1 / size;
    const gaps = size === k ? [-1] : [-1, -inside];
    const counts = size === k ? [size - 1] : [size - 1, k - size];
    return simpleRay([{ weight: size / k, gaps, counts }], [[1, size - 1]], sizes);
  }

  /** Pairs of opposite classes at one scale; for odd K a last class alone, which makes it only a trial point. */
  function pairedRay(sizes) {
    const k = sizes.classes;
    const pairs = Math.floor(k / 2);
    const columns = [{ weight: (2 * pairs) / k, gaps: [-2, -1], counts: [1, k - 2] }];
    if (k % 2 === 0) return simpleRay(columns, [[2, pairs]], sizes);
    columns.push({ weight: 1 / k, gaps: [-1], counts: [k - 1] });
    return simpleRay(
      columns,
      [
        [2, pairs],
        [1, 1],
      ],
      sizes,
    );
  }

  /** The m with m (m - 1) / 2 = K, or null. */
  function triangularPoints(classes) {
    const m = Math.floor((1 + Math.sqrt(1 + 8 * classes)) / 2);
    return m * (m - 1) === 2 * classes ? m : null;
  }

  function triangularRay(sizes) {
    const m = triangularPoints(sizes.classes);
    const counts = [2 * (m - 2), ((m - 2) * (m - 3)) / 2];
    return simpleRay([{ weight: 1, gaps: [-1, -2], counts }], [[m - 2, m - 1]], sizes);
  }

  function circleRay(sizes) {
    const k = sizes.classes;
    const gaps = [];
    const counts = [];
    for (let i = 1; i <= Math.floor(k / 2); i++) {
      gaps.push(-2 * Math.sin((Math.PI * i) / k) ** 2);
      counts.push(2 * i === k ? 1 : 2);
    }
    return simpleRay([{ weight: 1, gaps, counts }], [[k / 2, 2]], sizes);
  }

  // ---- patterns: {name, parts: [{ray, copies}], critical} -----------------------------------------------------

  /** The families of {classes, layers, samples}; their rays are made once and serve every decay. */
  function catalogue(sizes) {
    const k = sizes.classes;
    const groups = new Map();
    const group = (size) => groups.get(size) || groups.set(size, groupRay(size, sizes)).get(size);
    const pattern = (name, of, critical = true) => ({ name, parts: [{ ray: of, copies: 1 }], critical });
    const simplex = pattern("simplex", group(k));
    const fixed = [simplex];
    if (k >= 4) fixed.push(pattern(k % 2 ? "paired-trial" : "paired", pairedRay(sizes), k % 2 === 0));
    if (k > 6 && triangularPoints(k)) fixed.push(pattern(`T${triangularPoints(k)}`, triangularRay(sizes)));
    if (k >= 5) fixed.push(pattern("circle", circleRay(sizes)));
    return { sizes, group, simplex, fixed, listed: k < 4 ? [] : listedPartitions(k) };
  }

  function partitionPattern(parts, group) {
    const distinct = [...new Set(parts)];
    const copies = (size) => parts.filter((other) => other === size).length;
    return {
      name: `partition-${parts.join("-")}`,
      parts: distinct.map((size) => ({ ray: group(size), copies: copies(size) })),
      critical: true,
    };
  }

  function partitions(total, least) {
    const found = total >= least ? [[total]] : [];
    for (let first = least; 2 * first <= total; first++)
      for (const rest of partitions(total - first, first)) found.push([first, ...rest]);
    return found;
  }

  /** Partitions into groups of at least two to list at every decay; the simplex and the pairs are not among them. */
  function listedPartitions(k) {
    const equal = (size) => Array(k / size).fill(size);
    const sizes = Array.from({ length: Math.floor(k / 2) - 1 }, (_, i) => i + 2).filter((size) => k % size === 0);
    const all = k <= ALL_PARTITIONS ? partitions(k, 2) : sizes.map(equal);
    return all.filter((parts) => parts.length > 1 && parts[parts.length - 1] > 2);
  }

  /** The cheapest partition at a decay: groups do not interact, so that it is a knapsack over their sizes. */
  function bestPartition({ sizes, group }, decay) {
    const k = sizes.classes;
    const costs = [Infinity, Infinity];
    for (let size = 2; size <= k; size++) {
      const scale = minimum(group(size), decay);
      costs.push(scale === null ? (size / k) * Math.log(k) : loss(group(size), scale, decay));
    }
    const best = [0];
    const last = [0];
    for (let total = 1; total <= k; total++) {
      const sums = Array.from({ length: total }, (_, i) => best[total - i - 1] + costs[i + 1]);
      const least = Math.min(...sums);
      best.push(least);
      last.push(sums.indexOf(least) + 1);
    }
    const parts = [];
    for (let left = k; left > 0; left -= last[left]) parts.push(last[left]);
    return parts.sort((a, b) => a - b);
  }

  function patternsAt(families, decay) {
    const listed = families.listed;
    const best = families.sizes.classes > ALL_PARTITIONS ? bestPartition(families, decay) : [2];
    const known = best.length === 1 || best[best.length - 1] === 2 || listed.some((parts) => `${parts}` === `${best}`);
    const all = known ? listed : [...listed, best];
    return [...families.fixed, ...all.map((parts) => partitionPattern(parts, families.group))];
  }

  // ---- solved structures: {name, rank, loss, scales, values, multiplicities, critical} ------------------------

  /** The pattern at its best scales, or null where a part of it has none. */
  function solve(pattern, decay, scaleOf) {
    const scales = pattern.parts.map((part) => scaleOf(part.ray));
    if (scales.includes(null)) return null;
    const { parts } = pattern;
    return {
      name: pattern.name,
      critical: pattern.critical,
      scales,
      loss: parts.reduce((sum, part, i) => sum + part.copies * loss(part.ray, scales[i], decay), 0),
      rank: parts.reduce((sum, part) => sum + part.copies * part.ray.rank, 0),
      values: parts.flatMap((part, i) => part.ray.values.map(([value]) => value * scales[i])),
      multiplicities: parts.flatMap((part) => part.ray.values.map(([, count]) => count * part.copies)),
    };
  }

  function zero(classes) {
    const none = { scales: [], values: [], multiplicities: [] };
    return { name: "zero", rank: 0, loss: Math.log(classes), critical: true, ...none };
  }

  function relaxed(problem, trial) {
    const point = trial && site.relaxedPairs(problem, trial.scales[0]);
    return point && { name: "paired", rank: (problem.classes + 1) / 2, critical: true, ...point };
  }

  /** Every named structure at this decay and width, cheapest first, Z = 0 included; `families` saves time. */
  function structures(problem, families = catalogue(problem)) {
    const { classes: k, decay } = problem;
    const known = new Map();
    const scaleOf = (of) => (known.has(of) ? known : known.set(of, minimum(of, decay))).get(of);
    const found = patternsAt(families, decay).map((pattern) => solve(pattern, decay, scaleOf));
    const points = [zero(k), ...found.filter((point) => point)];
    if (k >= 5 && k % 2 === 1) {
      const pairs = relaxed(
        problem,
        points.find((point) => point.name === "paired-trial"),
      );
      if (pairs) points.push(pairs);
    }
    const width = problem.width || k;
    return points.filter((point) => point.rank <= width).sort((a, b) => a.loss - b.loss || a.rank - b.rank);
  }

  // ---- deep neural collapse ---------------------------------------------------------------------------------

  /** The least scale at which collapse has no negative curvature. */
  function stableScale({ classes: k, layers }) {
    const share = (layers - 1) / (layers + 1);
    if (k >= 4 || share === 0) return k * share;
    return root(
      (alpha) => {
        const tail = Math.exp(-alpha);
        const p = 1 / (1 + (k - 1) * tail);
        if (k === 2) return alpha * p - share;
        const a = alpha / k;
        const u = (1 - tail) * p;
        return a * (1 + u) * (1 - share) + a ** 2 * (1 + 2 * u) - share;
      },
      0,
      k,
    );
  }

  /** The logarithm of the decay at which a scale is critical. */
  function criticalLogDecay(scale, { classes: k, layers, samples }) {
    const share = (layers - 1) / (layers + 1);
    const total = scale + Math.log1p((k - 1) * Math.exp(-scale));
    return (share ? share * Math.log(scale) : 0) - total - Math.log(samples) / (layers + 1);
  }

  /** Existence and stability of collapse: {exists, fits, scale, loss, decayMax, stableScale, stableDecay, stable}. */
  function collapse(problem, families = catalogue(problem)) {
    const along = families.simplex.parts[0].ray;
    const scale = minimum(along, problem.decay);
    const least = stableScale(problem);
    const stableLog = criticalLogDecay(least, problem);
    const level = Math.log(problem.decay);
    return {
      exists: scale !== null,
      fits: (problem.width || problem.classes) >= problem.classes - 1,
      scale,
      loss: scale === null ? null : loss(along, scale, problem.decay),
      decayMax: fold(along).decay,
      stableScale: least,
      stableDecay: Math.exp(stableLog),
      stable: problem.layers === 1 ? level < stableLog : level <= stableLog,
    };
  }

  // ---- dimensions of solution sets --------------------------------------------------------------------------

  /** Exactly L (r d - r (r + 1) / 2); the paper counts subspaces of equal singular values, not the frames in them. */
  function dimensions({ rank: r, values, multiplicities }, { layers, width }) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
    const top = Math.max(...values);
    const groups = [];
    order.forEach((at, i) => {
      const apart = i === 0 || values[at] - values[order[i - 1]] > EQUAL * top;
      if (apart) groups.push(0);
      groups[groups.length - 1] += multiplicities[at];
    });
    const equal = groups.reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
    const exact = layers * (r * width - (r * (r + 1)) / 2);
    return { exact, paper: exact - layers * equal };
  }

  /** Whether a point is a solution of a rank below that of collapse; a trial point is no solution. */
  const isRival = (point, { classes }) => point.critical && point.rank > 0 && point.rank < classes - 1;

  /** The cheapest solution that tells all classes apart with a rank below that of collapse, or null. */
  const lowestRival = (points, problem) => points.find((point) => isRival(point, problem)) || null;

  /** R(d) of a point of lower rank against collapse, {exact, paper, limit}; null where d < K - 1. */
  function dimensionRatio(point, problem) {
    const r = problem.classes - 1;
    if (problem.width < r) return null;
    const all = dimensions({ rank: r, values: [1], multiplicities: [r] }, problem);
    const low = dimensions(point, problem);
    return {
      exact: low.exact ? all.exact / low.exact : null,
      paper: low.paper ? all.paper / low.paper : null,
      limit: r / point.rank,
    };
  }

  /** Whether the paper's first theorem rules collapse out as the global minimum, whatever the decay. */
  const ruledOut = ({ classes: k, layers }) => (k >= 4 && layers >= 3) || (k >= 6 && layers === 2);

  site.closedForms = Object.freeze({
    catalogue,
    structures,
    collapse,
    dimensions,
    dimensionRatio,
    isRival,
    lowestRival,
    ruledOut,
    triangularPoints,
  });
})(globalThis.deepcollapse);
