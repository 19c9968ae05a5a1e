// The page: which view the address asks for, and the switch between light and dark.
"use strict";

(function (site) {
  const sections = () => [...document.querySelectorAll("main > section[data-view]")];

  /** Show the view in the address, the first one if there is none. */
  function show({ focus }) {
    const all = sections();
    const asked = site.address.read();
    const section = all.find((one) => one.dataset.view === asked.view) || all[0];
    const state = section.dataset.view === asked.view ? asked.state : {};
    for (const one of all) one.hidden = one !== section;
    for (const link of document.querySelectorAll(".views a")) {
      const current = link.dataset.to === (section.dataset.under || section.dataset.view);
      if (current) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
    site.views[section.dataset.view]?.(section, state);
    document.title = `${section.querySelector("h1").textContent} · deepcollapse`;
    if (focus) {
      document.getElementById("content").focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    document.documentElement.dataset.ready = section.dataset.view;
  }

  /** To the content of the view that is shown; the address, which names the view, stays. */
  function skip(event) {
    event.preventDefault();
    document.getElementById("content").focus();
  }

  function start() {
    site.assets = document.documentElement.dataset.assets;
    site.theme.start();
    document.querySelector(".skip").addEventListener("click", skip);
    addEventListener("hashchange", () => show({ focus: true }));
    show({ focus: false });
  }

  start();
})(globalThis.deepcollapse);
