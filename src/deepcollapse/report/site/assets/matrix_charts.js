// What is drawn of an endpoint: its class logits and their singular values.
"use strict";

(function (site) {
  /** Class logits in colours; `order` is that of the classes, null for their own. */
  function heatMap(matrix, order) {
    const shown = order ? site.logitPatterns.reordered(matrix, order) : matrix;
    const classes = (order || [...matrix.keys()]).map(String);
    const most = site.logitPatterns.largest(matrix) || 1;
    const flat = matrix.flatMap((row, i) => row.map((value, j) => [i, j, value]));
    return {
      caption: "Column k holds the mean logits of class k's samples. Red is above zero, blue below.",
      table: {
        columns: [
          ["logit_of_class", flat.map((entry) => entry[0])],
          ["class", flat.map((entry) => entry[1])],
          ["logit", flat.map((entry) => entry[2])],
        ],
      },
      traces: (color) => [
        {
          type: "heatmap",
          z: shown,
          x: classes,
          y: classes,
          zmin: -most,
          zmax: most,
          colorscale: site.heatMap.colorscale(),
          xgap: classes.length > 24 ? 0 : 1,
          ygap: classes.length > 24 ? 0 : 1,
          colorbar: { thickness: 10, outlinewidth: 0, tickfont: { color: color("faint"), size: 12 }, len: 0.9 },
          hovertemplate: "logit %{y} of class %{x}: %{z:.4f}<extra></extra>",
        },
      ],
      layout: ({ width }) => ({
        height: Math.min(440, Math.max(280, 0.88 * width)),
        xaxis: { title: "class of the sample", type: "category", showgrid: false, showline: false, ticks: "" },
        yaxis: {
          title: "logit of class",
          type: "category",
          autorange: "reversed",
          showgrid: false,
          showline: false,
          ticks: "",
          scaleanchor: "x",
          constrain: "domain",
        },
      }),
    };
  }

  /** Singular values as stems, with rings for those of the named structure. */
  function spectrum(values, theory) {
    if (!values) return { empty: "The singular values of this endpoint are not stored." };
    const expected =
      theory && theory.values.flatMap((value, i) => Array(theory.multiplicities[i]).fill(value)).sort((a, b) => b - a);
    const stems = values.flatMap((value, i) => [{ type: "line", x0: i + 1, x1: i + 1, y0: 0, y1: value }]);
    return {
      caption:
        "Singular values of the logits of all " +
        `samples${expected ? "; rings are those of the named structure" : ""}.`,
      table: {
        columns: [
          ["index", values.map((_, i) => i + 1)],
          ["singular_value", values],
          ...(expected ? [["predicted", values.map((_, i) => expected[i] ?? 0)]] : []),
        ],
      },
      traces: (color) => [
        {
          type: "scatter",
          mode: "markers",
          name: "found",
          x: values.map((_, i) => i + 1),
          y: values,
          marker: { color: color("blue"), size: 9 },
          hovertemplate: "%{y:.5g}<extra></extra>",
        },
        ...(expected
          ? [
              {
                type: "scatter",
                mode: "markers",
                name: "predicted",
                x: expected.map((_, i) => i + 1),
                y: expected,
                marker: { symbol: "circle-open", size: 15, color: color("vermilion"), line: { width: 1.75 } },
                hovertemplate: "%{y:.5g}<extra>predicted</extra>",
              },
            ]
          : []),
      ],
      layout: ({ color, width }) => ({
        height: Math.min(440, Math.max(280, 0.88 * width)),
        showlegend: Boolean(expected),
        shapes: stems.map((stem) => ({ ...stem, line: { color: color("blue"), width: 2 }, layer: "below" })),
        xaxis: { title: "index", dtick: values.length > 20 ? 5 : 1, showgrid: false },
        yaxis: { title: "singular value", rangemode: "tozero" },
      }),
    };
  }

  site.matrixCharts = Object.freeze({ heatMap, spectrum });
})(globalThis.deepcollapse);
