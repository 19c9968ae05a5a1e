// How structures are called and coloured, the same in every chart.
"use strict";

(function (site) {
  const FAMILIES = [
    { family: "dnc", label: "DNC (simplex)", color: "vermilion", match: /^(dnc|simplex|orthogonal-frame)$/ },
    { family: "paired", label: "pairs", color: "blue", match: /^paired$/ },
    { family: "paired-trial", label: "pairs (trial point)", color: "blue-faint", match: /^paired-trial$/ },
    { family: "triangular", label: "triangular graph", color: "green", match: /^T\d+$/ },
    { family: "partition", label: "partition", color: "purple", match: /^partition-/ },
    { family: "circle", label: "circle", color: "orange", match: /^circle$/ },
    { family: "zero", label: "zero", color: "grey", match: /^zero$/ },
    { family: "other", label: "no name", color: "sky", match: /./ },
  ];

  const familyOf = (name) => FAMILIES.find(({ match }) => match.test(name));

  /** A structure's name for readers: "partition 2+2+6", "DNC (simplex)", "no name, rank 3". */
  function label(name) {
    const { family, label: plain } = familyOf(name);
    if (family === "partition") return `partition ${name.split("-").slice(1).join("+")}`;
    if (family === "triangular") return `triangular ${name}`;
    if (family === "other") return name.replace(/^(unnamed-)?rank-(\d+)$/, "no name, rank $2");
    return plain;
  }

  site.structureNames = Object.freeze({ FAMILIES, familyOf, label });
})(globalThis.deepcollapse);
