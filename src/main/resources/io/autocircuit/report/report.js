"use strict";
(() => {
  const { byId, element, count, number, plural, tip, colours, tooltipStyle, font, linear, sizeScale,
    valueScale, exact, quote, download, drawn, pictureButtons, saveSvg, savePng, slug, table, circuit, flow, tests } = ac;
  const data = JSON.parse(byId("report-data").textContent);
  // An edge into a key or value that heads share enters all of them.
  const edges = data.edges.map(([name, source, target, from, to, position, score, targets], i) => ({
    rank: i + 1, name, source, target, from, to, position, score: Number(score), targets: targets ?? [target],
  }));
  const intoEach = (list) => list.flatMap((e) => e.targets.map((target) => (target === e.target ? e : { ...e, target })));
  const drawable = edges.filter((edge) => !Number.isNaN(edge.score)).length;
  const positions = [...new Set(edges.map((e) => e.position).filter((p) => p !== null))]
    .sort((a, b) => a - b);

  // What sources write, by name and position.
  const activity = new Map((data.activations ? data.activations.sources : []).map((s) =>
    [s.name + "@" + s.position, s]));
  const activityOf = (source, position) => activity.get(source + "@" + position) || null;

  const positionName = (p) =>
    data.positionLabels[p] === undefined ? String(p) : p + " “" + data.positionLabels[p] + "”";
  // Of the first prompt that was looked at.
  const tokenName = (p) => (data.activations?.tokens[p] !== undefined
    ? p + " “" + data.activations.tokens[p] + "”" : positionName(p));

  // ---- curves -----------------------------------------------------------------------------

  const prepared = data.plots.map((plot) => {
    const lines = plot.series.map((line) => ({
      name: line.name, points: line.points.map(([x, y, low, high]) => [x, Number(y), low ?? NaN, high ?? NaN]),
    }));
    const all = lines.flatMap((line) => line.points.map(([x, y]) => [line.name, x, y]));
    const finite = all.filter(([, , y]) => Number.isFinite(y));
    const refused = all.filter(([, , y]) => !Number.isFinite(y));
    const x = plot.logX && finite.length ? sizeScale(finite.map(([, v]) => v)) : linear;
    // the ends of intervals count, but do not bring zero onto a logarithmic axis
    const ends = lines.flatMap((line) => line.points.flatMap(([, v, low, high]) => (Number.isFinite(v) ? [low, high] : [])))
      .filter((v) => Number.isFinite(v) && (v > 0 || finite.some(([, , w]) => w <= 0)));
    const y = plot.logY && finite.length ? valueScale(finite.map(([, , v]) => v).concat(ends)) : linear;
    const notes = [y.note];
    if (ends.length) notes.push("Bars: the 95 % interval over prompts.");
    if (all.length === 0) notes.push("Nothing was measured.");
    if (refused.length) {
      notes.push("Not drawn: " + refused.slice(0, 8).map(([name, size, v]) =>
        (lines.length > 1 ? name + " at " : "at ") + plural(size, "edge") + " the value is " +
        number(v)).join("; ") + (refused.length > 8 ? "; and " + (refused.length - 8) + " more" : "") +
        ".");
    }
    return { plot, lines, x, y, empty: finite.length === 0, note: notes.filter(Boolean).join(" ") };
  });

  // The ends of intervals, as bars: not every size has one, and between them the curve may bend.
  const barsOf = (line, i, x, y, c) => {
    const ends = line.points.filter((p) => p[3] > p[2] && Number.isFinite(p[1]))
      .map((p) => [x.to(p[0]), ...[p[2], p[3]].map((v) => (Number.isFinite(y.to(v)) ? y.to(v) : y.to(p[1])))]);
    return !ends.length ? [] : [{ type: "custom", silent: true, data: ends, z: 1, tooltip: { show: false },
      encode: { x: 0, y: [1, 2] }, clip: true, renderItem: (params, api) => {
        const [at, low] = api.coord([api.value(0), api.value(1)]);
        const high = api.coord([api.value(0), api.value(2)])[1];
        return { type: "path", style: { stroke: c.series[i % c.series.length], lineWidth: 1.25, fill: "none", opacity: 0.7 },
          shape: { pathData: `M${at} ${low}V${high}M${at - 4} ${low}H${at + 4}M${at - 4} ${high}H${at + 4}`,
            x: at - 4, y: high, width: 8, height: Math.max(low - high, 1) } };
      } }];
  };

  const curveOption = ({ plot, lines, x, y }, c) => {
    const axisText = { color: c.muted, fontSize: 11 };
    const common = {
      type: "value", nameTextStyle: axisText, splitLine: { lineStyle: { color: c.grid } },
      axisLine: { show: true, lineStyle: { color: c.line } }, axisTick: { show: false },
    };
    const axis = (scale, more) => ({ ...common, ...scale.axis, ...more,
      axisLabel: { color: c.muted, fontSize: 11, hideOverlap: true, ...scale.axis.axisLabel } });
    const several = lines.length > 1;
    const titled = plot.yLabel !== plot.name;
    return {
      animation: false, color: c.series, textStyle: { fontFamily: font },
      grid: { left: 4, right: 14, top: (several ? 34 : 10) + (titled ? 26 : 4), bottom: 26,
        containLabel: true },
      legend: { show: several, type: "scroll", top: 0, left: 0, itemWidth: 18,
        textStyle: { color: c.text, fontSize: 12 }, pageTextStyle: { color: c.muted },
        pageIconColor: c.accent, pageIconInactiveColor: c.line },
      tooltip: { trigger: "item", ...tooltipStyle(c), formatter: (p) => tip(
        several ? p.seriesName : plot.name, plural(p.data.point[0], "edge"),
        plot.yLabel + ": " + number(p.data.point[1]), ...(Number.isFinite(p.data.point[2])
          ? ["95 % interval " + number(p.data.point[2]) + " to " + number(p.data.point[3])] : [])) },
      xAxis: axis(x, { name: plot.xLabel, nameLocation: "middle", nameGap: 26 }),
      yAxis: axis(y, { name: titled ? plot.yLabel : "", nameLocation: "end", nameGap: 12, scale: true,
        nameTextStyle: { ...axisText, align: "left" } }),
      series: [...lines.map((line, i) => ({
        type: "line", name: line.name, symbol: "circle", symbolSize: 6, clip: false,
        data: line.points.map((point) => ({
          value: [x.to(point[0]), Number.isFinite(point[1]) ? y.to(point[1]) : null], point })),
        lineStyle: { width: 2 },
        markLine: i > 0 ? undefined : { silent: true, precision: 12, symbol: "none", data: [], label: { show: false },
          lineStyle: { color: c.muted, type: "dashed", width: 1 } },
      })), ...lines.flatMap((line, i) => barsOf(line, i, x, y, c))],
    };
  };

  // A saved picture leaves the page: it says what it is of.
  const titleOf = (text, c) => ({ text, subtext: data.caption, left: 14, top: 10, itemGap: 6,
    textStyle: { color: c.text, fontSize: 15, fontWeight: 600, width: 612, overflow: "truncate" },
    subtextStyle: { color: c.muted, fontSize: 11, width: 612, overflow: "truncate" } });

  // The first plots stand above the circuit, further ones are folded away.
  const FIRST_PLOTS = 8;
  const plotCharts = [];
  const plotsBox = byId("plots");
  if (prepared.length === 0) {
    plotsBox.append(element("p", { className: "note", textContent: "No metric was measured." }));
  }
  const numbersOf = ({ plot, lines }) => {
    const details = element("details", { className: "numbers-of" }, element("summary", { textContent: "Numbers" }));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      details.append(table({ name: plot.name, rows: lines.flatMap((line) => line.points.map((point) =>
        ({ line, point }))), columns: [
        ...(lines.length > 1 ? [{ title: "Series", value: (r) => r.line.name }] : []),
        { title: plot.xLabel, numeric: true, value: (r) => r.point[0] },
        { title: "Value", numeric: true, value: (r) => r.point[1], text: (r) => number(r.point[1]) },
        ...(lines.some((line) => line.points.some((p) => Number.isFinite(p[2]))) ? [
          { title: "95 % from", numeric: true, value: (r) => r.point[2] },
          { title: "95 % to", numeric: true, value: (r) => r.point[3] }] : []),
      ] }));
    });
    return details;
  };
  for (const item of prepared) {
    const box = element("div", { className: "plot" });
    box.setAttribute("role", "img");
    const last = item.lines.map((line) => {
      const end = line.points[line.points.length - 1];
      return end ? line.name + ": " + number(line.points[0][1]) + " at " +
        plural(line.points[0][0], "edge") + ", " + number(end[1]) + " at " + plural(end[0], "edge") : "";
    });
    box.setAttribute("aria-label", item.plot.name + " by circuit size. " + last.join(". "));
    const caption = element("figcaption", {}, element("h3", { textContent: item.plot.name }));
    if (item.plot.lowerIsBetter) {
      caption.append(element("span", { textContent: "lower is better" }));
    }
    if (!item.empty) {
      caption.append(pictureButtons(item.plot.name, () => {
        const c = colours(true);
        const option = curveOption(item, c);
        return drawn({ ...option, backgroundColor: c.card, title: titleOf(item.plot.name, c),
          grid: { ...option.grid, top: option.grid.top + 58 }, legend: { ...option.legend, top: 58, left: 14 } },
        640, 440);
      }));
    }
    const figure = element("figure", {}, caption);
    if (!item.empty) figure.append(box);
    if (item.note) figure.append(element("p", { className: "note", textContent: item.note }));
    if (!item.empty) figure.append(numbersOf(item));
    (plotsBox.children.length < FIRST_PLOTS ? plotsBox : byId("further-plots")).append(figure);
    if (!item.empty) {
      plotCharts.push({ item, chart: echarts.init(box, null, { renderer: "svg" }) });
    }
  }

  // ---- a known circuit ----------------------------------------------------------------------

  const rocOption = (c) => ({
    animation: false, color: c.series, textStyle: { fontFamily: font },
    grid: { left: 4, right: 14, top: 10, bottom: 26, containLabel: true },
    tooltip: { trigger: "item", ...tooltipStyle(c), formatter: (p) => tip("Against the known circuit",
      "true positive rate " + number(p.value[1]), "false positive rate " + number(p.value[0])) },
    ...Object.fromEntries([["xAxis", "False positive rate"], ["yAxis", ""]].map(([axis, name]) => [axis, {
      type: "value", min: -0.02, max: 1.02, interval: 0.2, name, nameLocation: "middle", nameGap: 26,
      nameTextStyle: { color: c.muted, fontSize: 11 }, splitLine: { lineStyle: { color: c.grid } },
      axisLine: { show: true, lineStyle: { color: c.line } }, axisTick: { show: false },
      axisLabel: { color: c.muted, fontSize: 11, showMinLabel: false, showMaxLabel: false,
        formatter: (v) => (v < 0 || v > 1.01 ? "" : String(Math.round(v * 10) / 10)) } }])),
    series: [{ type: "line", silent: true, symbol: "none", data: [[0, 0], [1, 1]],
      lineStyle: { color: c.muted, type: "dashed", width: 1 } },
    { type: "line", symbol: "circle", symbolSize: 6, clip: false, data: data.roc,
      itemStyle: { color: c.accent }, lineStyle: { width: 2, color: c.accent } }],
  });
  if (data.roc.length) {
    const box = element("div", { className: "plot" });
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", "True positive rate by false positive rate: " + data.roc.map(([x, y]) =>
      number(y) + " at " + number(x)).join(", ") + ".");
    const caption = element("figcaption", {}, element("h3", { textContent: "ROC against the known circuit" }));
    caption.append(pictureButtons("ROC", () => {
      const c = colours(true);
      const option = rocOption(c);
      return drawn({ ...option, backgroundColor: c.card, title: titleOf("ROC against the known circuit", c),
        grid: { ...option.grid, top: 68 } }, 480, 520);
    }));
    byId("plots").append(element("figure", {}, caption, box, element("p", { className: "note",
      textContent: "True positive rate up; one point for each circuit size. Dashed: chance." })));
    plotCharts.push({ item: null, option: rocOption, chart: echarts.init(box, null, { renderer: "svg" }) });
  }

  // ---- numbers of all sizes, stability, tests ---------------------------------------------

  const ends = (low, high) => (Number.isFinite(Number(low)) ? number(Number(low)) + " to " + number(Number(high)) : "\u2013");
  if ((data.areas || []).length) {
    byId("areas").hidden = false;
    byId("areas-note").textContent = "Circuits: " + data.selection + ". 95 % intervals over prompts, of AUROC over edges.";
    byId("areas-table").append(table({ name: "Over all sizes", rows: data.areas, columns: [
      { title: "Number", value: (a) => a.title },
      { title: "Better", value: (a) => (a.lowerIsBetter ? "lower" : "higher") },
      { title: "Value", numeric: true, value: (a) => a.value },
      { title: "95 % interval", numeric: true, value: (a) => Number(a.low), text: (a) => ends(a.low, a.high) },
    ] }));
  }
  if (data.stability) {
    const s = data.stability;
    const [again, low, high] = s.redrawn.map(Number);
    byId("stability").hidden = false;
    byId("stability-note").textContent = "Of " + plural(s.prompts, "prompt") + " that score, the " +
      plural(s.size, "edge") + " with the greatest |mean score|" + (Number.isFinite(again) ? ": when as many prompts are" +
      " drawn again, with replacement, the Jaccard index with the best edges then is " + number(again) + " (95 % of draws: " +
      number(low) + " to " + number(high) + "). Between the best edges of two single prompts it is " +
      number(Number(s.overlap)) + " on average." : ".");
    byId("stability-table").append(table({ name: "Stability", sorted: true, rows: s.rows, columns: [
      { title: "Edge", value: (r) => r[0] },
      ...(positions.length ? [{ title: "Position", numeric: true, value: (r) => r[1],
        text: (r) => (r[1] === null ? "all" : positionName(r[1])) }] : []),
      { title: "Prompts with it among their best", numeric: true, value: (r) => r[2],
        text: (r) => Math.round(100 * r[2]) + " %" },
      { title: "Mean score", numeric: true, value: (r) => Number(r[3]) },
      { title: "Standard deviation", numeric: true, value: (r) => Number(r[4]) },
      { title: "Same sign", numeric: true, value: (r) => r[5], text: (r) => Math.round(100 * r[5]) + " %" },
    ] }));
  }
  if ((data.tests || []).length) {
    const nameOf = (t) => (t.known ? "known circuit, " : "") + plural(t.edges, "edge");
    byId("tests").hidden = false;
    byId("tests-table").append(table({ name: "Tests", rows: data.tests.flatMap((t) => tests.TESTS.map((test) =>
      ({ t, test }))), columns: [
      { title: "Circuit", value: (r) => nameOf(r.t) },
      { title: "Test", value: (r) => tests.NAMES[r.test] },
      { title: "p", numeric: true, value: (r) => tests.pOf(r.t, r.test), text: (r) => tests.pText(tests.pOf(r.t, r.test)) },
      { title: "Hypothesis", value: (r) => tests.verdict(r.t, r.test) },
      { title: "Seen", value: (r) => tests.seen(r.t, r.test) },
    ] }));
    const tested = data.tests.map((test) => ({ name: nameOf(test), colour: (c) => c.accent, test }));
    for (const plot of tests.PLOTS) {
      const rows = plot.rows(tested);
      const box = element("div", { className: "plot" });
      box.style.height = 50 + 40 * rows.length + "px";
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", plot.title + ". " + plot.note);
      const option = (c, width) => tests.strip(rows, c, width, plot.axis);
      byId("tests-plots").append(element("figure", {}, element("figcaption", {}, element("h3", { textContent: plot.title }),
        pictureButtons(plot.title, () => {
          const c = colours(true);
          const picture = option(c, 640);
          return drawn({ ...picture, backgroundColor: c.card, title: titleOf(plot.title, c),
            grid: { ...picture.grid, top: 68 } }, 640, 130 + 40 * rows.length);
        })), box, element("p", { className: "note", textContent: plot.note })));
      plotCharts.push({ item: null, option: (c) => option(c, box.clientWidth), chart: echarts.init(box, null, { renderer: "svg" }) });
    }
  }

  const further = byId("further");
  further.hidden = byId("further-plots").children.length === 0;
  further.querySelector("summary").textContent =
    plural(byId("further-plots").children.length, "further metric");
  further.addEventListener("toggle", () => { if (further.open) drawAll(); });
  byId("plots-note").hidden = plotCharts.length === 0 || drawable === 0;
  const markSize = () => {
    for (const { item, chart } of plotCharts.filter((p) => p.item)) {
      const sizes = item.lines.flatMap((line) => line.points.map((p) => p[0]));
      // the circuit that is drawn has a number of edges
      const inside = drawable > 0 && item.plot.xLabel !== "Circuit nodes" &&
        state.edges <= Math.max(...sizes);
      chart.setOption({ series: [{ markLine: {
        data: inside ? [{ xAxis: item.x.to(state.edges) }] : [] } }] });
    }
  };

  // ---- state: number of edges and position, kept in the address ------------------------------

  const state = { edges: Math.min(Math.max(data.firstDrawn, Math.min(1, drawable)), drawable),
    position: positions.length ? "each" : "all", ablated: false };

  const readHash = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    const wanted = Math.round(Number(hash.get("edges")));
    if (hash.has("edges") && Number.isFinite(wanted)) {
      state.edges = Math.min(Math.max(wanted, Math.min(1, drawable)), drawable);
    }
    const position = hash.get("position");
    state.position = position !== null && positions.includes(Number(position)) ? Number(position)
      : positions.length && position !== "all" ? "each" : "all";
    state.ablated = hash.get("ablated") === "shown";
  };
  const writeHash = () => {
    const hash = "#edges=" + state.edges +
      (state.position === (positions.length ? "each" : "all") ? "" : "&position=" + state.position) +
      (state.ablated ? "&ablated=shown" : "");
    if (hash !== location.hash) history.replaceState(null, "", hash);
  };

  // 1, 2, … 20, then about twelve steps to each factor of ten, and the greatest.
  const steps = [];
  for (let k = 1; k < drawable; k = k < 20 ? k + 1 : Number((k * 10 ** (1 / 12)).toPrecision(2))) {
    steps.push(k);
  }
  if (drawable > 0) steps.push(drawable);
  const nearestStep = (k) => steps.reduce((best, step, i) =>
    Math.abs(Math.log(step / k)) < Math.abs(Math.log(steps[best] / k)) ? i : best, 0);

  // ---- circuit ----------------------------------------------------------------------------

  const circuitBox = byId("circuit");
  const kindOf = (i) => circuit.kindOf(data.nodes[i][0]);
  const names = data.nodes.map(([name]) => name);
  const standing = new Map([...names.keys()].sort((a, b) => circuit.compareNames(names[a], names[b]))
    .map((i, k) => [i, k]));
  edges.forEach((e) => {
    e.input = e.to === names[e.target] ? "" : e.targets.length > 1 ? e.to.slice(-1)
      : e.to.slice(names[e.target].length + 1);
  });

  // The whole of the edge's paths is lit; a large circuit is all one, and lights neighbours only.
  const pathLimit = 400;
  const mostAblated = 2000;
  const short = (v) => number(Number(v.toPrecision(3)));
  const writes = (a) => "its source writes " + short(a.norm) + ", ablated " + short(a.ablated_norm) + ", Δ " +
    short(a.delta_norm);
  const channels = (a) => a.channels.map(([i, written, ablated]) => "[" + i + "] " + short(written) + " → " +
    short(ablated)).join(", ");
  const excerpt = (a) => (a.channels.length ? [channels(a)] : []);
  const tipOf = (what) => {
    if (what.link) {
      const e = what.link;
      const a = activityOf(e.from, e.position);
      return tip(e.name, "score " + number(e.score), "rank " + count(e.rank),
        ...(e.position === null ? [] : ["position " + positionName(e.position)]),
        ...(a ? [writes(a), ...excerpt(a)] : []));
    }
    const a = activityOf(names[what.i], what.position);
    return tip(circuit.labelOf(names[what.i]) + ", " + flow.KINDS[kindOf(what.i)],
      plural(what.in.length, "edge") + " in, " + count(what.out.length) + " out",
      ...(a ? [writes(a).replace("its source ", ""), ...excerpt(a)] : []));
  };

  // Where a head looks: queries down, keys across, darker for a greater share.
  const patternOf = (what) => {
    const name = names[what.link ? what.from.i : what.i];
    const pattern = data.activations?.patterns.find((p) => p.head === name);
    if (!pattern) return [];
    const n = pattern.rows.length;
    const size = n > 20 ? 11 : 15;
    const side = 104;
    const cells = pattern.rows.flatMap((row, q) => row.map((share, k) => (share === 0 ? null
      : ac.flow.shape("rect", { x: side + k * size, y: q * size, width: size - 1, height: size - 1, class: "share",
        "fill-opacity": share }, ac.flow.shape("title", {}, tokenName(q) + " looks at " + tokenName(k) + ": " +
        number(share)))))).filter(Boolean);
    const clipped = (text) => (text.length > 15 ? text.slice(0, 14) + "…" : text);
    const labels = pattern.rows.map((_, q) => ac.flow.shape("text", { x: side - 5, y: q * size + size - 4,
      "text-anchor": "end" }, clipped(tokenName(q))));
    const foot = pattern.rows.map((_, k) => ac.flow.shape("text", { "text-anchor": "end", transform: "translate(" +
      (side + k * size + size - 4) + " " + (n * size + 4) + ") rotate(-60)" }, clipped(tokenName(k))));
    const words = pattern.rows.map((row, q) => {
      const most = row.indexOf(Math.max(...row));
      return row.length ? tokenName(q) + " at " + tokenName(most) + " (" + number(row[most]) + ")" : "";
    }).filter(Boolean);
    return [element("h4", { textContent: "Where " + name + " looks, first prompt: queries down, keys across" }),
      ac.flow.shape("svg", { class: "pattern", width: side + n * size + 4, height: n * size + 96, role: "img",
        "aria-label": "Attention of " + name + ". Most of each: " + words.join(", ") + "." }, ...cells, ...labels, ...foot)];
  };

  // Why a head attends: what was written at the two positions, as parts of the score.
  const partsOf = (caption, rows) => {
    const most = Math.max(...rows.map((row) => Math.abs(row[row.length - 1])));
    const body = rows.map((row) => {
      const value = row[row.length - 1];
      const bar = element("span", { className: "part " + (value < 0 ? "negative" : "positive") });
      bar.style.width = (most > 0 ? Math.abs(value) / most * 60 : 0) + "px";
      return element("tr", {}, element("th", { scope: "row", textContent: row.slice(0, -1).join(" × ") }),
        element("td", { textContent: number(value) }), element("td", {}, bar));
    });
    return element("table", { className: "why" }, element("caption", { textContent: caption }),
      element("tbody", {}, ...body));
  };
  const whyOf = (what) => {
    const name = names[what.link ? what.from.i : what.i];
    const why = data.activations?.attends.find((a) => a.head === name);
    if (!why) return [];
    const same = Math.abs(why.score - why.product) <= 1e-4 * Math.abs(why.product);
    return [element("h4", { textContent: "Why " + name + " attends: " + tokenName(why.query) + " looks at " +
      tokenName(why.key) + " (" + number(why.attention) + " of its attention)" }),
      element("p", { className: "note", textContent: "The score before the softmax is " + number(why.score) +
        (same ? "" : "; of query and key alone, before a cap and without what is added for their distance, " +
          number(why.product)) + ". These are its greatest parts, with the scales of normalisations held; all parts" +
        " of a side, and all pairs, add up to " + number(why.product) + "." }),
      element("div", { className: "detail-parts" }, partsOf("Query side, with the whole key", why.query_side),
        partsOf("Key side, with the whole query", why.key_side), partsOf("Query × key", why.pairs))];
  };

  // What was chosen in the diagram, in words.
  const detail = byId("detail");
  const showDetail = (what) => {
    detail.hidden = !what;
    if (!what) return;
    const bands = what.link ? [what] : [...what.in, ...what.out];
    const rows = bands.map((b) => b.link).sort((a, b) => a.rank - b.rank);
    const name = what.link ? what.link.name : circuit.labelOf(names[what.i]) + " (" + flow.KINDS[kindOf(what.i)] + ")";
    const a = what.link ? activityOf(what.link.from, what.link.position) : activityOf(names[what.i], what.position);
    const source = what.link ? circuit.labelOf(names[what.from.i]) : circuit.labelOf(names[what.i]);
    const about = data.activations;
    byId("detail-heading").textContent = name;
    byId("detail-text").textContent = a === null ? "" : source + " writes a vector of norm " + number(a.norm) +
      " in the " + about.run + " prompts (root mean square over " + plural(about.prompts, "prompt") +
      (a.position === null ? " and all positions" : "") + "); it is ablated to one of norm " +
      number(a.ablated_norm) + " (" + about.ablation + "); the difference Δ has norm " + number(a.delta_norm) +
      "." + (a.channels.length ? " Of the first prompt, at position " + tokenName(a.at) +
      (a.position !== a.at ? ", where its Δ is greatest" : "") + ", written → ablated, by channel: " + channels(a) + "."
      : "");
    byId("detail-pattern").replaceChildren(...patternOf(what));
    byId("detail-why").replaceChildren(...whyOf(what));
    byId("detail-table").replaceChildren(table({ name: "Edges of " + name, sorted: true, rows, columns: [
      { title: "Edge", value: (e) => e.name },
      ...(positions.length ? [{ title: "Position", numeric: true, value: (e) => e.position,
        text: (e) => (e.position === null ? "all" : positionName(e.position)) }] : []),
      { title: "Score", numeric: true, value: (e) => e.score },
      { title: "Rank", numeric: true, value: (e) => e.rank },
      ...(about ? [{ title: "Δ of its source", numeric: true, value: (e) =>
        activityOf(e.from, e.position)?.delta_norm ?? NaN }] : []),
    ] }));
  };

  const shownOf = (list) => (typeof state.position !== "number" ? list
    : list.filter((e) => e.position === null || e.position === state.position));
  const panelsOf = (shown, others) => {
    const label = (links) => "Diagram of " + plural(links.length, "edge") + ". Arrow keys follow its edges, Enter keeps" +
      " a node lit and lists its edges below. All edges are in the table Edges.";
    if (state.position !== "each") return [{ title: null, links: shown, others, label: label(shown) }];
    return [...new Set(shown.map((e) => e.position))].sort((a, b) => (a ?? -1) - (b ?? -1)).map((p) => {
      const links = shown.filter((e) => e.position === p);
      const title = p === null ? "All positions" : "Position " + positionName(p);
      const token = p !== null && data.positionLabels[p] === undefined && data.activations?.tokens[p];
      return { title, hint: plural(links.length, "edge") + (token ? ", in the first prompt “" + token + "”" : ""), links, others: others.filter((e) => e.position === p),
        label: title + ". " + label(links) };
    });
  };

  const readoutOf = (circuitEdges, shown) => {
    const last = circuitEdges[circuitEdges.length - 1];
    if (!last) {
      return "No edge has so great a |score|; the greatest is " + number(Math.abs(edges[0].score)) + ".";
    }
    const size = Math.abs(last.score);
    const next = edges[state.edges];
    let text = "The " + plural(state.edges, "edge") + " with the greatest |score|, " +
      (Number.isFinite(size) ? "|score| ≥ " + number(size) : "all infinite");
    if (next && Math.abs(next.score) === size) text += " (edge " + count(next.rank) + " ties with the last)";
    if (typeof state.position === "number") {
      text += "; " + count(shown.length) + " of them at position " + positionName(state.position);
    }
    return text + ".";
  };
  const KEYS = { attention: "attention head", MLP: "MLP", start: "embedding and end", residual: "residual stream",
    latent: "latent", error: "error of an autoencoder", other: "other node" };
  const drawKey = (shown, ablated) => {
    byId("key-infinite").hidden = shown.every((e) => Number.isFinite(e.score));
    byId("key-zero").hidden = shown.every((e) => e.score !== 0);
    byId("key-ablated").hidden = !ablated;
    byId("key-hover").textContent = "point at a link or node to " +
      (shown.length <= pathLimit ? "follow its paths" : "see its neighbours") + ", choose it to list its edges";
    const kinds = new Set(shown.flatMap((e) => [e.source, e.target]).map(kindOf).map((k) => (k === "end" ? "start" : k)));
    byId("key-nodes").replaceChildren(...Object.entries(KEYS).filter(([kind]) => kinds.has(kind)).map(([kind, text]) =>
      element("li", {}, element("span", { className: "chip " + kind }), text)));
  };
  const drawCircuit = () => {
    const readout = byId("readout");
    if (drawable === 0) {
      circuitBox.hidden = true;
      readout.textContent = edges.length === 0 ? "No edge was scored."
        : "No edge can be drawn: every score is NaN.";
      return;
    }
    const circuitEdges = edges.slice(0, state.edges);
    const shown = shownOf(circuitEdges);
    const rest = state.ablated && data.patchType !== "edge"
      ? shownOf(edges.slice(state.edges, drawable)).slice(0, mostAblated) : [];
    readout.textContent = readoutOf(circuitEdges, shown);
    drawKey(shown, state.ablated);
    const ends = shown.flatMap((e) => [e.source, ...e.targets]);
    const layers = [...new Set(ends.map((i) => data.nodes[i][1]))]
      .sort((a, b) => a - b);
    const depth = new Map(layers.map((layer, i) => [layer, i]));
    const column = new Map(ends.map((i) => [i, depth.get(data.nodes[i][1])]));
    const panels = panelsOf(shown, rest).map((panel) => (
      { ...panel, links: intoEach(panel.links), others: intoEach(panel.others) }));
    showDetail(null);
    flow.show(circuitBox, panels, { names, column, order: (i) => standing.get(i), vertical: circuitBox.clientWidth < 640,
      greatest: Math.max(0, ...shown.map((e) => Math.abs(e.score)).filter(Number.isFinite)),
      circuitAblated: state.ablated && data.patchType === "edge", far: shown.length <= pathLimit,
      positions: panels.map((panel) => (state.position === "each" ? panel.links[0].position
        : typeof state.position === "number" ? state.position : null)),
      tip: tipOf, pinned: showDetail });
    circuitBox.dataset.links = String(shown.length);
  };

  // ---- the circuit for other programs, and beside another ------------------------------------

  const graphNodes = data.nodes.map(([name, layer]) => ({ name, layer }));
  const linkOf = (e, rank, side) => {
    const a = activityOf(e.from, e.position);
    return { name: e.name, source: names[e.source], target: names[e.target], position: e.position, score: e.score,
      rank, side, input: e.input, activation: a && { norm: a.norm, ablated: a.ablated_norm, delta: a.delta_norm } };
  };
  const exported = () => circuit.drawing(data.title + ", " + state.edges + " edges", graphNodes,
    intoEach(edges.slice(0, state.edges)).map((e) => linkOf(e, e.rank, "only")), data.positionLabels);
  const picture = (d) => circuit.svg(d, state.position === "each");
  const saveAs = (id, end, save) => byId(id).addEventListener("click", () => save(exported(), slug(data.title) +
    "-" + state.edges + end));
  saveAs("save-dot", ".dot", (d, name) => download(name, "text/vnd.graphviz", circuit.dot(d)));
  saveAs("save-graphml", ".graphml", (d, name) => download(name, "application/xml", circuit.graphml(d)));
  saveAs("save-svg", "", (d, name) => saveSvg(name, picture(d)));
  saveAs("save-png", "", (d, name) => savePng(name, picture(d)));
  byId("circuit-tools").hidden = drawable === 0;

  let other = null; // { name, rank by edge, edges }
  const keyOf = (name, position) => name + "@" + position;
  const readOther = async (file) => {
    const list = JSON.parse(await file.text());
    if (!Array.isArray(list) || list.some((e) => typeof e.name !== "string" || Number.isNaN(Number(e.score)))) {
      throw new Error("no list of edges with name and score");
    }
    const mine = new Map(edges.map((e) => [keyOf(e.name, e.position), e]));
    return { name: file.name, list: list.map((e, i) => ({ rank: i + 1, score: Number(e.score), name: e.name,
      position: e.seq_idx ?? null, mine: mine.get(keyOf(e.name, e.seq_idx ?? null)) })) };
  };
  const drawComparison = () => {
    if (!other) return;
    const size = Math.min(state.edges, other.list.length);
    const theirs = new Map(other.list.slice(0, size).map((e) => [keyOf(e.name, e.position), e]));
    const ours = edges.slice(0, size);
    const inOurs = new Set(ours.map((e) => keyOf(e.name, e.position)));
    const both = ours.filter((e) => theirs.has(keyOf(e.name, e.position)));
    const first = ours.filter((e) => !theirs.has(keyOf(e.name, e.position)));
    const second = [...theirs.values()].filter((e) => !inOurs.has(keyOf(e.name, e.position)));
    const unknown = second.filter((e) => !e.mine);
    const links = [...intoEach(both).map((e) => linkOf(e, e.rank, "both")),
      ...intoEach(first).map((e) => linkOf(e, e.rank, "first")),
      ...second.filter((e) => e.mine).flatMap((e) => intoEach([e.mine]).map((m) =>
        ({ ...linkOf(m, e.rank, "second"), score: e.score })))];
    const title = data.title + " (first) and " + other.name + " (second), " + size + " edges each";
    const text = circuit.svg(circuit.drawing(title, graphNodes, links, data.positionLabels));
    byId("comparison").hidden = false;
    byId("comparison-note").textContent = plural(size, "edge") + " each: " + count(both.length) + " in both, " +
      count(first.length) + " only here, " + count(second.length) + " only in " + other.name + "; Jaccard index " +
      (both.length / (both.length + first.length + second.length)).toFixed(3) + "." + (unknown.length
      ? " " + plural(unknown.length, "edge") + " of the other file not on this page, and not drawn (" +
        unknown[0].name + (unknown.length > 1 ? ", …" : "") + ")." : "");
    byId("comparison-drawing").replaceChildren(
      document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true));
    byId("comparison-tools").replaceChildren(pictureButtons("Compared circuits", () => text));
    const rankOf = new Map(other.list.map((e) => [keyOf(e.name, e.position), e]));
    const row = (e, where) => ({ where, name: e.name, position: e.position, here: e.mine || (e.from ? e : null),
      there: rankOf.get(keyOf(e.name, e.position)) });
    byId("comparison-table").replaceChildren(table({ name: "Compared circuits", sorted: true,
      rows: [...both.map((e) => row(e, "both")), ...first.map((e) => row(e, "only here")),
        ...second.map((e) => row(e, "only there"))], columns: [
        { title: "In", value: (r) => r.where },
        { title: "Edge", value: (r) => r.name + (r.position === null ? "" : "@" + r.position) },
        { title: "Rank here", numeric: true, value: (r) => (r.here ? r.here.rank : NaN) },
        { title: "Score here", numeric: true, value: (r) => (r.here ? r.here.score : NaN) },
        { title: "Rank there", numeric: true, value: (r) => (r.there ? r.there.rank : NaN) },
        { title: "Score there", numeric: true, value: (r) => (r.there ? r.there.score : NaN) },
      ] }));
  };
  byId("other").addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (!file) return;
    readOther(file).then((read) => {
      other = read;
      drawComparison();
      byId("comparison").scrollIntoView({ block: "nearest" });
    }).catch((error) => {
      byId("comparison").hidden = false;
      byId("comparison-note").textContent = file.name + " cannot be compared: " + error.message +
        ". Choose an edges.json of the same model.";
    });
  });

  // ---- table ------------------------------------------------------------------------------

  const columns = [
    { key: "rank", title: "Rank", numeric: true, slim: true, text: (e) => count(e.rank) },
    { key: "name", title: "Edge", text: (e) => e.name },
    { key: "from", title: "Source", wide: true, text: (e) => e.from },
    { key: "to", title: "Destination", wide: true, text: (e) => e.to },
    ...(positions.length ? [{ key: "position", title: "Position",
      text: (e) => (e.position === null ? "all" : positionName(e.position)) }] : []),
    { key: "score", title: "Score", numeric: true, text: (e) => number(e.score) },
  ];
  const pageSize = 50;
  const view = { column: columns[0], descending: false, filter: "", rows: pageSize };
  const collator = new Intl.Collator("en", { numeric: true });
  const missing = (v) => v === null || Number.isNaN(v);
  const compare = (a, b) => {
    if (typeof a === "string") return collator.compare(a, b);
    return a === b ? 0 : a - b;
  };
  // Missing values come last in either direction.
  const order = (key, descending) => (a, b) => {
    const [x, y] = [a[key], b[key]];
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a.rank - b.rank;
    return (descending ? compare(y, x) : compare(x, y)) || a.rank - b.rank;
  };

  const headRow = element("tr");
  const body = element("tbody");
  for (const column of columns) {
    column.look = ["numeric", "slim", "wide"].filter((look) => column[look]).join(" ");
    const button = element("button", { type: "button", textContent: column.title });
    button.addEventListener("click", () => {
      view.descending = view.column === column ? !view.descending : column.key === "score";
      view.column = column;
      drawTable();
    });
    column.head = element("th", { scope: "col", className: column.look }, button);
    headRow.append(column.head);
  }
  byId("edges").append(element("thead", {}, headRow), body);

  const drawTable = () => {
    const needle = view.filter.trim().toLowerCase();
    const matching = edges.filter((e) => !needle || e.name.toLowerCase().includes(needle) ||
      (e.position !== null && positionName(e.position).toLowerCase().includes(needle)));
    const sorted = matching.sort(order(view.column.key, view.descending));
    for (const column of columns) {
      column.head.setAttribute("aria-sort", column !== view.column ? "none"
        : view.descending ? "descending" : "ascending");
    }
    body.replaceChildren(...sorted.slice(0, view.rows).map((e) => element("tr",
      { className: e.rank <= state.edges && e.rank <= drawable ? "in-circuit" : "" },
      ...columns.map((c) => element("td", { className: c.look, textContent: c.text(e) })))));
    const left = sorted.length - view.rows;
    byId("more").hidden = left <= 0;
    byId("more").textContent = "Show " + Math.min(left, pageSize * 4) + " more";
    const parts = [];
    if (needle) parts.push(plural(sorted.length, "edge") + " match.");
    if (data.totalEdges > edges.length) {
      parts.push("This page holds the " + count(edges.length) + " edges with the greatest |score| of " +
        count(data.totalEdges) + " in the graph; the downloads hold the same.");
    } else {
      parts.push("All " + plural(edges.length, "edge") + " of the graph.");
    }
    if (drawable < edges.length) {
      parts.push(plural(edges.length - drawable, "edge") +
        " with the score NaN: listed last, not drawn in the circuit.");
    }
    if (drawable > 0) parts.push("Marked rows are in the circuit above.");
    byId("edges-note").textContent = parts.join(" ");
  };

  const toJson = () => "[\n" + edges.map((e) => JSON.stringify(
    { name: e.name, seq_idx: e.position, score: exact(e.score), ...(e.targets.length > 1
      ? { heads: e.targets.map((i) => Number(names[i].split(".")[1])) } : {}) })).join(",\n") + "\n]\n";
  const toCsv = () => {
    return "rank,name,source,destination,seq_idx,score\n" + edges.map((e) => [e.rank, quote(e.name),
      quote(e.from), quote(e.to), e.position === null ? "" : e.position, exact(e.score)].join(",") + "\n").join("");
  };
  byId("download-json").addEventListener("click", () => download("edges.json", "application/json", toJson()));
  byId("download-csv").addEventListener("click", () => download("edges.csv", "text/csv", toCsv()));
  byId("edge-filter").addEventListener("input", (event) => {
    view.filter = event.target.value;
    view.rows = pageSize;
    drawTable();
  });
  byId("more").addEventListener("click", () => {
    view.rows += pageSize * 4;
    drawTable();
  });

  // ---- controls ---------------------------------------------------------------------------

  const slider = byId("edge-slider");
  const box = byId("edge-count");
  const select = byId("position");
  slider.max = String(Math.max(0, steps.length - 1));
  box.max = String(drawable);
  const threshold = byId("threshold");
  const ablated = byId("ablated");
  slider.disabled = box.disabled = threshold.disabled = ablated.disabled = drawable === 0;
  byId("ablated-text").textContent = data.patchType === "edge" ? "mark the circuit’s edges as ablated"
    : "show ablated edges between these nodes";
  if (positions.length) {
    byId("position-control").hidden = false;
    select.append(element("option", { value: "each", textContent: "a picture of each" }),
      element("option", { value: "all", textContent: "all in one picture" }),
      ...positions.map((p) => element("option", { value: String(p), textContent: positionName(p) })));
  }

  let pending = false;
  const redraw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      drawCircuit();
      markSize();
      drawTable();
      drawComparison();
      writeHash();
    });
  };
  const showControls = () => {
    if (drawable > 0) {
      slider.value = String(nearestStep(Math.max(1, state.edges)));
      slider.setAttribute("aria-valuetext", plural(state.edges, "edge"));
      box.value = String(state.edges);
      const last = state.edges > 0 ? Math.abs(edges[state.edges - 1].score) : NaN;
      if (state.edges > 0) threshold.value = Number.isFinite(last) ? String(Number(last.toPrecision(6))) : "";
    } else {
      box.value = "";
    }
    select.value = String(state.position);
    ablated.checked = state.ablated;
  };
  slider.addEventListener("input", () => {
    state.edges = steps[Number(slider.value)];
    showControls();
    redraw();
  });
  const typed = (settle) => {
    const wanted = Math.round(Number(box.value));
    if (box.value !== "" && wanted >= 1) state.edges = Math.min(wanted, drawable);
    slider.value = String(nearestStep(state.edges));
    slider.setAttribute("aria-valuetext", plural(state.edges, "edge"));
    if (settle) showControls();
    redraw();
  };
  box.addEventListener("input", () => typed(false));
  box.addEventListener("change", () => typed(true));
  select.addEventListener("change", () => {
    state.position = select.value === "all" || select.value === "each" ? select.value : Number(select.value);
    redraw();
  });
  // All edges of at least that |score|; none may be.
  threshold.addEventListener("change", () => {
    const least = Number(threshold.value);
    if (threshold.value === "" || !(least >= 0)) {
      showControls();
      return;
    }
    // what is shown has six digits: the last edge's own threshold keeps it
    const reaches = (e) => Number(Math.abs(e.score).toPrecision(6)) >= least || Math.abs(e.score) >= least;
    state.edges = edges.slice(0, drawable).filter(reaches).length;
    showControls();
    redraw();
  });
  ablated.addEventListener("change", () => {
    state.ablated = ablated.checked;
    redraw();
  });
  window.addEventListener("hashchange", () => {
    readHash();
    showControls();
    redraw();
  });

  const drawAll = () => {
    const c = colours();
    for (const { item, option, chart: plot } of plotCharts) {
      plot.resize();
      plot.setOption(item ? curveOption(item, c) : option(c), true);
    }
    markSize();
    drawCircuit();
  };
  let resizing = 0;
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(drawAll, 100);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  readHash();
  showControls();
  drawAll();
  drawTable();
  document.documentElement.dataset.ready = "true";
})();
