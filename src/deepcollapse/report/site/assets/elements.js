// Making elements. Text goes in as text only, so that nothing from a store can become markup.
"use strict";

(function (site) {
  const PLAIN_LINK = /^(#|\.{0,2}\/|[\w%][^:]*$)/;

  /** An element with attributes (`on` holds listeners; false and null leave one out) and children. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
      else if (name === "href" && !PLAIN_LINK.test(value)) continue;
      else if (name === "style") Object.entries(value).forEach(([key, entry]) => made.style.setProperty(key, entry));
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  }

  const replace = (parent, ...children) => parent.replaceChildren(...children.flat(Infinity).filter(Boolean));

  /** New children; the control that had the focus has it again, or another one if it is gone or off. */
  function refill(parent, ...children) {
    const held = parent.contains(document.activeElement) && document.activeElement.dataset.control;
    replace(parent, ...children);
    if (!held) return;
    const again = parent.querySelector(`[data-control="${CSS.escape(held)}"]:enabled`);
    (again || parent.querySelector("[data-control]:enabled"))?.focus();
  }

  /** A name unique on the page. */
  let count = 0;
  const unique = (stem) => `${stem}-${++count}`;

  site.elements = Object.freeze({ element, replace, refill, unique });
})(globalThis.deepcollapse);
