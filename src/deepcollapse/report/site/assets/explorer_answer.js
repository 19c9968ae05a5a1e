// What the closed forms say about one setting, in sentences and a few numbers.
"use strict";

(function (site) {
  const { element } = site.elements;
  const { number, percent, decay } = site.numbers;
  const SAME = 1e-9;

  const strong = (text) => element("strong", {}, text);
  const variable = (text) => element("var", {}, text);
  const named = (point) => `${site.structureNames.label(point.name)}, rank ${point.rank}`;

  /** Which structure is cheapest, and what becomes of collapse. */
  function answer({ problem, points, collapse }) {
    const best = points[0];
    if (points.length === 1)
      return [
        strong("No solution at this decay."),
        " Along every named structure that fits the width only Z = 0 is stationary. ",
        collapse.exists
          ? "Collapse would exist, but does not fit the width."
          : `Collapse exists up to λ = ${number(collapse.decayMax)}: lower the decay.`,
      ];
    if (best.name === "zero")
      return [
        strong("Z = 0 is cheapest."),
        " The decay charges more for any named structure than it saves; the next is " +
          `${named(points[1])}, with ${number(points[1].loss)} against ${number(best.loss)}.`,
      ];
    const rest = aboutCollapse({ problem, points, collapse });
    if (best.name === "simplex")
      return [strong("Collapse is the cheapest named structure"), `, with a loss of ${number(best.loss)}. `, rest];
    return ["Cheapest named structure: ", strong(named(best)), `, with a loss of ${number(best.loss)}. `, rest];
  }

  function aboutCollapse({ problem, points, collapse }) {
    const best = points[0];
    if (!collapse.exists)
      return `Deep neural collapse (DNC) does not exist at this decay; it does up to λ = ${number(collapse.decayMax)}.`;
    if (!collapse.fits)
      return (
        `Deep neural collapse (DNC) has rank ${problem.classes - 1} and does not fit the width ` +
        `${number(problem.width)}.`
      );
    if (best.name === "simplex" && problem.layers === 1)
      return "With one layer that is proved: neural collapse is the global minimum.";
    if (best.name === "simplex") return "That compares named structures and proves nothing about others.";
    const more = collapse.loss / best.loss - 1;
    return more < SAME
      ? "Deep neural collapse (DNC) costs the same."
      : `Deep neural collapse (DNC) costs ${number(collapse.loss)}, ${percent(more)} more.`;
  }

  /** What a search found beyond the named structures; null where no search was made for these K and L. */
  function beyond({ problem, points, atlas }) {
    const { classes, layers, decay: strength, samples } = problem;
    const effective = strength * samples ** (1 / (layers + 1));
    const entries = (atlas || []).filter((one) => one.classes === classes && one.layers === layers);
    if (!entries.length) return null;
    const apart = (one) => Math.abs(Math.log(one.decay / effective));
    const entry = entries.reduce((best, one) => (apart(one) < apart(best) ? one : best));
    const here = apart(entry) < SAME;
    const at = { classes, layers, samples: 1, decay: entry.decay };
    const rivals = here ? points : site.closedForms.structures(at);
    const where = here ? "Here" : `At λ = ${decay(entry.decay)}, n = 1, the nearest setting that was searched,`;
    if (entry.structure !== "unnamed" || entry.loss >= rivals[0].loss * (1 - SAME))
      return `${where} a search over all logits found nothing cheaper than the named structures.`;
    return (
      `${where} a search over all logits found a cheaper point that has no name: rank ` +
      `${entry.rank}, loss ${number(entry.loss)}, ${percent(rivals[0].loss / entry.loss - 1)} ` +
      "below the cheapest named one."
    );
  }

  const fact = (term, value, more) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, value, more && element("small", {}, more)));

  function existence({ collapse, problem }) {
    const limit = `for λ up to ${number(collapse.decayMax)}`;
    if (!collapse.exists) return fact("DNC exists", "no", limit);
    const zero = Math.log(problem.classes);
    return fact(
      "DNC exists",
      collapse.fits ? "yes" : "not at this width",
      collapse.loss > zero ? `${limit}; here Z = 0 is cheaper` : limit,
    );
  }

  function stability({ collapse, problem }) {
    const limit =
      problem.classes === 2 ? "for two classes wherever it exists" : `for λ up to ${number(collapse.stableDecay)}`;
    const scale = problem.classes > 2 && problem.layers > 1 ? `, where α ≥ ${number(collapse.stableScale, 5)}` : "";
    if (!collapse.exists) return fact("DNC stable", "–", limit + scale);
    return fact("DNC stable", collapse.stable ? "yes, no negative curvature" : "no, a strict saddle", limit + scale);
  }

  function dimension({ ratio, rival }) {
    const term = ["Dimension ratio ", variable("R(d)")];
    if (!rival) return fact(term, "–", "no structure of lower rank");
    if (!ratio) return fact(term, "–", "DNC does not fit the width");
    return fact(
      term,
      `${number(ratio.exact, 4)} exact`,
      `${number(ratio.paper, 4)} as the paper counts; limit ${number(ratio.limit, 4)}; against ${named(rival)}`,
    );
  }

  function facts(now) {
    const { problem, collapse } = now;
    const proved = site.closedForms.ruledOut(problem);
    return [
      fact(
        ["DNC scale ", variable("α")],
        number(collapse.scale),
        collapse.exists ? `loss ${number(collapse.loss, 9)}` : "no stationary scale",
      ),
      existence(now),
      stability(now),
      fact(
        "Theorem 1",
        proved ? "DNC never optimal" : "says nothing here",
        proved ? "whatever the decay, for d ≥ K" : "it needs K ≥ 4, L ≥ 3 or K ≥ 6, L = 2",
      ),
      dimension(now),
      fact("Loss at zero", number(Math.log(problem.classes)), "log K"),
    ];
  }

  site.explorerAnswer = Object.freeze({ answer, beyond, facts });
})(globalThis.deepcollapse);
