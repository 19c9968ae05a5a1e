// Charts: drawn by plotly when they come into view, with the numbers behind them as a table and a file.
"use strict";

(function (site) {
  const { element, replace, unique } = site.elements;
  const live = new Set();
  let library = null;

  /** plotly, fetched from beside the page when the first chart is looked at. */
  function plotly() {
    library ||= new Promise((done, failed) => {
      const script = element("script", { src: `${site.assets}/plotly.min.js` });
      script.addEventListener("load", () => done(globalThis.Plotly));
      script.addEventListener("error", () =>
        failed(new Error("plotly.min.js is missing beside the page; make the report again")),
      );
      document.head.append(script);
    });
    return library;
  }

  function axis(given, colors) {
    const title = given.title ? { title: { text: given.title, standoff: 10, font: { size: 12.5 } } } : {};
    const lines = {
      gridcolor: colors.rule,
      linecolor: colors.faint,
      tickcolor: colors.faint,
      tickfont: { color: colors.faint, size: 12 },
    };
    return { automargin: true, zeroline: false, ...lines, fixedrange: true, ...given, ...title };
  }

  /** The look of the page around a chart's own layout. */
  function themed(layout, { narrow }) {
    const colors = {
      ink: site.theme.color("ink"),
      faint: site.theme.color("faint"),
      rule: site.theme.color("rule"),
      card: site.theme.color("card"),
    };
    const { xaxis = {}, yaxis = {}, legend = {}, ...rest } = layout;
    const more = Object.fromEntries(
      Object.entries(rest)
        .filter(([key]) => /^[xy]axis\d/.test(key))
        .map(([key, given]) => [key, axis(given, colors)]),
    );
    return {
      height: 360,
      margin: { l: 8, r: narrow ? 8 : 16, t: 12, b: 8 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colors.ink },
      hoverlabel: {
        bgcolor: colors.card,
        bordercolor: colors.rule,
        font: { color: colors.ink, size: 12.5 },
        align: "left",
      },
      legend: {
        orientation: "h",
        x: 0,
        xanchor: "left",
        y: 1.02,
        yanchor: "bottom",
        font: { size: 12.5 },
        itemclick: false,
        itemdoubleclick: false,
        ...legend,
      },
      dragmode: false,
      ...rest,
      ...more,
      xaxis: axis(xaxis, colors),
      yaxis: axis(yaxis, colors),
    };
  }

  /**
   * A chart's card. `update(make)` sets what is drawn: make() gives {traces(color, around), layout, caption,
   * description, table} or {empty: text}, and is called only when the chart is in view or its numbers are asked for.
   * `color` turns names of the style sheet into colours, `around` has the width in pixels; a layout may be a function
   * of it.
   */
  function chart({ name, title, controls = [] }) {
    const heading = unique("chart");
    const plot = element("div", { class: "plot", role: "img", "aria-label": title });
    const caption = element("p", { class: "caption" });
    const numbers = element("div");
    const details = element("details", { class: "numbers" }, element("summary", {}, "Numbers as a table"), numbers);
    const csv = element(
      "button",
      { type: "button", class: "quiet", "data-csv": name, on: { click: () => site.csv.download(name, spec().table) } },
      "CSV",
    );
    const picture = element("button", { type: "button", class: "quiet", on: { click: savePicture } }, "SVG");
    csv.setAttribute("aria-label", `Download the numbers of: ${title} (CSV)`);
    picture.setAttribute("aria-label", `Download the picture of: ${title} (SVG)`);
    const actions = element("div", { class: "actions" }, csv, picture);
    const card = element(
      "figure",
      { class: "card", "aria-labelledby": heading, "data-chart": name },
      element("div", { class: "card-head" }, element("h2", { id: heading }, title), actions),
      controls.length ? element("div", { class: "row" }, controls) : null,
      plot,
      element("figcaption", {}, caption, details),
    );
    const self = { element: card, update, redraw: () => drawn && draw() };
    let make = () => ({ empty: "" });
    let known = null;
    let drawn = false;
    let inView = false;
    let width = 0;

    const spec = () => (known ||= make());

    function update(to) {
      [make, known, drawn] = [to, null, false];
      if (inView) draw();
    }

    async function savePicture() {
      const library = await plotly();
      if (drawn && !spec().empty)
        await library.downloadImage(plot, { format: "svg", filename: name, width: 900, height: plot.layout.height });
    }

    async function draw() {
      drawn = true;
      const now = spec();
      details.hidden = actions.hidden = Boolean(now.empty);
      if (details.open) fillTable();
      if (now.empty !== undefined) return void nothing(now.empty);
      caption.textContent = now.caption || "";
      plot.setAttribute("aria-label", now.description || `${title}. ${now.caption || ""}`);
      try {
        const library = await plotly();
        if (now !== known || !plot.isConnected) return;
        if (!plot.classList.contains("js-plotly-plot")) replace(plot);
        width = plot.clientWidth;
        const around = { color: site.theme.color, width };
        const layout = themed(typeof now.layout === "function" ? now.layout(around) : now.layout || {}, {
          narrow: width < 480,
        });
        await library.react(plot, now.traces(site.theme.color, around), layout, {
          displayModeBar: false,
          responsive: false,
        });
        card.dataset.drawn = "yes";
      } catch (error) {
        nothing(error.message);
      }
    }

    function nothing(text) {
      if (plot.classList.contains("js-plotly-plot")) globalThis.Plotly.purge(plot);
      replace(plot, element("p", { class: "empty" }, text));
      caption.textContent = "";
      card.dataset.drawn = "empty";
    }

    const fillTable = () => replace(numbers, site.table({ ...spec().table, caption: title, page: 25 }));
    details.addEventListener("toggle", () => details.open && fillTable());
    new IntersectionObserver(
      ([entry]) => {
        inView = entry.isIntersecting;
        if (inView && !drawn) draw();
      },
      { rootMargin: "200px" },
    ).observe(card);
    new ResizeObserver(() => {
      if (drawn && plot.clientWidth && plot.clientWidth !== width && !spec().empty) draw();
    }).observe(plot);
    live.add(self);
    return self;
  }

  site.theme.onChange(() => {
    for (const one of live)
      if (one.element.isConnected) one.redraw();
      else live.delete(one);
  });

  site.chart = chart;
  site.plotly = plotly;
})(globalThis.deepcollapse);
