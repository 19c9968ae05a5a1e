// The landscape explorer: settings on the left, what the closed forms say about them on the right.
"use strict";

(function (site) {
  const { element, replace } = site.elements;
  const { SETTINGS, EXAMPLES, problemOf, stateOf, command } = site.modelSettings;

  function explorer(section, state) {
    let problem = problemOf(state);
    let picked = state.structure || "";
    let families = { key: "", value: null };
    const levels = site.explorerLevels({ onPick: pick });
    const curves = site.chart({ name: "losses-over-decay", title: "Losses over the decay" });
    const ratio = site.chart({ name: "dimension-ratio", title: "Dimension ratio over the width" });
    const phase = site.phaseDiagram();
    const [answer, note, typed] = ["answer", "note", "command"].map((name) =>
      section.querySelector(`[data-slot="${name}"]`),
    );
    const facts = section.querySelector(`[data-slot="facts"]`);
    const sliders = Object.entries(SETTINGS).map(([name, setting]) => [
      name,
      site.controls.slider({ ...setting, name, value: problem[name], onInput: (value) => change({ [name]: value }) }),
    ]);

    function change(to) {
      problem = { ...problem, ...to };
      remember();
      schedule();
    }

    function pick(name) {
      picked = name;
      remember();
      show();
    }

    const remember = () => site.address.replace("explore", { ...stateOf(problem), structure: picked });

    let waiting = false;
    function schedule() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        show();
      });
    }

    function catalogueOf({ classes, layers, samples }) {
      const key = [classes, layers, samples].join();
      if (families.key !== key) families = { key, value: site.closedForms.catalogue({ classes, layers, samples }) };
      return families.value;
    }

    function show() {
      const made = catalogueOf(problem);
      const points = site.closedForms.structures(problem, made);
      const collapse = site.closedForms.collapse(problem, made);
      const chosen = points.find((point) => point.name === picked) || points[0];
      const rival = site.closedForms.isRival(chosen, problem) ? chosen : site.closedForms.lowestRival(points, problem);
      const now = {
        problem,
        points,
        collapse,
        chosen,
        rival,
        ratio: rival && site.closedForms.dimensionRatio(rival, problem),
        atlas: site.data.atlas,
      };
      replace(answer, element("span", {}, site.explorerAnswer.answer(now)));
      replace(facts, site.explorerAnswer.facts(now));
      note.textContent =
        site.explorerAnswer.beyond(now) ||
        "No search beyond the named structures was made for these K and L: cheaper points may exist.";
      typed.textContent = command(problem);
      levels.show(now);
      curves.update(() => site.explorerCurves.overDecay(problem, made));
      ratio.update(() => site.explorerCurves.ratioOverWidth(problem, rival));
      phase.show(problem);
      section.dataset.shown = JSON.stringify(stateOf(problem));
    }

    function example(index) {
      if (index === "") return;
      problem = { ...EXAMPLES[Number(index)][1] };
      picked = "";
      sliders.forEach(([name, slider]) => slider.show(problem[name]));
      remember();
      show();
    }

    const examples = site.controls.choice({
      name: "example",
      label: "Example",
      value: "",
      onInput: example,
      options: [["", "Choose a setting"], ...EXAMPLES.map(([text], i) => [String(i), text])],
    });
    const form = section.querySelector(`[data-slot="controls"]`);
    form.onsubmit = (event) => event.preventDefault();
    replace(
      form,
      examples,
      sliders.map(([, slider]) => slider.element),
    );
    replace(
      section.querySelector(`[data-slot="charts"]`),
      levels.element,
      phase.element,
      element("div", { class: "pair" }, curves.element, ratio.element),
    );
    show();
  }

  site.views = { ...site.views, explore: explorer };
})(globalThis.deepcollapse);
