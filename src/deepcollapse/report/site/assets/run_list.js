// All runs of a kind in a table.
"use strict";

(function (site) {
  const { element, replace, refill } = site.elements;
  const { counted, number } = site.numbers;
  const SHOWN = {
    simulate: ["seeds", "decided", "dnc", "ends_most_at", "lowest_loss", "dnc_loss"],
    train: ["loss", "dnc_loss", "below_bound", "rank", "structure", "converged"],
    landscape: ["structure", "rank", "loss", "dnc_loss", "points"],
    theory: ["structure", "rank", "loss", "dnc_loss", "dnc_stable"],
  };

  function runList(section, given) {
    const slot = section.querySelector('[data-slot="view"]');
    if (!slot) return;
    let state = given;
    const controls = element("div", { class: "row" });
    const list = element("div");
    replace(slot, element("div", { class: "card" }, controls, list));

    function change(patch, { quietly = false } = {}) {
      state = { ...state, ...patch };
      site.address.replace("runs", state);
      if (!quietly) show();
    }

    function chosen(kind) {
      const { ids, parts } = site.runs.of(kind);
      const claimed = state.claim && new Set(site.data.claims[state.claim] || []);
      const fits = (run) =>
        (!state.part || parts[run].map(String).includes(state.part)) &&
        (!claimed || claimed.has(ids[run])) &&
        (!state.id || ids[run].startsWith(state.id));
      return ids.map((_, run) => run).filter(fits);
    }

    function kind() {
      const kinds = site.runs.kinds();
      if (kinds.includes(state.kind)) return state.kind;
      const claimed = new Set(site.data.claims[state.claim] || []);
      return kinds.find((one) => site.data.kinds[one].ids.some((id) => claimed.has(id))) || kinds[0];
    }

    function show() {
      const of = kind();
      const runs = chosen(of);
      pickers(of);
      const { ids, parts, settings, results } = site.runs.of(of);
      const keys = site.runs
        .varying(of, runs)
        .map(({ key }) => key)
        .slice(0, 7);
      const columns = [
        ["run", runs.map((run) => ids[run])],
        ["part", runs.map((run) => parts[run].map(site.runs.partName).join(", ") || "none")],
        ...keys.map((key) => [site.runs.label(key), runs.map((run) => settings[key][run])]),
        ...SHOWN[of]
          .filter((name) => results[name])
          .map((name) => [site.runs.resultLabel(name), runs.map((run) => results[name][run])]),
      ];
      const decays = Object.fromEntries(
        keys
          .filter((key) => key === "decay")
          .map((key) => [site.runs.label(key), (value) => site.runs.text(key, value)]),
      );
      const place = { sort: state.sort, at: state.at };
      replace(
        list,
        site.table({
          columns,
          caption: `${counted(runs.length, "run")}${state.claim ? ` behind claim ${state.claim}` : ""}`,
          state: place,
          cells: { run: site.runLink, ...decays, ...site.runs.namedCells(SHOWN[of]) },
          onChange: (to) => change(to, { quietly: true }),
        }),
      );
      section.dataset.shown = JSON.stringify({ kind: of, runs: runs.length });
    }

    function pickers(of) {
      const { choice } = site.controls;
      const parts = site.runs.partsOf(of).map(({ index, name }) => [String(index), name]);
      const claims = Object.entries(site.data.claims)
        .filter(([, ids]) => ids.length)
        .map(([id, ids]) => [id, `${id} (${number(ids.length)})`]);
      const fresh = { at: "", sort: "" };
      const search = element("input", {
        type: "search",
        class: "field",
        id: "run-id",
        value: state.id || "",
        placeholder: "first digits",
        "data-control": "id",
        on: { change: (event) => change({ ...fresh, id: event.target.value.trim() }) },
      });
      refill(
        controls,
        choice({
          name: "kind",
          label: "Kind",
          value: of,
          options: site.runs.kinds().map((one) => [one, site.runs.KINDS[one]]),
          onInput: (to) => change({ ...fresh, kind: to, part: "" }),
        }),
        choice({
          name: "part",
          label: "Part",
          value: state.part || "",
          options: [["", "all"], ...parts],
          onInput: (to) => change({ ...fresh, part: to }),
        }),
        claims.length &&
          choice({
            name: "claim",
            label: "Claim",
            value: state.claim || "",
            options: [["", "all"], ...claims],
            onInput: (to) => change({ ...fresh, claim: to, kind: "", part: "" }),
          }),
        element("div", { class: "choice" }, element("label", { for: "run-id" }, "Run"), search),
      );
    }

    show();
  }

  site.views = { ...site.views, runs: runList };
})(globalThis.deepcollapse);
