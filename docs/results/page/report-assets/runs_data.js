// The runs of the store by kind: settings, results, parts of plans, and how settings are called.
"use strict";

(function (site) {
  const { table, decoded } = site.columns;
  const { number, decay } = site.numbers;
  const LABELS = {
    classes: "classes K",
    layers: "layers L",
    samples: "samples per class n",
    width: "width d",
    decay: "weight decay λ",
    loss: "loss",
    lr: "learning rate",
    init: "law of the starts",
    init_scale: "initial scale",
    init_distance: "distance of the starts",
    optimiser: "optimiser",
    beta: "momentum",
    steps_max: "most steps",
    dtype: "precision",
    accelerate: "acceleration",
    activation: "activation",
    rigorous: "interval arithmetic",
    restarts: "restarts",
    seed: "seed",
    engine: "engine",
    "head.width": "width of the head",
    "head.layers": "layers of the head",
    "head.gain": "gain of the head",
    "head.activation": "activation of the head",
    "data.source": "images",
    "data.per_class": "images per class",
    "backbone.kind": "backbone",
    "descent.rate": "learning rate",
    "descent.momentum": "momentum",
    "decay.weights": "decay of the weights",
    "decay.features": "decay of the features",
    "decay.kind": "kind of decay",
    "batches.size": "batch size",
    name: "specification",
  };
  const KINDS = { simulate: "ensembles", train: "networks", landscape: "searches", theory: "theory" };
  const RESULTS = {
    dnc: "at DNC",
    ends_most_at: "most end at",
    lowest_loss: "lowest loss",
    dnc_loss: "DNC loss",
    dnc_exists: "DNC exists",
    dnc_stable: "DNC stable",
    dnc_decay_max: "DNC exists up to",
    best_structure: "best known",
    best_structure_loss: "loss of the best known",
    feature_model_objective: "objective in the features model",
    rank_paper: "rank, values > 1e-6",
    below_bound: "below the bound",
    nc1: "NC1",
    train_error: "training error",
    test_accuracy: "test accuracy",
    dnc_distance: "distance to DNC",
    polished_structure: "with free features",
    polished_loss: "loss with free features",
  };
  const NAMED = new Set(["structure", "ends_most_at", "best_structure", "nearest", "polished_structure"]);
  const MINOR = new Set(["steps_max", "tolerance", "engine", "device", "description", "data.path", "data.download"]);
  const known = new Map();

  const label = (key) => LABELS[key] || key.replaceAll("_", " ").replaceAll(".", ", ");

  /** A result's name for readers. */
  const resultLabel = (key) => RESULTS[key] || key.replaceAll("_", " ");

  /** What a result's cells show where it is the name of a structure: {heading: value => text}. */
  const namedCells = (keys) =>
    Object.fromEntries(
      keys
        .filter((key) => NAMED.has(key))
        .map((key) => [resultLabel(key), (name) => (name ? site.structureNames.label(name) : "–")]),
    );

  /** A setting's value for readers. */
  function text(key, value) {
    if (value === null || value === undefined) return "none";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value !== "number") return String(value);
    return key === "decay" || key.startsWith("decay.") ? decay(value, 4) : number(value);
  }

  const kinds = () => Object.keys(site.data.kinds);

  /** All runs of a kind: {kind, ids, parts, settings, results}, each column as long as ids. */
  function of(kind) {
    if (!known.has(kind)) {
      const { ids, parts, settings, results } = site.data.kinds[kind];
      known.set(kind, { kind, ids, parts: decoded(parts), settings: table(settings), results: table(results) });
    }
    return known.get(kind);
  }

  /** Where a run is: {kind, index, place}, place counting through all kinds; null if it is not in the store. */
  function find(id) {
    let before = 0;
    for (const kind of kinds()) {
      const index = site.data.kinds[kind].ids.indexOf(id);
      if (index >= 0) return { kind, index, place: before + index };
      before += site.data.kinds[kind].ids.length;
    }
    return null;
  }

  const partName = (index) => {
    const { plan, part } = site.data.parts[index];
    return site.data.parts.some((other) => other.plan !== plan) ? `${plan}: ${part}` : part;
  };

  /** Parts of plans with finished runs of a kind: [{index, name, runs (positions)}]. */
  function partsOf(kind) {
    const found = new Map();
    of(kind).parts.forEach((places, run) =>
      places.forEach((index) => found.get(index)?.push(run) || found.set(index, [run])),
    );
    return [...found].sort((a, b) => a[0] - b[0]).map(([index, runs]) => ({ index, name: partName(index), runs }));
  }

  /**
   * Settings that are not the same in all of some runs, each with its values in order. One of those that follow from
   * others (the most steps from the learning rate, say) is left out where it does.
   */
  function varying(kind, runs) {
    const all = Object.entries(of(kind).settings).map(([key, cells]) => ({ key, values: distinct(cells, runs) }));
    const several = all.filter(({ values }) => values.length > 1);
    const main = several.filter(({ key }) => !MINOR.has(key)).map(({ key }) => key);
    const own = ({ key }) => !MINOR.has(key) || !follows(kind, runs, { key, from: main });
    return several.filter(own).map(({ key, values }) => ({
      key,
      values: values.sort(inOrder),
      numeric: values.every((value) => typeof value === "number"),
    }));
  }

  const distinct = (cells, runs) => [...new Set(runs.map((run) => cells[run]))];

  /** Whether runs that agree in some settings agree in another one. */
  function follows(kind, runs, { key, from }) {
    const { settings } = of(kind);
    const found = new Map();
    return runs.every((run) => {
      const place = JSON.stringify(from.map((other) => settings[other][run]));
      if (!found.has(place)) found.set(place, settings[key][run]);
      return found.get(place) === settings[key][run];
    });
  }

  function inOrder(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  /** The settings by which a run is told from others, in a few words. */
  const brief = (kind, run, keys) =>
    keys.map((key) => `${label(key)} ${text(key, of(kind).settings[key][run])}`).join(", ");

  site.runs = Object.freeze({
    KINDS,
    resultLabel,
    namedCells,
    isName: (key) => NAMED.has(key),
    kinds,
    of,
    find,
    label,
    text,
    partName,
    partsOf,
    varying,
    inOrder,
    brief,
  });
})(globalThis.deepcollapse);
