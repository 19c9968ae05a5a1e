// The claims are in the page already; this lets the verdicts filter them.
"use strict";

(function (site) {
  function claims(section, state) {
    const buttons = [...section.querySelectorAll(".tally button")];
    const show = (verdict) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
      for (const claim of section.querySelectorAll(".claim"))
        claim.hidden = Boolean(verdict) && claim.dataset.verdict !== verdict;
    };
    for (const button of buttons)
      button.onclick = () => {
        const verdict = button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.verdict;
        site.address.replace("claims", { verdict });
        show(verdict);
      };
    show(buttons.some((button) => button.dataset.verdict === state.verdict) ? state.verdict : "");
    if (state.claim)
      [...section.querySelectorAll(".claim")].find((claim) => claim.dataset.claim === state.claim)?.scrollIntoView();
  }

  site.views = { ...site.views, claims };
})(globalThis.deepcollapse);
