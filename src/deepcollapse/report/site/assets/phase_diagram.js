// The cheapest named structure for every depth and decay, computed a column at a time so that the page stays alive.
"use strict";

(function (site) {
  const { element, replace } = site.elements;
  const { number, decay, difference } = site.numbers;
  const { FAMILIES, familyOf, label } = site.structureNames;
  const LAYERS = Array.from({ length: 12 }, (_, i) => i + 1);
  const EXPONENTS = Array.from({ length: 77 }, (_, i) => -20 + i / 4);

  /** One column: at each decay the cheapest point and collapse's loss. */
  function column(problem, layers) {
    const families = site.closedForms.catalogue({ ...problem, layers });
    const cells = EXPONENTS.map((exponent) => {
      const points = site.closedForms.structures({ ...problem, layers, decay: 2 ** exponent }, families);
      return { best: points[0], collapse: points.find((point) => point.name === "simplex") || null };
    });
    return { layers, cells, limits: site.closedForms.collapse({ ...problem, layers, decay: 1e-3 }, families) };
  }

  /** All columns, with a pause after each; an older computation stops when a new one begins. */
  function computation(done) {
    let current = 0;
    return (problem) => {
      const mine = ++current;
      const columns = [];
      const step = () => {
        if (mine !== current) return;
        columns.push(column(problem, LAYERS[columns.length]));
        if (columns.length < LAYERS.length) setTimeout(step);
        else done(columns);
      };
      setTimeout(step);
    };
  }

  function hover({ best, collapse }) {
    const against = collapse ? `DNC ${difference(collapse.loss / best.loss - 1)}` : "no DNC";
    return `${label(best.name)}, rank ${best.rank}<br>loss ${number(best.loss)}; ${against}`;
  }

  function colorscale(color) {
    const width = 1 / FAMILIES.length;
    return FAMILIES.flatMap(({ color: name }, i) => [
      [i * width, color(name)],
      [(i + 1) * width, color(name)],
    ]);
  }

  function limits(columns, pick, { name, color, size }) {
    const shown = columns.filter(({ limits: found, layers }) => layers > 1 && Math.log2(pick(found)) >= EXPONENTS[0]);
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: shown.map(({ layers }) => layers),
      y: shown.map(({ limits: found }) => Math.log2(pick(found))),
      marker: { symbol: "line-ew", size, line: { color, width: 2.5 }, color },
      showlegend: false,
      cliponaxis: false,
      hovertemplate: `${name}: λ = %{customdata}<extra></extra>`,
      customdata: shown.map(({ limits: found }) => number(pick(found))),
    };
  }

  function drawn(columns, problem) {
    const index = ({ best }) => FAMILIES.indexOf(familyOf(best.name)) + 0.5;
    const cells = EXPONENTS.map((_, i) => columns.map(({ cells: all }) => all[i]));
    const flat = columns.flatMap(({ layers, cells: all }) =>
      all.map((cell, i) => ({ layers, exponent: EXPONENTS[i], ...cell })),
    );
    return {
      caption:
        "The cheapest named structure for each depth and decay at these K, n and d. Points " +
        "without a name, which only a search finds, can be cheaper still.",
      table: {
        columns: [
          ["layers", flat.map((cell) => cell.layers)],
          ["log2_decay", flat.map((cell) => cell.exponent)],
          ["best", flat.map((cell) => cell.best.name)],
          ["rank", flat.map((cell) => cell.best.rank)],
          ["loss", flat.map((cell) => cell.best.loss)],
          ["dnc_loss", flat.map((cell) => cell.collapse?.loss ?? null)],
        ],
      },
      traces: (color, { width }) => [
        {
          type: "heatmap",
          x: LAYERS,
          y: EXPONENTS,
          z: cells.map((row) => row.map(index)),
          zmin: 0,
          zmax: FAMILIES.length,
          xgap: 2,
          colorscale: colorscale(color),
          showscale: false,
          text: cells.map((row) => row.map(hover)),
          hovertemplate: "L = %{x}, λ = 2^%{y}<br>%{text}<extra></extra>",
        },
        limits(columns, (found) => found.decayMax, {
          name: "DNC exists up to",
          color: color("ink"),
          size: Math.min(24, width / 30),
        }),
        limits(columns, (found) => found.stableDecay, {
          name: "DNC stable up to",
          color: color("card"),
          size: Math.min(24, width / 30),
        }),
        {
          type: "scatter",
          mode: "markers",
          x: [problem.layers],
          y: [Math.log2(problem.decay)],
          marker: { symbol: "circle-open", size: 13, color: color("ink"), line: { width: 3, color: color("ink") } },
          hoverinfo: "skip",
          showlegend: false,
        },
      ],
      layout: {
        height: 400,
        xaxis: { title: "layers L", tickvals: LAYERS, showgrid: false },
        yaxis: {
          title: "weight decay λ",
          tickvals: [-20, -16, -12, -8, -4, -1],
          ticktext: [-20, -16, -12, -8, -4, -1].map((k) => decay(2 ** k)),
          showgrid: false,
          range: [-20.125, -0.875],
        },
      },
    };
  }

  function legend(columns) {
    const seen = new Set(columns.flatMap(({ cells }) => cells.map(({ best }) => familyOf(best.name).family)));
    const shown = FAMILIES.filter(({ family }) => seen.has(family));
    const line = (text, color) =>
      element("li", {}, element("i", { class: "line", style: { "border-color": `var(--${color})` } }), text);
    return [
      ...shown.map(({ label: text, color }) =>
        element("li", {}, element("i", { class: "dot", style: { background: `var(--${color})` } }), text),
      ),
      line("DNC exists below", "ink"),
      line("DNC stable below (light line)", "rule"),
    ];
  }

  /** The diagram's card; `show(problem)` computes it anew when K, n or what fits the width changed. */
  function phaseDiagram() {
    const card = site.chart({ name: "phase-diagram", title: "Cheapest structure by depth and decay" });
    const key = element("ul", { class: "key" });
    card.element.querySelector(".plot").after(key);
    let shown = "";
    let columns = null;
    let latest = null;
    const start = computation((found) => {
      columns = found;
      card.element.dataset.computed = shown;
      replace(key, legend(found));
      draw();
    });

    /** What is drawn later is what is known now. */
    function draw() {
      const [found, problem] = [columns, latest];
      card.update(() => drawn(found, problem));
    }

    function show(problem) {
      latest = problem;
      const wanted = [problem.classes, problem.samples, Math.min(problem.width, problem.classes)].join();
      if (wanted === shown && columns) return draw();
      if (wanted === shown) return;
      [shown, columns] = [wanted, null];
      start(problem);
    }

    return { element: card.element, show };
  }

  site.phaseDiagram = phaseDiagram;
})(globalThis.deepcollapse);
