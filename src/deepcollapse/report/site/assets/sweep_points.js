// Counting endpoints: chosen runs gathered by the setting across and the setting they are split by. No DOM.
"use strict";

(function (site) {
  const DECIDED = ["converged", "settled", "zero"];
  let ends = null;

  /** The counted endpoints of each run: [[{status, structure, rank, loss, seeds}]]. */
  function endsByRun() {
    if (!ends) {
      ends = site.runs.of("simulate").ids.map(() => []);
      const { run, status, structure, rank, loss, seeds } = site.columns.table(site.data.ends);
      run.forEach((place, i) =>
        ends[place].push({ status: status[i], structure: structure[i], rank: rank[i], loss: loss[i], seeds: seeds[i] }),
      );
    }
    return ends;
  }

  function empty(x, by) {
    return {
      x,
      by,
      runs: 0,
      seeds: 0,
      decided: 0,
      dnc: 0,
      moving: 0,
      diverged: 0,
      ranks: new Map(),
      families: new Map(),
      losses: [],
      levels: new Map(),
    };
  }

  const add = (map, key, count) => map.set(key, (map.get(key) || 0) + count);

  function take(point, end, levels) {
    point.seeds += end.seeds;
    if (DECIDED.includes(end.status)) {
      const { family } = site.structureNames.familyOf(end.structure);
      point.decided += end.seeds;
      if (end.structure === "dnc") point.dnc += end.seeds;
      add(point.ranks, end.rank, end.seeds);
      add(point.families, family, end.seeds);
      point.losses.push({ ...end, family, ...levels });
    } else if (end.status === "diverged") point.diverged += end.seeds;
    else {
      point.moving += end.seeds;
      point.losses.push({ ...end, family: "moving", ...levels });
    }
  }

  /** Points in order of (by, x); `by` is null where nothing splits. */
  function gathered(runs, x, by) {
    const { settings, results } = site.runs.of("simulate");
    const found = new Map();
    for (const run of runs) {
      const [at, of] = [x ? settings[x][run] : null, by ? settings[by][run] : null];
      const key = JSON.stringify([at, of]);
      if (!found.has(key)) found.set(key, empty(at, of));
      const point = found.get(key);
      const levels = {
        dncLoss: results.dnc_loss?.[run] ?? null,
        bestLoss: results.best_structure_loss?.[run] ?? null,
        best: results.best_structure?.[run] ?? null,
      };
      point.runs += 1;
      point.levels.set(JSON.stringify([levels.dncLoss, levels.bestLoss]), levels);
      for (const end of endsByRun()[run]) take(point, end, levels);
    }
    const { inOrder } = site.runs;
    return [...found.values()].sort((a, b) => inOrder(a.by, b.by) || inOrder(a.x, b.x));
  }

  site.sweepPoints = gathered;
})(globalThis.deepcollapse);
