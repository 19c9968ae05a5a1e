// Form controls with labels: a slider with a field beside it, a choice from a list, a set of boxes.
"use strict";

(function (site) {
  const { element, replace, unique } = site.elements;

  /**
   * A slider over a list of values and a field for any value. `read` turns the field's text into a value (NaN is
   * refused), `write` a value into text, `say` what is read aloud.
   */
  function slider({ name, label, values, value, read, write, say = write, allowed, onInput }) {
    const id = unique(name);
    const range = element("input", {
      type: "range",
      id,
      min: 0,
      max: values.length - 1,
      step: 1,
      "data-control": name,
    });
    const field = element("input", {
      type: "text",
      inputmode: "decimal",
      class: "field",
      "data-field": name,
      "aria-label": `${label}, as a number`,
      autocomplete: "off",
      spellcheck: "false",
    });
    const wrong = element("p", { class: "wrong", id: unique(`${name}-wrong`), role: "alert", hidden: true });

    function show(to) {
      const nearest = values.reduce((best, other, i) => (apart(other, to) < apart(values[best], to) ? i : best), 0);
      range.value = String(nearest);
      range.setAttribute("aria-valuetext", say(to));
      field.value = write(to);
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      wrong.hidden = true;
    }

    const apart = (a, b) => Math.abs(Math.log(a) - Math.log(b));
    range.addEventListener("input", () => {
      const to = values[Number(range.value)];
      show(to);
      onInput(to);
    });
    field.addEventListener("change", () => {
      const to = read(field.value);
      const fine = to >= allowed[0] && to <= allowed[1];
      if (fine) {
        show(to);
        onInput(to);
      } else {
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", wrong.id);
        wrong.textContent = `Expected ${write(allowed[0])} to ${write(allowed[1])}.`;
        wrong.hidden = false;
      }
    });
    show(value);
    const whole = element(
      "div",
      { class: "control" },
      element("label", { for: id }, ...labelled(label)),
      field,
      range,
      wrong,
    );
    return { element: whole, show };
  }

  /** "K, classes": the symbol in italics. */
  function labelled(label) {
    const [symbol, ...rest] = label.split(", ");
    return rest.length ? [element("var", {}, symbol), ` ${rest.join(", ")}`] : [label];
  }

  /** A list to choose from: options [[value, text], ...]. */
  function choice({ name, label, options, value, onInput }) {
    const id = unique(name);
    const list = element("select", { id, "data-control": name, on: { change: () => onInput(list.value) } });
    replace(
      list,
      options.map(([key, text]) => element("option", { value: key }, text)),
    );
    list.value = options.some(([key]) => key === value) ? value : options.length ? options[0][0] : "";
    return element("div", { class: "choice" }, element("label", { for: id }, label), list);
  }

  /** A setting's values as boxes; `chosen` is the set of keys that are on, empty for all. */
  function boxes({ name, label, options, chosen, onInput }) {
    const on = new Set(chosen);
    const summary = element("summary");
    const tell = () =>
      replace(
        summary,
        element("span", {}, label),
        element("span", { class: "chosen" }, on.size ? `${on.size} of ${options.length}` : "all"),
      );
    const box = ([key, text]) => {
      const input = element("input", { type: "checkbox", value: key, checked: on.has(key), "data-control": name });
      input.addEventListener("change", () => {
        if (input.checked) on.add(key);
        else on.delete(key);
        tell();
        onInput([...on]);
      });
      return element("label", { class: "box" }, input, text);
    };
    tell();
    const list = element(
      "fieldset",
      {},
      element("legend", { class: "unseen" }, `Show only ${label}`),
      options.map(box),
    );
    return element("details", { class: "boxes", open: on.size > 0 }, summary, list);
  }

  site.controls = Object.freeze({ slider, choice, boxes });
})(globalThis.deepcollapse);
