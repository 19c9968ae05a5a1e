// All named structures at one setting as a table with bars, and a picture of the chosen one's logits.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;
  const { number, difference } = site.numbers;
  const { familyOf, label } = site.structureNames;
  const FEW = 10;

  const color = (name) => `var(--${familyOf(name).color})`;

  /** "4 of 31.52, 1 of 12": singular values, the largest first. */
  function spectrum({ values, multiplicities }) {
    const order = values.map((value, i) => [value, multiplicities[i]]).sort((a, b) => b[0] - a[0]);
    return order.map(([value, count]) => `${count} of ${number(value, 5)}`).join(", ");
  }

  function levels({ onPick }) {
    const body = element("tbody");
    const more = element("button", { type: "button", class: "quiet", on: { click: () => ((all = !all), show(now)) } });
    const picture = element("figure", { class: "picture", "aria-live": "polite" });
    const head = ["structure", "rank", "loss", "against DNC", ""].map((text, i) =>
      element(
        "th",
        { scope: "col", class: i > 0 && i < 4 && "number" },
        text || element("span", { class: "unseen" }, "bar"),
      ),
    );
    const table = element(
      "table",
      {},
      element("caption", { class: "unseen" }, "Named structures, cheapest first"),
      element("thead", {}, element("tr", {}, head)),
      body,
    );
    let all = false;
    let now = null;

    function line(point, most) {
      const on = point.name === now.chosen.name;
      const pick = element(
        "button",
        {
          type: "button",
          class: "pick",
          "aria-pressed": String(on),
          "data-structure": point.name,
          "data-control": point.name,
          on: { click: () => onPick(point.name) },
        },
        element("i", { class: "dot", style: { background: color(point.name) } }),
        label(point.name),
      );
      const against = now.collapse.exists ? difference(point.loss / now.collapse.loss - 1) : "–";
      const bar = element("i", {
        style: { width: `${(100 * Math.min(point.loss / most, 1)).toFixed(2)}%`, background: color(point.name) },
      });
      return element(
        "tr",
        { class: on && "on" },
        element("td", {}, pick, point.critical ? null : element("small", { class: "note" }, " an upper bound")),
        element("td", { class: "number" }, number(point.rank)),
        element("td", { class: "number" }, number(point.loss, 8)),
        element("td", { class: "number" }, against),
        element("td", { class: "meter" }, bar),
      );
    }

    function show(to) {
      now = to;
      const { points } = now;
      const cut = all ? points.length : FEW;
      const shown = points.filter(
        (point, i) => i < cut || point === now.chosen || point.name === "simplex" || point.name === "zero",
      );
      const most =
        Math.max(...points.filter((point) => point.name !== "zero").map((point) => point.loss), 0) || points[0].loss;
      refill(
        body,
        shown.map((point) => line(point, most)),
      );
      more.textContent = all ? "Show fewer" : `Show all ${points.length}`;
      more.hidden = points.length <= shown.length && !all;
      showPicture();
    }

    function showPicture() {
      const { chosen, problem } = now;
      const matrix = site.logitPatterns.logits(chosen, problem.classes);
      const text = chosen.rank ? `Singular values of the logits: ${spectrum(chosen)}.` : "All logits are zero.";
      const title = `Logits of one sample of each class: ${label(chosen.name)}.`;
      replace(picture, site.heatMap.picture(matrix, title), element("figcaption", {}, title, " ", text));
    }

    const scroll = element(
      "div",
      {
        class: "scroll",
        tabindex: 0,
        role: "group",
        "aria-label": "Named structures, scrolls sideways on small screens",
      },
      table,
    );
    const whole = element(
      "div",
      { class: "card" },
      element("div", { class: "card-head" }, element("h2", {}, "Named structures, cheapest first"), csv()),
      element("div", { class: "levels" }, element("div", {}, scroll, more), picture),
    );

    function csv() {
      return element(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-csv": "structures",
          "aria-label": "Download the structures (CSV)",
          on: { click: () => site.csv.download("structures", numbers()) },
        },
        "CSV",
      );
    }

    function numbers() {
      const { points } = now;
      const of = (pick) => points.map(pick);
      return {
        columns: [
          ["structure", of((p) => p.name)],
          ["rank", of((p) => p.rank)],
          ["loss", of((p) => p.loss)],
          ["critical", of((p) => p.critical)],
          ["scales", of((p) => p.scales.join(" "))],
          ["singular_values", of(spectrum)],
        ],
      };
    }

    return { element: whole, show };
  }

  site.explorerLevels = levels;
})(globalThis.deepcollapse);
