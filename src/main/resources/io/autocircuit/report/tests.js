// Hypothesis tests of circuits, and ranks: what the pages of a run and of an experiment share.
ac.tests = (() => {
  const { number, plural, tip, font, valueScale, linear, tooltipStyle } = ac;
  const NAMES = { equivalence: "equivalence", independence: "independence", minimality: "minimality",
    same_size: "random, same size", capacity: "random, same capacity" };
  const known = (v) => v !== null && v !== undefined && Number.isFinite(v);
  const controlOf = (t, test) => t.controls.find((c) => c.matching === (test === "same_size" ? "size" : test));
  const pOf = (t, test) => {
    if (test === "minimality") return Math.min(1, ...t.minimality.edges.map((e) => e.p_holm));
    return test === "equivalence" || test === "independence" ? t[test].p : controlOf(t, test)?.p ?? NaN;
  };
  const rejected = (t, test) => pOf(t, test) < t.level;
  const pText = (p) => (Number.isNaN(p) ? "\u2013" : p < 0.001 ? p.toExponential(1).replace("-", "\u2212") : p.toFixed(3));
  const verdict = (t, test) => (Number.isNaN(pOf(t, test)) ? "" : rejected(t, test) ? "rejected" : "kept");
  // Whether the outcome speaks for the circuit.
  const good = (t, test) => rejected(t, test) === (test === "same_size" || test === "capacity");
  const seen = (t, test) => {
    const short = (v) => (known(v) ? number(Number(v.toPrecision(4))) : "\u2013");
    if (test === "equivalence") {
      return "above the model on " + plural(t.equivalence.above, "prompt") + ", below on " + t.equivalence.below;
    }
    if (test === "independence") return "HSIC " + short(t.independence.hsic);
    if (test === "minimality") {
      const extra = t.minimality.edges.filter((e) => e.p_holm < t.level);
      return extra.length + " of " + plural(t.minimality.edges.length, "edge") + " no better than random" +
        (extra.length ? ": " + extra.slice(0, 4).map((e) => e.name).join(", ") + (extra.length > 4 ? ", \u2026" : "") : "");
    }
    const c = controlOf(t, test);
    return c ? c.as_near + " of " + c.distances.length + " as near to the model; " + c.not_equivalent +
      " not equivalent; they share " + Math.round(100 * c.shared) + " % of its edges" : "";
  };

  // A row for each circuit: random ones as grey dots, its own value or values in colour.
  // rows: { name, colour(c), random: [number], own: [{ value, text, bad }] }
  const strip = (rows, c, width, axisName) => {
    const all = rows.flatMap((r) => [...r.random, ...r.own.map((o) => o.value)]).filter(known);
    const scale = all.length ? valueScale(all) : linear;
    const label = { color: c.muted, fontSize: 11, fontFamily: font, hideOverlap: true };
    const dots = (row, y, values, more) => values.filter((v) => known(v.value)).map((v, k) => ({ ...more(v),
      value: [scale.to(v.value), y], shown: v, row, symbolOffset: [0, ((k * 7) % 13) - 6] }));
    return {
      animation: false, textStyle: { fontFamily: font },
      grid: { left: 4, right: 24, top: 8, bottom: 28, containLabel: true },
      tooltip: { trigger: "item", ...tooltipStyle(c), formatter: (p) => tip(p.data.row.name, p.data.shown.text ||
        "a random one", axisName + ": " + number(p.data.shown.value)) },
      xAxis: { type: "value", name: axisName, nameLocation: "middle", nameGap: 26, axisTick: { show: false },
        nameTextStyle: { color: c.muted, fontSize: 11 }, splitLine: { lineStyle: { color: c.grid } },
        axisLine: { show: true, onZero: false, lineStyle: { color: c.line } }, ...scale.axis,
        axisLabel: { ...label, ...scale.axis.axisLabel } },
      yAxis: { type: "category", inverse: true, data: rows.map((r) => r.name), axisTick: { show: false },
        axisLine: { onZero: false, lineStyle: { color: c.line } },
        axisLabel: { color: c.text, fontSize: 12, fontFamily: font, width: Math.min(200, width * 0.4),
          overflow: "truncate" } },
      series: [
        { type: "scatter", symbol: "circle", symbolSize: 5, data: rows.flatMap((row, y) => dots(row, y,
          row.random.map((value) => ({ value })), () => ({ itemStyle: { color: c.muted, opacity: 0.55 } }))) },
        { type: "scatter", z: 3, data: rows.flatMap((row, y) => dots(row, y, row.own, (o) => ({
          symbol: o.bad ? "triangle" : "diamond", symbolSize: row.own.length > 1 ? 10 : 14,
          itemStyle: { color: o.bad ? c.negative : row.colour(c), borderColor: c.card, borderWidth: 1 } }))) },
      ],
    };
  };
  const minimalityRows = (tested) => tested.map(({ name, colour, test }) => ({ name, colour,
    random: test.minimality.random_effects, own: test.minimality.edges.map((e) => ({ value: e.effect,
      bad: e.p_holm < test.level, text: e.name + (e.seq_idx === null ? "" : "@" + e.seq_idx) + ", p = " +
      pText(e.p_holm) + (e.p_holm < test.level ? ", no better than random" : "") })) }));
  const distanceRows = (tested) => tested.flatMap(({ name, colour, test }) => ["same_size", "capacity"]
    .filter((kind) => controlOf(test, kind)).map((kind) => ({ name: name + ", " + NAMES[kind].replace("random, ", "").replace("same ", ""),
      colour, random: controlOf(test, kind).distances, own: [{ value: controlOf(test, kind).circuit_distance,
        bad: !good(test, kind), text: "the circuit, p = " + pText(pOf(test, kind)) }] })));
  const PLOTS = [
    { title: "Minimality", axis: "effect of an edge", rows: minimalityRows, note: "Marks: the mean square of what the" +
      " removal of each edge of the circuit changes. Grey: of random edges that the circuit was inflated by. Triangles:" +
      " edges that are no better." },
    { title: "Distance from the model", axis: "mean |difference of scores|", rows: distanceRows, note: "The circuit" +
      " (mark) beside random circuits of its size, and of its capacity (grey). A triangle: it is no nearer than chance." },
  ];
  return { NAMES, TESTS: Object.keys(NAMES), PLOTS, pOf, pText, rejected, verdict, good, seen, strip };
})();
