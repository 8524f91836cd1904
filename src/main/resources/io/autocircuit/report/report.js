"use strict";
(() => {
  const { byId, element, count, number, plural, tip, colours, tooltipStyle, font, linear, sizeScale,
    valueScale, exact, quote, download, drawn, pictureButtons, saveSvg, savePng, slug, table, circuit } = ac;
  const data = JSON.parse(byId("report-data").textContent);
  const edges = data.edges.map(([name, source, target, from, to, position, score], i) => ({
    rank: i + 1, name, source, target, from, to, position, score: Number(score),
  }));
  const drawable = edges.filter((edge) => !Number.isNaN(edge.score)).length;
  const positions = [...new Set(edges.map((e) => e.position).filter((p) => p !== null))]
    .sort((a, b) => a - b);

  const positionName = (p) =>
    data.positionLabels[p] === undefined ? String(p) : p + " “" + data.positionLabels[p] + "”";

  // ---- curves -----------------------------------------------------------------------------

  const prepared = data.plots.map((plot) => {
    const lines = plot.series.map((line) => ({
      name: line.name, points: line.points.map(([x, y]) => [x, Number(y)]),
    }));
    const all = lines.flatMap((line) => line.points.map(([x, y]) => [line.name, x, y]));
    const finite = all.filter(([, , y]) => Number.isFinite(y));
    const refused = all.filter(([, , y]) => !Number.isFinite(y));
    const x = plot.logX && finite.length ? sizeScale(finite.map(([, v]) => v)) : linear;
    const y = plot.logY && finite.length ? valueScale(finite.map(([, , v]) => v)) : linear;
    const notes = [y.note];
    if (all.length === 0) notes.push("Nothing was measured.");
    if (refused.length) {
      notes.push("Not drawn: " + refused.slice(0, 8).map(([name, size, v]) =>
        (lines.length > 1 ? name + " at " : "at ") + plural(size, "edge") + " the value is " +
        number(v)).join("; ") + (refused.length > 8 ? "; and " + (refused.length - 8) + " more" : "") +
        ".");
    }
    return { plot, lines, x, y, empty: finite.length === 0, note: notes.filter(Boolean).join(" ") };
  });

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
        plot.yLabel + ": " + number(p.data.point[1])) },
      xAxis: axis(x, { name: plot.xLabel, nameLocation: "middle", nameGap: 26 }),
      yAxis: axis(y, { name: titled ? plot.yLabel : "", nameLocation: "end", nameGap: 12, scale: true,
        nameTextStyle: { ...axisText, align: "left" } }),
      series: lines.map((line, i) => ({
        type: "line", name: line.name, symbol: "circle", symbolSize: 6, clip: false,
        data: line.points.map((point) => ({
          value: [x.to(point[0]), Number.isFinite(point[1]) ? y.to(point[1]) : null], point })),
        lineStyle: { width: 2 },
        markLine: i > 0 ? undefined : { silent: true, precision: 12, symbol: "none", data: [], label: { show: false },
          lineStyle: { color: c.muted, type: "dashed", width: 1 } },
      })),
    };
  };

  // The first plots stand above the circuit, further ones are folded away.
  const FIRST_PLOTS = 8;
  const plotCharts = [];
  const plotsBox = byId("plots");
  if (prepared.length === 0) {
    plotsBox.append(element("p", { className: "note", textContent: "No metric was measured." }));
  }
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
        return drawn({ ...option, backgroundColor: c.card, title: { text: item.plot.name, left: 14, top: 10,
          textStyle: { color: c.text, fontSize: 15, fontWeight: 600, width: 612, overflow: "truncate" } },
        grid: { ...option.grid, top: option.grid.top + 40 }, legend: { ...option.legend, top: 40, left: 14 } },
        640, 420);
      }));
    }
    const figure = element("figure", {}, caption);
    if (!item.empty) figure.append(box);
    if (item.note) figure.append(element("p", { className: "note", textContent: item.note }));
    (plotsBox.children.length < FIRST_PLOTS ? plotsBox : byId("further-plots")).append(figure);
    if (!item.empty) {
      plotCharts.push({ item, chart: echarts.init(box, null, { renderer: "svg" }) });
    }
  }

  const further = byId("further");
  further.hidden = byId("further-plots").children.length === 0;
  further.querySelector("summary").textContent =
    plural(byId("further-plots").children.length, "further metric");
  further.addEventListener("toggle", () => { if (further.open) drawAll(); });
  byId("plots-note").hidden = plotCharts.length === 0 || drawable === 0;
  const markSize = () => {
    for (const { item, chart } of plotCharts) {
      const sizes = item.lines.flatMap((line) => line.points.map((p) => p[0]));
      // the circuit that is drawn has a number of edges
      const inside = drawable > 0 && item.plot.xLabel !== "Circuit nodes" &&
        state.edges <= Math.max(...sizes);
      chart.setOption({ series: [{ markLine: {
        data: inside ? [{ xAxis: item.x.to(state.edges) }] : [] } }] });
    }
  };

  // ---- state: number of edges and position, kept in the address ------------------------------

  const state = { edges: Math.min(Math.max(data.firstDrawn, Math.min(1, drawable)), drawable), position: "all" };

  const readHash = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    const wanted = Math.round(Number(hash.get("edges")));
    if (hash.has("edges") && Number.isFinite(wanted)) {
      state.edges = Math.min(Math.max(wanted, Math.min(1, drawable)), drawable);
    }
    const position = hash.get("position");
    state.position = position !== null && positions.includes(Number(position))
      ? Number(position) : "all";
  };
  const writeHash = () => {
    const hash = "#edges=" + state.edges +
      (state.position === "all" ? "" : "&position=" + state.position);
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
  const chart = drawable > 0 ? echarts.init(circuitBox, null, { renderer: "svg", height: 300 }) : null;

  // For each link and node, everything on a path through it: what comes before and what follows.
  // The chart takes these sets by index. They grow with the square of the circuit, so a large
  // circuit highlights neighbours only.
  const pathLimit = 400;
  const paths = (shown, used) => {
    const at = new Map(used.map((node, i) => [node, i]));
    const layer = (i) => data.nodes[i][1];
    const collect = (order, near, far) => {
      const reach = new Map(used.map((i) => [i, { node: new Set([at.get(i)]), edge: new Set() }]));
      for (const i of order) {
        shown.forEach((e, k) => {
          if (e[near] !== i) return;
          const beyond = reach.get(e[far]);
          reach.get(i).edge.add(k);
          beyond.edge.forEach((x) => reach.get(i).edge.add(x));
          beyond.node.forEach((x) => reach.get(i).node.add(x));
        });
      }
      return reach;
    };
    const ascending = [...used].sort((a, b) => layer(a) - layer(b));
    const before = collect(ascending, "target", "source");
    const after = collect([...ascending].reverse(), "source", "target");
    return (from, to, ...own) => ({
      node: [...new Set([...before.get(from).node, ...after.get(to).node])],
      edge: [...new Set([...before.get(from).edge, ...after.get(to).edge, ...own])],
    });
  };

  const circuitOption = (shown, c) => {
    const used = [...new Set(shown.flatMap((e) => [e.source, e.target]))];
    const layers = [...new Set(used.map((i) => data.nodes[i][1]))].sort((a, b) => a - b);
    const depth = new Map(layers.map((layer, i) => [layer, i]));
    const perLayer = new Map();
    for (const i of used) perLayer.set(data.nodes[i][1], (perLayer.get(data.nodes[i][1]) || 0) + 1);
    const widest = Math.max(1, ...perLayer.values());
    const finite = shown.map((e) => Math.abs(e.score)).filter(Number.isFinite);
    const greatest = Math.max(0, ...finite);
    const width = (score) => {
      const size = Math.abs(score);
      if (!Number.isFinite(size)) return 1;
      return greatest > 0 ? Math.max(size / greatest, 0.004) : 0.004;
    };
    const narrow = circuitBox.clientWidth < 640;
    const height = narrow
      ? Math.max(380, 58 * layers.length + 60) : Math.min(1500, Math.max(320, 26 * widest + 80));
    const degree = new Map();
    for (const e of shown) {
      for (const i of [e.source, e.target]) degree.set(i, (degree.get(i) || 0) + 1);
    }
    const through = shown.length <= pathLimit ? paths(shown, used) : () => "adjacency";
    const dense = narrow ? widest > 9 : widest > 60;
    return { height, option: {
      animation: false, textStyle: { fontFamily: font },
      tooltip: { trigger: "item", ...tooltipStyle(c), formatter: (p) => p.dataType === "edge"
        ? tip(p.data.edge.name, "score " + number(p.data.edge.score), "rank " + count(p.data.edge.rank),
          ...(p.data.edge.position === null ? [] : ["position " + positionName(p.data.edge.position)]))
        : tip(p.name, plural(degree.get(p.data.node), "edge") + " in this circuit") },
      series: [{
        type: "sankey", orient: narrow ? "vertical" : "horizontal", draggable: !narrow,
        left: narrow ? 8 : 10, right: narrow ? 8 : 84, top: narrow ? 24 : 12, bottom: narrow ? 30 : 12,
        nodeWidth: narrow ? 10 : 12, nodeGap: narrow ? 18 : (widest > 30 ? 6 : 12),
        layoutIterations: shown.length > 1500 ? 8 : 32,
        emphasis: { lineStyle: { opacity: 1 } }, blur: { lineStyle: { opacity: 0.12 } },
        label: { show: !dense, position: narrow ? "top" : "right", color: c.text, fontSize: 11,
          distance: narrow ? 3 : 5, textBorderColor: c.card, textBorderWidth: 3 },
        labelLayout: { hideOverlap: true },
        data: used.map((i) => ({ name: data.nodes[i][0], node: i, depth: depth.get(data.nodes[i][1]),
          emphasis: { focus: through(i, i) },
          itemStyle: { color: c.node, borderWidth: 0 } })),
        links: shown.map((edge, k) => ({
          source: data.nodes[edge.source][0], target: data.nodes[edge.target][0],
          value: width(edge.score), edge, emphasis: { focus: through(edge.source, edge.target, k) },
          lineStyle: { opacity: 1, curveness: 0.5,
            color: edge.score > 0 ? c.positive : edge.score < 0 ? c.negative : c.zero },
        })),
      }],
    } };
  };

  const drawCircuit = () => {
    const circuit = edges.slice(0, state.edges);
    const shown = state.position === "all" ? circuit
      : circuit.filter((e) => e.position === null || e.position === state.position);
    const readout = byId("readout");
    if (!chart) {
      circuitBox.hidden = true;
      readout.textContent = edges.length === 0 ? "No edge was scored."
        : "No edge can be drawn: every score is NaN.";
      return;
    }
    const last = circuit[circuit.length - 1];
    const size = Math.abs(last.score);
    const next = edges[state.edges];
    let text = "The " + plural(state.edges, "edge") + " with the greatest |score|, " +
      (Number.isFinite(size) ? "|score| ≥ " + number(size) : "all infinite");
    if (next && Math.abs(next.score) === size) text += " (edge " + count(next.rank) + " ties with the last)";
    if (state.position !== "all") {
      text += "; " + count(shown.length) + " of them at position " + positionName(state.position);
    }
    readout.textContent = text + ".";
    byId("key-infinite").hidden = shown.every((e) => Number.isFinite(e.score));
    byId("key-hover").textContent = "hover or tap a link or node to " +
      (shown.length <= pathLimit ? "follow its paths" : "see its neighbours");
    byId("key-zero").hidden = shown.every((e) => e.score !== 0);
    const { height, option } = circuitOption(shown, colours());
    circuitBox.style.height = height + "px";
    chart.clear();
    chart.resize({ width: circuitBox.clientWidth, height });
    if (shown.length) chart.setOption(option, true);
    circuitBox.dataset.links = String(shown.length);
    circuitBox.setAttribute("aria-label",
      "Diagram of the circuit. " + readout.textContent + " The edges are listed in the table below.");
  };

  // ---- the circuit for other programs, and beside another ------------------------------------

  const graphNodes = data.nodes.map(([name, layer]) => ({ name, layer }));
  const linkOf = (e, rank, side) => {
    const target = data.nodes[e.target][0];
    return { name: e.name, source: data.nodes[e.source][0], target, position: e.position, score: e.score, rank,
      side, input: e.to === target ? "" : e.to.slice(target.length + 1) };
  };
  const exported = () => circuit.drawing(data.title + ", " + state.edges + " edges", graphNodes,
    edges.slice(0, state.edges).map((e, i) => linkOf(e, i + 1, "only")));
  const saveAs = (id, end, save) => byId(id).addEventListener("click", () => save(exported(), slug(data.title) +
    "-" + state.edges + end));
  saveAs("save-dot", ".dot", (d, name) => download(name, "text/vnd.graphviz", circuit.dot(d)));
  saveAs("save-graphml", ".graphml", (d, name) => download(name, "application/xml", circuit.graphml(d)));
  saveAs("save-svg", "", (d, name) => saveSvg(name, circuit.svg(d)));
  saveAs("save-png", "", (d, name) => savePng(name, circuit.svg(d)));
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
    const links = [...both.map((e) => linkOf(e, e.rank, "both")), ...first.map((e) => linkOf(e, e.rank, "first")),
      ...second.filter((e) => e.mine).map((e) => ({ ...linkOf(e.mine, e.rank, "second"), score: e.score }))];
    const title = data.title + " (first) and " + other.name + " (second), " + size + " edges each";
    const text = circuit.svg(circuit.drawing(title, graphNodes, links));
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
    { name: e.name, seq_idx: e.position, score: exact(e.score) })).join(",\n") + "\n]\n";
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
  slider.disabled = box.disabled = drawable === 0;
  if (positions.length) {
    byId("position-control").hidden = false;
    select.append(element("option", { value: "all", textContent: "all positions" }),
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
      slider.value = String(nearestStep(state.edges));
      slider.setAttribute("aria-valuetext", plural(state.edges, "edge"));
      box.value = String(state.edges);
    } else {
      box.value = "";
    }
    select.value = String(state.position);
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
    state.position = select.value === "all" ? "all" : Number(select.value);
    redraw();
  });
  window.addEventListener("hashchange", () => {
    readHash();
    showControls();
    redraw();
  });

  const drawAll = () => {
    const c = colours();
    for (const { item, chart: plot } of plotCharts) {
      plot.resize();
      plot.setOption(curveOption(item, c), true);
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
