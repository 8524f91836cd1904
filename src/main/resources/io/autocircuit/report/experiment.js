(() => {
  const { byId, element, count, number, plural, tip, colours, tooltipStyle, font, linear, sizeScale,
    valueScale, drawn, pictureButtons, table, tests } = ac;
  const data = JSON.parse(byId("report-data").textContent);
  const num = (v) => (v === null || v === undefined ? NaN : Number(v));
  const known = (v) => Number.isFinite(v);
  const groupOf = (cell) => data.groups[cell.group];
  const cells = data.cells.map((c) => ({ ...c, areas: c.areas.map(num), rocArea: num(c.rocArea),
    score: num(c.scoreSeconds), judge: num(c.judgeSeconds), passes: num(c.passes) }));
  const svgNode = (tag, properties, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // ---- looks ------------------------------------------------------------------------------
  // Algorithms differ by colour, by dash and by marker, the same in all plots.

  const MARKS = ["circle", "rect", "triangle", "diamond",
    "path://M0 0L10 0L5 9Z", "path://M3.5 0h3v3.5H10v3H6.5V10h-3V6.5H0v-3h3.5Z",
    "path://M5 0L6.5 3.5L10 5L6.5 6.5L5 10L3.5 6.5L0 5L3.5 3.5Z"];
  const PATHS = ["M5 0.5A4.5 4.5 0 1 0 5 9.5A4.5 4.5 0 1 0 5 0.5Z", "M1 1h8v8H1Z", "M5 0.5L10 9.5H0Z",
    "M5 0L10 5L5 10L0 5Z", ...MARKS.slice(4).map((m) => m.slice(7))];
  const DASHES = ["solid", [7, 3], [2, 3], [9, 3, 2, 3]];
  const CROSS = "path://M0 0L10 10M10 0L0 10";
  const COLOURS = 7; // the eighth is near the baseline's grey
  let place = 0;
  const looks = data.labels.map((label) => {
    if (label.baseline) return { baseline: true, mark: 0, dash: [5, 5] };
    const i = place++;
    const turn = Math.floor(i / COLOURS);
    return { colour: i % COLOURS, mark: (i % COLOURS + turn) % MARKS.length,
      dash: DASHES[(i + turn) % DASHES.length] };
  });
  const colourOf = (i, c) => (looks[i].baseline ? c.muted : c.series[looks[i].colour]);
  const nameOf = (i) => data.labels[i].name;
  const symbolOf = (i, single) => (single ? CROSS : MARKS[looks[i].mark]);
  const markStyle = (i, c, single) => (single
    ? { color: "none", borderColor: colourOf(i, c), borderWidth: 2 } : { color: colourOf(i, c) });

  const swatch = (i) => {
    const dash = looks[i].dash === "solid" ? "none" : looks[i].dash.join(" ");
    const node = svgNode("svg", { width: 34, height: 12, "aria-hidden": "true", class: "sample series-" +
      (looks[i].baseline ? "baseline" : looks[i].colour) },
    svgNode("path", { d: "M1 6H33", "stroke-dasharray": dash, class: "stroke" }));
    if (!looks[i].baseline) {
      node.append(svgNode("path", { d: PATHS[looks[i].mark], transform: "translate(12 1)", class: "fill" }));
    }
    return node;
  };

  // ---- state ------------------------------------------------------------------------------

  const state = { values: data.facets.map(() => 0), hidden: new Set() };
  if (data.groups.length) state.values = [...data.groups[0].values];
  const shows = (label) => !state.hidden.has(label);
  const chosen = (group) => group.values.every((v, i) => v === state.values[i]);

  const readHash = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    data.facets.forEach((facet, i) => {
      const at = facet.values.indexOf(hash.get(facet.key));
      if (at >= 0) state.values[i] = at;
    });
  };
  const writeHash = () => {
    const hash = new URLSearchParams();
    data.facets.forEach((facet, i) => {
      if (facet.values.length > 1) hash.set(facet.key, facet.values[state.values[i]]);
    });
    history.replaceState(null, "", "#" + hash);
  };

  // ---- panels: a plot with its buttons and its numbers, drawn when it comes into view -------

  const panels = new Map();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        show(panels.get(entry.target));
      }
    }
  }, { rootMargin: "400px" });
  const show = (panel) => {
    if (!panel || !panel.box.clientWidth) return;
    panel.chart = panel.chart || echarts.init(panel.box, null, { renderer: "svg" });
    panel.chart.resize();
    panel.chart.setOption(frame(panel.option(colours(), panel.box.clientWidth), colours()), true);
    panel.box.dataset.drawn = "true";
  };
  const redrawShown = () => panels.forEach((panel) => { if (panel.chart) show(panel); });
  const frame = (option, c) => ({ animation: false, textStyle: { fontFamily: font }, backgroundColor: c.card,
    ...option, tooltip: { trigger: "item", ...tooltipStyle(c), ...option.tooltip } });

  // What is saved has the title and the legend, which the page has outside the plot.
  const saved = (panel) => {
    const c = colours(true);
    const option = panel.option(c, 640);
    const used = (panel.labels || []).filter(shows);
    const facets = data.facets.map((facet, i) => facet.title.toLowerCase() + " " + facet.values[state.values[i]])
      .join(" \u00b7 ");
    const legend = used.length ? [{ top: 52, left: 14, width: 612, itemWidth: 26, itemGap: 12,
      textStyle: { color: c.text, fontSize: 12, fontFamily: font },
      data: used.map((i) => ({ name: nameOf(i), icon: option.series.some((s) => s.name === nameOf(i) &&
        s.symbol === CROSS) ? "rect" : undefined })) }] : [];
    const rows = Math.ceil(used.reduce((sum, i) => sum + 50 + 6.6 * nameOf(i).length, 0) / 600);
    const lower = 58 + 22 * rows;
    const height = (panel.height || 300) + 60 + lower;
    const grids = [].concat(option.grid || []).map((g) => ({ ...g, top: (g.top || 0) + lower }));
    return drawn({ ...frame(option, c), grid: grids, legend, title: { text: panel.full, subtext: facets, left: 14, top: 10, itemGap: 6,
      subtextStyle: { color: c.muted, fontSize: 11, width: 612, overflow: "truncate" },
      textStyle: { color: c.text, fontSize: 15, fontWeight: 600, width: 612, overflow: "truncate" } },
    }, 640, height);
  };

  const numbersOf = (panel) => {
    const details = element("details", { className: "numbers-of" },
      element("summary", { textContent: "Numbers" }));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(table(panel.numbers()));
    });
    return details;
  };

  const panelOf = (panel) => {
    const box = element("div", { className: "plot" });
    if (panel.height) box.style.height = panel.height + "px";
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", panel.full + ". " + panel.words());
    panel.box = box;
    panels.set(box, panel);
    watcher.observe(box);
    panel.hintBox = element("span", { className: "hint", textContent: panel.hint || "" });
    const head = element("figcaption", {}, element("div", { className: "named-plot" },
      element("h4", { textContent: panel.title }), panel.hintBox),
    pictureButtons(panel.full, () => saved(panel)));
    if (panel.controls) head.append(panel.controls);
    const foot = element("div", { className: "foot" });
    if (panel.note) foot.append(element("p", { className: "note", textContent: panel.note }));
    if (panel.numbers) foot.append(numbersOf(panel));
    return element("figure", { className: panel.wide ? "wide" : "" }, head, box, foot);
  };

  const axisOf = (c, scale, more) => ({
    type: "value", nameTextStyle: { color: c.muted, fontSize: 11 }, splitLine: { lineStyle: { color: c.grid } },
    axisLine: { show: true, onZero: false, lineStyle: { color: c.line } }, axisTick: { show: false }, ...scale.axis, ...more,
    axisLabel: { color: c.muted, fontSize: 11, fontFamily: font, hideOverlap: true, ...scale.axis.axisLabel,
      ...(more.axisLabel || {}) } });
  const below = (name) => ({ name, nameLocation: "middle", nameGap: 26 });
  const aside = (name) => ({ name, nameLocation: "end", nameGap: 10, nameTextStyle: { align: "left" } });
  const straight = (c, from, to) => ({ type: "line", silent: true, symbol: "none", data: [from, to], z: 1,
    lineStyle: { color: c.muted, type: "dashed", width: 1 }, tooltip: { show: false } });
  // Of one seed the ends of its interval over prompts, where there is one.
  const spread = (values, intervals = []) => {
    const finite = values.filter(known);
    const interval = finite.length === 1 ? intervals.filter((i) => i && known(i[0]))[0] : undefined;
    const least = interval ? interval[0] : Math.min(...finite);
    const greatest = interval ? interval[1] : Math.max(...finite);
    return { mean: !finite.length ? NaN : finite.length === 1 || least === greatest ? finite[0]
      : finite.reduce((a, b) => a + b, 0) / finite.length, least, greatest, n: finite.length,
    interval: Boolean(interval) };
  };
  const short = (v) => (Number.isInteger(v) ? number(v) : number(Number(v.toPrecision(4))));
  const spreadNode = (s, best) => (!s.n ? "–" : element(best ? "strong" : "span", {}, short(s.mean),
    ...(s.greatest > s.least && short(s.least) !== short(s.greatest) ? [element("small", { textContent: short(s.least) + " to " + short(s.greatest) })] : [])));
  const spreadText = (s) => (!s.n ? "–" : number(s.mean) +
    (s.greatest > s.least ? " (" + number(s.least) + " to " + number(s.greatest) + ")" : ""));
  const rangeText = (n) => (n > 1 ? seedsText(n) + ", " : "95 % interval ");
  const seedsText = (n) => (n > 1 ? "mean of " + plural(n, "seed") : "");

  // Later lines are thinner, so that of equal ones each can be seen.
  const widthOf = (i, n) => (n < 2 ? 2 : 3.5 - 1.75 * i / (n - 1));
  // Which points have a mark: the first, the last, and those with room between.
  const spaced = (places) => {
    const room = (places[places.length - 1] - places[0]) / 24;
    let last = -Infinity;
    return places.map((at, i) => {
      const mark = i === 0 || i === places.length - 1 || (at - last >= room &&
        places[places.length - 1] - at >= room);
      if (mark) last = at;
      return mark;
    });
  };

  // ---- a metric over circuit sizes ----------------------------------------------------------

  const curvePanel = (group, m) => {
    const metric = data.metrics[m];
    const lines = group.lines.filter((line) => line.metric === m);
    const all = lines.flatMap((line) => line.points);
    const finite = lines.flatMap((line) => line.points.concat(line.apart));
    const x = metric.logX && finite.length ? sizeScale(finite.map((p) => p[0])) : linear;
    const y = metric.logY && finite.length
      ? valueScale(all.flatMap((p) => (p.length > 2 ? [p[1], p[2], p[3]] : [p[1]]))) : linear;
    const notes = [y.note];
    const refused = lines.flatMap((line) => line.refused.map((r) => nameOf(line.label) + " at " +
      plural(r[0], "edge") + " is " + number(num(r[1])) + " (seed " + r[2] + ")"));
    if (refused.length) {
      notes.push("Not drawn: " + refused.slice(0, 6).join("; ") +
        (refused.length > 6 ? "; and " + (refused.length - 6) + " more" : "") + ".");
    }
    const apart = lines.reduce((sum, line) => sum + line.apart.length, 0);
    if (apart) {
      notes.push(plural(apart, "value") + " of sizes that not every seed has " + (apart === 1 ? "is" : "are") +
        " in the numbers only.");
    }
    const option = (c) => ({
      grid: { left: 4, right: 14, top: 12, bottom: 28, containLabel: true },
      tooltip: { formatter: (p) => (!p.data.point ? "" : tip(p.seriesName, plural(p.data.point[0], "edge"),
        metric.title + ": " + number(p.data.point[1]), ...(p.data.point.length > 2
          ? [rangeText(p.data.point[4]) + number(p.data.point[2]) + " to " + number(p.data.point[3])]
          : []))) },
      xAxis: axisOf(c, x, below("Circuit edges")),
      yAxis: axisOf(c, y, { scale: true }),
      series: lines.filter((line) => shows(line.label)).flatMap((line, k, drawnLines) => {
        const single = line.single;
        const places = line.points.map((point) => x.to(point[0]));
        const marked = single ? places.map(() => true) : spaced(places);
        const points = line.points.map((point, i) => ({ value: [places[i], y.to(point[1])], point,
          ...(marked[i] ? {} : { symbolSize: 0 }) }));
        const band = line.points.filter((p) => p.length > 2);
        const result = [{ type: single ? "scatter" : "line", name: nameOf(line.label), data: points,
          symbol: looks[line.label].baseline && !single ? "none" : symbolOf(line.label, single),
          symbolSize: single ? 10 : looks[line.label].baseline ? 4 : 7, clip: false,
          z: looks[line.label].baseline ? 2 : 3, showAllSymbol: true,
          itemStyle: markStyle(line.label, c, single), color: colourOf(line.label, c),
          lineStyle: { width: widthOf(k, drawnLines.length), color: colourOf(line.label, c),
            type: looks[line.label].dash } }];
        if (!single && band.some((p) => p[3] > p[2])) {
          result.unshift({ type: "custom", silent: true, data: [[0, 0]], z: 1, tooltip: { show: false },
            encode: { x: [], y: [] }, clip: true, renderItem: (params, api) => ({ type: "polygon",
              shape: { points: [...band.map((p) => api.coord([x.to(p[0]), y.to(p[3])])),
                ...[...band].reverse().map((p) => api.coord([x.to(p[0]), y.to(p[2])]))] },
              style: { fill: colourOf(line.label, c), opacity: 0.15 } }) });
        }
        return result;
      }),
    });
    return panelOf({
      title: metric.title, full: metric.title + ", " + data.tasks[group.task], labels: lines.map((l) => l.label),
      hint: metric.lowerIsBetter ? "lower is better" : "", note: notes.filter(Boolean).join(" "), option,
      words: () => lines.filter((l) => l.points.length).map((line) => {
        const [first, last] = [line.points[0], line.points[line.points.length - 1]];
        return nameOf(line.label) + ": " + number(first[1]) + " at " + plural(first[0], "edge") +
          (first === last ? "" : ", " + number(last[1]) + " at " + plural(last[0], "edge"));
      }).join(". ") + ".",
      numbers: () => ({ name: metric.title + " " + data.tasks[group.task],
        rows: lines.flatMap((line) => [...line.points.map((point) => ({ line, point })),
          ...line.apart.map((p) => ({ line, point: [p[0], p[1]], seed: p[2] })),
          ...line.refused.map((p) => ({ line, point: [p[0], num(p[1])], seed: p[2] }))]),
        columns: [
          { title: "Algorithm", value: (r) => nameOf(r.line.label) },
          { title: "Edges", numeric: true, value: (r) => r.point[0] },
          { title: "Mean", numeric: true, value: (r) => r.point[1], text: (r) => number(r.point[1]) },
          { title: "Least, or 95 % from", numeric: true, value: (r) => r.point[2] },
          { title: "Greatest, or 95 % to", numeric: true, value: (r) => r.point[3] },
          { title: "Seeds", value: (r) => (r.seed !== undefined ? "only " + r.seed : r.point[4] || 1) },
        ] }),
    });
  };

  // ---- areas --------------------------------------------------------------------------------

  // Areas under curves of faithfulness and the exact ROC area, each with its interval.
  const judgedBy = (some) => (data.judged || []).map((j) => {
    const found = (c) => (c.judged || []).find((a) => a.key === j.key && a.metric === j.metric);
    return { key: j.key + "|" + j.metric, title: j.title, lower: j.lowerIsBetter, judged: true,
      of: (c) => (found(c) ? num(found(c).value) : NaN),
      interval: (c) => (found(c) ? [num(found(c).low), num(found(c).high)] : null) };
  }).filter((q) => some.some((c) => known(q.of(c))));

  // What an algorithm can be judged by with one number; roc first where it is known.
  const qualities = (some) => [
    ...(some.some((c) => known(c.rocArea))
      ? [{ key: "roc", title: "ROC area", lower: false, of: (c) => c.rocArea }] : []),
    ...judgedBy(some),
    ...data.metrics.map((m, i) => ({ key: m.key, title: "Area: " + m.title, lower: m.lowerIsBetter,
      of: (c) => c.areas[i] })).filter((q) => some.some((c) => known(q.of(c)))),
  ];
  const selectOf = (label, options, change) => {
    const select = element("select", {}, ...options.map((o, i) =>
      element("option", { value: String(i), textContent: o.title })));
    select.addEventListener("change", () => change(options[Number(select.value)]));
    return element("label", {}, label, select);
  };
  const reference = (i) => data.labels[i].baseline || data.labels[i].key === "ground-truth";
  const noInterval = () => null;
  const byLabel = (some, of, interval = noInterval) => data.labels.map((label, i) => ({ i,
    own: some.filter((c) => c.label === i), s: spread(some.filter((c) => c.label === i).map(of),
      some.filter((c) => c.label === i).map(interval)) }))
    .filter((row) => row.own.length);

  const selections = (some) => [...new Set(some.map((c) => c.selection))].join("; ");
  const areaPanel = (group, some, judged) => {
    const choices = qualities(some).filter((q) => q.key !== "roc" && Boolean(q.judged) === judged);
    if (!choices.length) return null;
    let quality = choices[0];
    const rows = () => byLabel(some, quality.of, quality.interval).filter((row) => row.s.n && shows(row.i));
    const option = (c, width) => {
      const drawnRows = rows();
      const baseline = drawnRows.find((row) => data.labels[row.i].baseline);
      return {
        grid: { left: 4, right: 24, top: 8, bottom: 28, containLabel: true },
        tooltip: { formatter: (p) => (p.data.row ? tip(nameOf(p.data.row.i), quality.title + ": " +
          number(p.data.row.s.mean), ...(p.data.row.s.n > 1 || p.data.row.s.interval ? [rangeText(p.data.row.s.n) +
          number(p.data.row.s.least) + " to " + number(p.data.row.s.greatest)] : [])) : "") },
        xAxis: axisOf(c, linear, below(quality.title)),
        yAxis: { type: "category", inverse: true, data: drawnRows.map((row) => nameOf(row.i)),
          axisLine: { onZero: false, lineStyle: { color: c.line } }, axisTick: { show: false },
          axisLabel: { color: c.text, fontSize: 12, fontFamily: font, width: Math.min(200, width * 0.4), overflow: "truncate" } },
        series: [{ type: "bar", barMaxWidth: 18, data: drawnRows.map((row) => ({ value: row.s.mean, row,
          itemStyle: { color: colourOf(row.i, c) } })),
        markLine: !baseline ? undefined : { silent: true, precision: 12, symbol: "none", label: { show: false },
          data: [{ xAxis: baseline.s.mean }], lineStyle: { color: c.muted, type: "dashed", width: 1 } } },
        { type: "custom", silent: true, z: 5, encode: { x: 0, y: 1 }, tooltip: { show: false },
          data: drawnRows.map((row, i) => [row.s.mean, i, row.s.least, row.s.greatest])
            .filter((d) => d[3] > d[2]),
          renderItem: (params, api) => {
            const [from, y] = api.coord([api.value(2), api.value(1)]);
            const to = api.coord([api.value(3), api.value(1)])[0];
            return { type: "path", style: { stroke: c.text, lineWidth: 1.5, fill: "none" },
              shape: { pathData: `M${from} ${y}H${to}M${from} ${y - 4}V${y + 4}M${to} ${y - 4}V${y + 4}`,
                x: from, y: y - 4, width: Math.max(to - from, 1), height: 8 } };
          } }],
      };
    };
    const panel = {
      title: judged ? "Faithfulness and AUROC" : "Area under the curve",
      full: (judged ? "Faithfulness and AUROC, " : "Areas under curves, ") + data.tasks[group.task], option,
      note: judged ? "Circuits: " + selections(some) + ". Whiskers: of one seed its 95 % interval (of AUROC over edges, else over prompts), of " +
        "several the least and the greatest." : "",
      hint: quality.lower ? "lower is better" : "", height: 44 + 28 * Math.max(2, rows().length),
      words: () => quality.title + ". " + rows().map((row) => nameOf(row.i) + ": " + number(row.s.mean))
        .join(". ") + ".",
      controls: element("div", { className: "controls" }, selectOf("Metric", choices.map((q) =>
        ({ ...q, title: q.title.replace("Area: ", "") })), (q) => {
        quality = choices.find((other) => other.key === q.key);
        panel.box.setAttribute("aria-label", panel.full + ". " + panel.words());
        panel.hintBox.textContent = quality.lower ? "lower is better" : "";
        show(panel);
      })),
    };
    return panelOf(panel);
  };

  const spreadOf = (row, q) => spread(row.own.map(q.of), row.own.map(q.interval || noInterval));

  const areaTable = (group, some, judged) => {
    const choices = qualities(some).filter((q) => Boolean(q.judged || q.key === "roc") === judged);
    if (!choices.length) return null;
    const rows = byLabel(some, () => 1);
    return table({ name: (judged ? "Faithfulness " : "Areas ") + data.tasks[group.task], rows, columns: [
      { title: "Algorithm", value: (row) => nameOf(row.i),
        node: (row) => element("span", { className: "named" }, swatch(row.i), nameOf(row.i)) },
      ...choices.map((q) => ({ title: q.title.replace("Area: ", "") + (q.lower ? " ↓" : ""), numeric: true,
        value: (row) => spread(row.own.map(q.of)).mean, text: (row) => spreadText(spreadOf(row, q)),
        node: (row) => spreadNode(spreadOf(row, q)) })),
      { title: "Seeds", numeric: true, value: (row) => row.own.length },
    ] });
  };

  // ---- ROC ----------------------------------------------------------------------------------

  const rocPanel = (group, some) => {
    const measured = some.filter((c) => c.roc);
    if (!measured.length) return null;
    const rows = byLabel(measured, (c) => c.rocArea);
    const option = (c) => ({
      grid: { left: 4, right: 16, top: 12, bottom: 28, containLabel: true },
      tooltip: { formatter: (p) => (!p.data.cell ? "" : tip(p.seriesName, "true positives " + number(p.value[1]),
        "false positives " + number(p.value[0]), "area " + number(p.data.cell.rocArea) + ", seed " +
        p.data.cell.seed)) },
      xAxis: axisOf(c, linear, { min: 0, max: 1, ...below("False positive rate") }),
      yAxis: axisOf(c, linear, { min: 0, max: 1, ...aside("") }),
      series: [straight(c, [0, 0], [1, 1]), ...measured.filter((cell) => shows(cell.label)).map((cell, k, all) => ({
        type: "line", name: nameOf(cell.label), data: cell.roc.map((value) => ({ value, cell })),
        symbol: looks[cell.label].baseline ? "none" : symbolOf(cell.label), symbolSize: 6, clip: false,
        showAllSymbol: "auto", z: looks[cell.label].baseline ? 2 : 3, itemStyle: markStyle(cell.label, c),
        lineStyle: { width: widthOf(k, all.length), color: colourOf(cell.label, c), type: looks[cell.label].dash } }))],
    });
    const official = measured[0].official;
    return panelOf({
      title: "ROC against the known circuit", full: "ROC, " + data.tasks[group.task], option,
      labels: rows.map((row) => row.i), height: 340,
      hint: official === null ? "" : plural(official, "edge") + " of " + count(measured[0].edges),
      note: (measured.length > rows.length ? "One line for each seed. " : "") + "Dashed diagonal: chance.",
      words: () => rows.map((row) => nameOf(row.i) + ": area " + spreadText(row.s)).join(". ") + ".",
      numbers: () => ({ name: "ROC " + data.tasks[group.task],
        rows: measured.flatMap((cell) => cell.roc.map((point) => ({ cell, point }))), columns: [
          { title: "Algorithm", value: (r) => nameOf(r.cell.label) },
          { title: "Seed", numeric: true, value: (r) => r.cell.seed, text: (r) => String(r.cell.seed) },
          { title: "False positive rate", numeric: true, value: (r) => r.point[0] },
          { title: "True positive rate", numeric: true, value: (r) => r.point[1] },
          { title: "Area", numeric: true, value: (r) => r.cell.rocArea },
        ] }),
    });
  };

  // ---- similarity ---------------------------------------------------------------------------

  const mix = (from, to, share) => {
    const parts = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const [a, b] = [parts(from), parts(to)];
    return "#" + a.map((v, i) => Math.round(v + (b[i] - v) * share).toString(16).padStart(2, "0")).join("");
  };
  const light = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
  const contrast = (a, b) => Math.max(light(a) / light(b), light(b) / light(a));
  const readable = (on, ...colour) => colour.reduce((best, c) => (contrast(c, on) > contrast(best, on) ? c : best));
  const similarityPanel = (group, s) => {
    const visible = s.labels.map((label, i) => ({ label, i })).filter((r) => shows(r.label));
    const title = "Shared among the best " + plural(s.edges, "edge");
    const option = (c, width) => ({
      grid: { left: 4, right: 10, top: 8, bottom: 22, containLabel: true },
      tooltip: { formatter: (p) => tip(nameOf(p.data.pair[0]) + " and " + nameOf(p.data.pair[1]),
        known(p.data.share) ? number(p.data.share) + " of the best " + plural(s.edges, "edge")
          : "no such circuit: ties at its border") },
      xAxis: { type: "category", data: visible.map((r, k) => String(k + 1)), axisTick: { show: false },
        axisLine: { show: false }, axisLabel: { color: c.muted, fontSize: 12, interval: 0 } },
      yAxis: { type: "category", inverse: true, axisTick: { show: false }, axisLine: { show: false },
        data: visible.map((r, k) => (k + 1) + "  " + nameOf(r.label)),
        axisLabel: { color: c.text, fontSize: 12, fontFamily: font, interval: 0, width: Math.min(190, width * 0.42),
          overflow: "truncate" } },
      series: [{ type: "heatmap", data: visible.flatMap((row, y) => visible.map((column, x) => {
        const share = num(s.values[row.i][column.i]);
        const back = known(share) ? mix(c.grid, c.accent, share) : c.card;
        return x < y ? null : { value: [x, y, known(share) ? share : 0], share,
          pair: [row.label, column.label],
          itemStyle: { color: back, borderColor: c.card, borderWidth: 2 },
          label: { show: true, formatter: known(share) ? share.toFixed(2) : "–", fontSize: 12,
            color: readable(back, c.card, c.text) } };
      })).filter(Boolean) }],
      visualMap: { show: false, min: 0, max: 1, inRange: { color: [c.grid, c.accent] } },
    });
    return panelOf({
      title, hint: s.known ? "the size of the known circuit" : "", option, height: 40 + 32 * visible.length,
      full: title + ", " + data.tasks[group.task],
      words: () => visible.flatMap((row, y) => visible.slice(y + 1).map((column) => nameOf(row.label) + " and " +
        nameOf(column.label) + ": " + number(num(s.values[row.i][column.i])))).join(". ") + ".",
      numbers: () => ({ name: "Similarity at " + s.edges + " edges " + data.tasks[group.task],
        rows: visible, columns: [{ title: "Algorithm", value: (r) => nameOf(r.label) },
          ...visible.map((column) => ({ title: nameOf(column.label), numeric: true,
            value: (r) => num(s.values[r.i][column.i]) }))] }),
    });
  };

  // ---- completeness -------------------------------------------------------------------------

  const completenessPanel = (group) => {
    const rows = group.completeness.map((r) => ({ ...r, normal: num(r.normal), knockout: num(r.knockout) }));
    if (!rows.length) return null;
    const sound = rows.filter((r) => known(r.normal) && known(r.knockout));
    const top = Math.max(...sound.flatMap((r) => [r.normal, r.knockout]), 1e-9) * 1.05;
    const option = (c) => ({
      grid: { left: 4, right: 22, top: 26, bottom: 28, containLabel: true },
      tooltip: { formatter: (p) => (!p.data.row ? "" : tip(nameOf(p.data.row.label),
        plural(p.data.row.edges, "edge") + ", " + p.data.row.knockedOut + " knocked out",
        "KL " + number(p.data.row.normal), "KL under knockouts " + number(p.data.row.knockout))) },
      xAxis: axisOf(c, linear, { min: 0, max: top, ...below("KL(model ‖ circuit), nats"),
        axisLabel: { showMaxLabel: false } }),
      yAxis: axisOf(c, linear, { min: 0, max: top, ...aside("the same under knockouts"),
        nameTextStyle: { color: c.muted, fontSize: 11, align: "left" }, axisLabel: { showMaxLabel: false } }),
      series: [straight(c, [0, 0], [top, top]), ...sound.filter((r) => shows(r.label)).map((row) => {
        const middle = (row.normal + row.knockout) / 2;
        return { type: "line", name: nameOf(row.label), clip: false, showAllSymbol: true,
          data: [{ value: [row.normal, row.knockout], row, symbol: symbolOf(row.label), symbolSize: 10 },
            { value: [middle, middle], row, symbol: "none" }], itemStyle: markStyle(row.label, c),
          lineStyle: { width: 2, color: colourOf(row.label, c), type: looks[row.label].dash } };
      })],
    });
    return panelOf({
      title: "Completeness", hint: "nearer to the diagonal is more complete", option, height: 340,
      full: "Completeness, " + data.tasks[group.task], labels: [...new Set(rows.map((r) => r.label))],
      note: "A circuit should behave as the model does under knockouts too. From each circuit's point a line leads " +
        "to the diagonal, where both divergences are the same." + (sound.length < rows.length ? " " +
        plural(rows.length - sound.length, "circuit") + " with a value that is not finite: in the numbers only." : ""),
      words: () => rows.map((r) => nameOf(r.label) + ": " + number(r.normal) + ", under knockouts " +
        number(r.knockout)).join(". ") + ".",
      numbers: () => ({ name: "Completeness " + data.tasks[group.task], rows, columns: [
        { title: "Algorithm", value: (r) => nameOf(r.label) },
        { title: "Seed", numeric: true, value: (r) => r.seed, text: (r) => String(r.seed) },
        { title: "Edges", numeric: true, value: (r) => r.edges },
        { title: "Knocked out", numeric: true, value: (r) => r.knockedOut },
        { title: "KL", numeric: true, value: (r) => r.normal, text: (r) => number(r.normal) },
        { title: "KL under knockouts", numeric: true, value: (r) => r.knockout, text: (r) => number(r.knockout) },
      ] }),
    });
  };

  // ---- tests of circuits --------------------------------------------------------------------

  const testedOf = (group) => (group.tests || []).map((t) => ({ ...t,
    name: nameOf(t.label) + (group.tests.some((o) => o !== t && o.label === t.label && o.test.edges !== t.test.edges)
      ? ", " + plural(t.test.edges, "edge") : "") + (group.tests.some((o) => o.label === t.label && o.seed !== t.seed)
      ? ", seed " + t.seed : ""), colour: (c) => colourOf(t.label, c) }));
  const testPanels = (group) => {
    const tested = testedOf(group).filter((t) => shows(t.label));
    return tests.PLOTS.map((plot) => {
      const rows = plot.rows(tested);
      const words = () => rows.map((r) => r.name + ": " + r.own.map((o) => number(o.value)).join(", ")).join(". ") + ".";
      return panelOf({ title: plot.title, full: plot.title + ", " + data.tasks[group.task], note: plot.note, words,
        height: 50 + 30 * Math.max(2, rows.length), option: (c, width) => tests.strip(rows, c, width, plot.axis),
        numbers: () => ({ name: plot.title + " " + data.tasks[group.task], rows: rows.flatMap((r) => [
          ...r.own.map((o) => [r.name, o.text, o.value]), ...r.random.map((v) => [r.name, "random", v])]), columns: [
          { title: "Circuit", value: (r) => r[0] }, { title: "What", value: (r) => r[1] },
          { title: plot.axis, numeric: true, value: (r) => r[2] ?? NaN } ] }) });
    });
  };
  const testTable = (group) => table({ name: "Tests " + data.tasks[group.task], rows: testedOf(group), columns: [
    { title: "Algorithm", value: (t) => nameOf(t.label),
      node: (t) => element("span", { className: "named" }, swatch(t.label), nameOf(t.label)) },
    { title: "Edges", numeric: true, value: (t) => t.test.edges },
    { title: "Seed", numeric: true, value: (t) => t.seed, text: (t) => String(t.seed) },
    { title: "Score", value: (t) => t.test.metric },
    ...tests.TESTS.map((test) => ({ title: "p: " + tests.NAMES[test], numeric: true,
      value: (t) => tests.pOf(t.test, test), node: (t) => element("span", {}, tests.pText(tests.pOf(t.test, test)),
        element("small", { textContent: tests.verdict(t.test, test) })) })),
  ] });

  // ---- cost beside quality ------------------------------------------------------------------

  const COSTS = [{ title: "plain forward passes", axis: "Plain forward passes to score", of: (c) => c.passes },
    { title: "seconds", axis: "Seconds to score", of: (c) => c.score }];
  const costPanel = (group, some) => {
    const choices = qualities(some);
    const costs = COSTS.filter((cost) => some.some((c) => known(cost.of(c)) && cost.of(c) > 0));
    if (!choices.length || !costs.length) return null;
    let [quality, cost] = [choices[0], costs[0]];
    const rows = () => byLabel(some, quality.of).map((row) => ({ ...row, cost: spread(row.own.map(cost.of)) }))
      .filter((row) => row.s.n && row.cost.mean > 0 && shows(row.i));
    // Neither the known circuit nor chance is an algorithm to choose.
    const front = (points) => {
      const better = (a, b) => (quality.lower ? a.s.mean < b.s.mean : a.s.mean > b.s.mean);
      const choosable = points.filter((p) => !reference(p.i));
      return choosable.filter((p) => !choosable.some((o) => o.cost.mean <= p.cost.mean && !better(p, o) &&
        (o.cost.mean < p.cost.mean || better(o, p))))
        .sort((a, b) => a.cost.mean - b.cost.mean);
    };
    // Where each name goes: above, below, right or left of its mark, where it meets no other.
    const sides = (points, x, width) => {
      const span = (values) => [Math.min(...values), Math.max(...values)];
      const [x0, x1] = x.axis.max === undefined ? span(points.map((r) => x.to(r.cost.mean)))
        : [x.axis.min, x.axis.max];
      const [y0, y1] = span(points.flatMap((r) => [r.s.least, r.s.greatest]));
      const at = points.map((r) => [(x.to(r.cost.mean) - x0) / (x1 - x0 || 1) * (width - 70),
        (1 - (r.s.mean - y0) / (y1 - y0 || 1)) * 270]);
      const taken = at.map(([px, py]) => [px - 7, py - 7, px + 7, py + 7]);
      const clear = (box) => box[0] > -20 && box[2] < width - 40 &&
        !taken.some((o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1]);
      return points.map((r, k) => {
        const [px, py] = at[k];
        const long = Math.min(170, 6.6 * nameOf(r.i).length);
        const boxes = { top: [px - long / 2, py - 24, px + long / 2, py - 8],
          bottom: [px - long / 2, py + 8, px + long / 2, py + 24],
          right: [px + 9, py - 8, px + 9 + long, py + 8], left: [px - 9 - long, py - 8, px - 9, py + 8] };
        const side = Object.keys(boxes).find((name) => clear(boxes[name]));
        if (side) taken.push(boxes[side]);
        return side;
      });
    };
    const option = (c, width) => {
      const points = rows();
      const x = points.length ? valueScale(points.flatMap((r) => r.own.map(cost.of).filter((v) => v > 0)))
        : linear;
      const best = front(points);
      const side = sides(points, x, width);
      const baseline = points.find((row) => data.labels[row.i].baseline);
      return {
        grid: { left: 4, right: 24, top: 26, bottom: 28, containLabel: true },
        tooltip: { formatter: (p) => (!p.data.row ? "" : tip(nameOf(p.data.row.i), cost.axis + ": " +
          spreadText(p.data.row.cost), quality.title + ": " + spreadText(p.data.row.s))) },
        xAxis: axisOf(c, x, below(cost.axis)),
        yAxis: axisOf(c, linear, { scale: true, boundaryGap: ["8%", "8%"],
          max: quality.key === "roc" ? 1 : undefined, ...aside(quality.title + (quality.lower ? " (lower is better)" : "")),
          nameTextStyle: { color: c.muted, fontSize: 11, align: "left" } }),
        series: [
          { type: "line", silent: true, symbol: "none", step: "end", z: 1, tooltip: { show: false },
            data: best.map((row) => [x.to(row.cost.mean), row.s.mean]),
            lineStyle: { color: c.muted, width: 1 },
            markLine: !baseline ? undefined : { silent: true, precision: 12, symbol: "none", label: { show: false },
              data: [{ yAxis: baseline.s.mean }], lineStyle: { color: c.muted, type: "dashed", width: 1 } } },
          ...points.filter((row) => row.own.length > 1).map((row) => ({ type: "scatter", silent: true, z: 2,
            symbol: MARKS[looks[row.i].mark], symbolSize: 5, tooltip: { show: false },
            itemStyle: { color: colourOf(row.i, c), opacity: 0.45 },
            data: row.own.filter((cell) => known(quality.of(cell)) && cost.of(cell) > 0)
              .map((cell) => [x.to(cost.of(cell)), quality.of(cell)]) })),
          ...points.map((row, k) => ({ type: "scatter", name: nameOf(row.i), z: 3, symbol: MARKS[looks[row.i].mark],
            symbolSize: 12, itemStyle: { color: colourOf(row.i, c) },
            data: [{ value: [x.to(row.cost.mean), row.s.mean], row }],
            label: { show: !!side[k], formatter: nameOf(row.i), color: c.text, fontSize: 11, distance: 6,
              position: side[k] || "top", textBorderColor: c.card, textBorderWidth: 3,
              width: 170, overflow: "truncate" } })),
        ],
      };
    };
    const renew = () => {
      panel.box.setAttribute("aria-label", panel.full + ". " + panel.words());
      show(panel);
    };
    const panel = {
      title: "Cost beside quality", full: "Cost beside quality, " + data.tasks[group.task], option, height: 360,
      labels: byLabel(some, () => 1).map((row) => row.i), wide: true,
      note: "The thin line joins what nothing cheaper beats; the dashed one is the random baseline. Large marks " +
        "are means over seeds. A plain forward pass is one over the prompts that score.",
      words: () => cost.axis + " and " + quality.title + ". " + rows().map((row) => nameOf(row.i) + ": " +
        number(row.cost.mean) + ", " + number(row.s.mean)).join(". ") + ".",
      controls: element("div", { className: "controls" },
        selectOf("Quality", choices, (q) => { quality = q; renew(); }),
        selectOf("Cost", costs, (q) => { cost = q; renew(); })),
      numbers: () => ({ name: "Cost " + data.tasks[group.task], rows: some, columns: [
        { title: "Algorithm", value: (c) => nameOf(c.label) },
        { title: "Seed", numeric: true, value: (c) => c.seed, text: (c) => String(c.seed) },
        { title: "Seconds to score", numeric: true, value: (c) => c.score },
        { title: "Plain forward passes", numeric: true, value: (c) => c.passes },
        ...choices.map((q) => ({ title: q.title, numeric: true, value: q.of })),
      ] }),
    };
    return panelOf(panel);
  };

  // ---- a task -------------------------------------------------------------------------------

  const FIRST_PLOTS = 6;
  const grid = (...children) => element("div", { className: "plots" }, ...children.filter(Boolean));
  const taskSection = (task) => {
    const section = element("section", { id: "task-" + task });
    section.setAttribute("aria-labelledby", "task-heading-" + task);
    section.append(element("h2", { id: "task-heading-" + task, textContent: data.tasks[task] }));
    const at = data.groups.findIndex((group) => group.task === task && chosen(group));
    if (at < 0) {
      section.append(element("p", { className: "note", textContent:
        "No cell of this task has what is chosen above." }));
      return section;
    }
    const group = data.groups[at];
    const some = cells.filter((cell) => cell.group === at);
    const facts = [plural(some[0].edges, "edge") + " in the graph"];
    if (some[0].official !== null) facts.push(count(some[0].official) + " in the known circuit");
    facts.push(plural(some[0].prompts, "prompt") + " judge", count(some[0].scorePrompts) + " score",
      plural(some.length, "cell"));
    section.append(element("p", { className: "note", textContent: facts.join(" · ") }));
    const measured = data.metrics.map((_, m) => m).filter((m) => group.lines.some((line) => line.metric === m));
    section.append(element("h3", { textContent: "By circuit size" }));
    if (!measured.length) section.append(element("p", { className: "note", textContent: "No metric was measured." }));
    section.append(grid(...measured.slice(0, FIRST_PLOTS).map((m) => curvePanel(group, m))));
    if (measured.length > FIRST_PLOTS) {
      const further = element("details", { className: "further" }, element("summary",
        { textContent: plural(measured.length - FIRST_PLOTS, "further metric") }));
      further.addEventListener("toggle", () => {
        if (further.open && further.children.length === 1) {
          further.append(grid(...measured.slice(FIRST_PLOTS).map((m) => curvePanel(group, m))));
        }
      });
      section.append(further);
    }
    section.append(...[element("h3", { textContent: "Areas" }),
      grid(areaPanel(group, some, true), rocPanel(group, some)), areaTable(group, some, true),
      grid(areaPanel(group, some, false)), areaTable(group, some, false)].filter(Boolean));
    const maps = group.similarity.filter((s) => s.labels.filter(shows).length > 1);
    if (maps.length) {
      section.append(element("h3", { textContent: "Similarity" }), element("p", { className: "note", textContent:
        "The share of their best edges that two algorithms have in common, over pairs of one seed; on the diagonal " +
        "an algorithm with itself, on different seeds where it has several. – where ties leave no circuit of that size." }),
      grid(...maps.map((s) => similarityPanel(group, s))));
    }
    if ((group.tests || []).length) {
      section.append(element("h3", { textContent: "Tests of circuits" }), element("p", { className: "note", textContent:
        "p of each hypothesis. Equivalence, independence and minimality speak for a circuit where they are kept, random" +
        " circuits where they are rejected." }), testTable(group), grid(...testPanels(group)));
    }
    const complete = completenessPanel(group);
    const cost = costPanel(group, some);
    if (complete || cost) {
      section.append(element("h3", { textContent: complete ? "Cost and completeness" : "Cost" }),
        grid(cost, complete));
    }
    return section;
  };

  // ---- overview -----------------------------------------------------------------------------

  // Over all tasks: of each the area relative to the random baseline's, 1 where it is the same and more where
  // it is better; AutoCircuit's average, whose sign also holds where areas are negative.
  const averagePanel = (shown, quality, value) => {
    const baseline = data.labels.findIndex((label) => label.baseline);
    if (baseline < 0 || shown.filter((g) => known(value(baseline, g).mean)).length < 2) return null;
    const relative = (i, g) => {
      const [own, chance] = [value(i, g).mean, value(baseline, g).mean];
      return chance === 0 ? NaN : 1 + (quality.lower ? chance - own : own - chance) / Math.abs(chance);
    };
    const all = data.labels.map((_, i) => ({ i, parts: shown.map((g) => relative(i, g)),
      s: spread(shown.map((g) => relative(i, g))) })).filter((row) => row.s.n && !data.labels[row.i].baseline);
    const rows = () => all.filter((row) => shows(row.i));
    if (!all.length) return null;
    const missing = all.filter((row) => row.s.n < shown.length);
    const option = (c, width) => ({
      grid: { left: 4, right: 24, top: 8, bottom: 28, containLabel: true },
      tooltip: { formatter: (p) => (p.data.row ? tip(nameOf(p.data.row.i), number(p.data.row.s.mean) +
        " of the random baseline", plural(p.data.row.s.n, "task")) : "") },
      xAxis: axisOf(c, linear, below("relative to the random baseline")),
      yAxis: { type: "category", inverse: true, data: rows().map((row) => nameOf(row.i)), axisTick: { show: false },
        axisLine: { onZero: false, lineStyle: { color: c.line } }, axisLabel: { color: c.text, fontSize: 12,
          fontFamily: font, width: Math.min(200, width * 0.4), overflow: "truncate" } },
      series: [{ type: "bar", barMaxWidth: 18, data: rows().map((row) => ({ value: row.s.mean, row,
        itemStyle: { color: colourOf(row.i, c) } })), markLine: { silent: true, precision: 12, symbol: "none",
        label: { show: false }, data: [{ xAxis: 1 }], lineStyle: { color: c.muted, type: "dashed", width: 1 } } }],
    });
    return panelOf({
      title: "Average over tasks", full: quality.title + ", average over tasks", option, hint: "higher is better",
      height: 44 + 28 * Math.max(2, rows().length), wide: true,
      note: "Of each task 1 + (area − area of the random baseline) / |area of the random baseline|" + (quality.lower
        ? ", the difference taken the other way, as lower areas are better" : "") + "; the mean over tasks. Dashed: the " +
        "random baseline." + (missing.length ? " Fewer tasks have an area of " + missing.map((row) => nameOf(row.i) + " (" +
        row.s.n + " of " + shown.length + ")").join(", ") + "." : ""),
      words: () => all.map((row) => nameOf(row.i) + ": " + number(row.s.mean)).join(". ") + ".",
      numbers: () => ({ name: quality.title + " average over tasks", rows: all, columns: [
        { title: "Algorithm", value: (row) => nameOf(row.i) },
        { title: "Average", numeric: true, value: (row) => row.s.mean },
        ...shown.map((g, k) => ({ title: data.tasks[g.task], numeric: true, value: (row) => row.parts[k] })),
      ] }),
    });
  };

  // Ranks by the chosen number, where they were made: each with its interval.
  const ranksOf = (quality) => (data.ranks || []).find((r) => r.quality === quality.key &&
    r.values.every((v, i) => v === state.values[i]));
  const rankSpread = (r) => ({ n: r.length ? 1 : 0, mean: r[0], least: r[1] ?? r[0], greatest: r[2] ?? r[0] });
  const ranksPart = (quality) => {
    const found = ranksOf(quality);
    if (!found) return [];
    const over = found.rows.some((row) => row.all[0].length);
    const note = "1 is the best; algorithms with equal numbers share the mean of their places; the known circuit itself" +
      " is left out." + (over ? " All tasks: the mean over " + plural(found.overall, "task") + "." : "") +
      " Below each the 95 % interval: prompts drawn again" + (over ? ", over all tasks the tasks too" : "") +
      (quality.key.startsWith("auroc") ? " (of AUROC, which is not of prompts, tasks alone)" : "") + ".";
    const columnOf = (title, of) => ({ title, numeric: true, value: (row) => of(row)[0],
      text: (row) => spreadText(rankSpread(of(row))), node: (row) => spreadNode(rankSpread(of(row))) });
    return [element("h3", { textContent: "Ranks" }), table({ name: "Ranks by " + quality.title, rows: found.rows, columns: [
      { title: "Algorithm", value: (row) => nameOf(row.label),
        node: (row) => element("span", { className: "named" }, swatch(row.label), nameOf(row.label)) },
      ...(over ? [columnOf("All tasks", (row) => row.all[0])] : []),
      ...found.tasks.map((task, i) => columnOf(task, (row) => row.ranks[i])),
    ] }), element("p", { className: "note", textContent: note })];
  };

  // CPR, CMD and AUROC of every cell, by the first metric that its task has them of.
  const wholePart = (all) => {
    const judgedOf = (c, key, metric) => (c.judged || []).find((a) => a.key === key && a.metric === metric);
    const metrics = [...new Set((data.judged || []).filter((j) => j.key === "cpr").map((j) => j.metric))];
    const rows = all.map((c) => ({ c, metric: metrics.find((m) => judgedOf(c, "cpr", m)) }))
      .filter((r) => r.metric !== undefined || judgedOf(r.c, "auroc", ""));
    if (!rows.length) return [];
    const columnOf = (title, key, of) => {
      const areaOf = (r) => judgedOf(r.c, key, of(r)) || { value: NaN };
      const spreadOfArea = (r) => spread([num(areaOf(r).value)], [[num(areaOf(r).low), num(areaOf(r).high)]]);
      return { title, numeric: true, value: (r) => num(areaOf(r).value), text: (r) => spreadText(spreadOfArea(r)),
        node: (r) => spreadNode(spreadOfArea(r)) };
    };
    const titleOf = (key) => (data.metrics.find((m) => m.key === key) || { title: key || "\u2013" }).title;
    return [element("h3", { textContent: "CPR, CMD and AUROC" }), table({ name: "CPR, CMD and AUROC", rows, sorted: true,
      filter: true, columns: [
        { title: "Task", value: (r) => data.tasks[groupOf(r.c).task] },
        { title: "Algorithm", value: (r) => nameOf(r.c.label) },
        { title: "Seed", numeric: true, value: (r) => r.c.seed, text: (r) => String(r.c.seed) },
        columnOf("CPR", "cpr", (r) => r.metric), columnOf("CMD \u2193", "cmd", (r) => r.metric),
        { title: "of", value: (r) => titleOf(r.metric) },
        columnOf("AUROC", "auroc", () => ""),
        { title: "Circuits", value: (r) => r.c.selection },
      ] }), element("p", { className: "note", textContent: "The small numbers are 95 % intervals: of CPR and CMD over" +
      " prompts, of AUROC over edges. Circuits: by which scores they were chosen, absolute or signed." })];
  };

  let overviewQuality = "";
  const overview = () => {
    const shown = data.groups.map((group, at) => ({ group, at })).filter((g) => chosen(g.group))
      .map((g) => ({ task: g.group.task, some: cells.filter((c) => c.group === g.at) }));
    const all = shown.flatMap((g) => g.some);
    const choices = qualities(all);
    const body = byId("overview-body");
    if (!choices.length) {
      body.replaceChildren(element("p", { className: "note", textContent: all.length
        ? "Nothing was measured that has an area: curves need the empty circuit and another."
        : "No cell has what is chosen above." }));
      return;
    }
    const quality = choices.find((q) => q.key === overviewQuality) ||
      choices.find((q) => q.key === "auroc|") || choices[0];
    for (const [box, panel] of [...panels].filter(([box]) => body.contains(box))) { // of the choice before
      if (panel.chart) panel.chart.dispose();
      watcher.unobserve(box);
      panels.delete(box);
    }
    const value = (row, g) => {
      const own = g.some.filter((c) => c.label === row);
      return spread(own.map(quality.of), own.map(quality.interval || noInterval));
    };
    const rows = data.labels.map((_, i) => i).filter((i) => all.some((c) => c.label === i));
    const best = shown.map((g) => {
      const means = rows.filter((i) => !reference(i))
        .map((i) => value(i, g).mean).filter(known);
      return quality.lower ? Math.min(...means) : Math.max(...means);
    });
    const select = selectOf("Quality", choices, (q) => {
      overviewQuality = q.key;
      overview();
      body.querySelector("select").focus();
    });
    select.querySelector("select").value = String(choices.indexOf(quality));
    body.replaceChildren(element("div", { className: "controls" }, select),
      table({ name: quality.title + " by algorithm and task", rows, columns: [
        { title: "Algorithm", value: nameOf,
          node: (i) => element("span", { className: "named" }, swatch(i), nameOf(i)) },
        ...shown.map((g, k) => ({ title: data.tasks[g.task], numeric: true, value: (i) => value(i, g).mean,
          text: (i) => spreadText(value(i, g)),
          node: (i) => spreadNode(value(i, g), !reference(i) && value(i, g).mean === best[k]) })),
      ] }),
      element("p", { className: "note", textContent: (quality.lower ? "Lower" : "Higher") +
        " is better; the best of each task is bold (ground truth and the random baseline apart)." +
        (quality.judged ? " Circuits: " + selections(all) + ". Below each number its 95 % interval" +
          (quality.key.startsWith("auroc") ? " over edges" : " over prompts") + ", of several seeds the least and the greatest."
          : all.length > rows.length * shown.length ? " Means over seeds, with the least and the greatest." : "") }));
    const average = averagePanel(shown, quality, value);
    if (average) body.append(grid(average));
    body.append(...ranksPart(quality), ...wholePart(all));
  };

  // ---- the whole page -----------------------------------------------------------------------

  const tasksBox = byId("tasks");
  const rebuild = () => {
    panels.forEach((panel) => { if (panel.chart) panel.chart.dispose(); });
    panels.clear();
    watcher.disconnect();
    tasksBox.replaceChildren(...data.tasks.map((_, task) => taskSection(task)));
    overview();
  };

  const facetsBox = byId("facets");
  data.facets.forEach((facet, i) => {
    if (facet.values.length < 2) {
      if (facet.values.length) {
        facetsBox.append(element("p", { className: "fixed" }, element("span", { textContent: facet.title }),
          facet.values[0]));
      }
      return;
    }
    const select = element("select", { id: "facet-" + i }, ...facet.values.map((v, k) =>
      element("option", { value: String(k), textContent: v })));
    select.addEventListener("change", () => {
      state.values[i] = Number(select.value);
      writeHash();
      rebuild();
    });
    facetsBox.append(element("label", {}, facet.title, select));
  });
  const showFacets = () => data.facets.forEach((facet, i) => {
    if (facet.values.length > 1) byId("facet-" + i).value = String(state.values[i]);
  });

  const legend = byId("legend");
  data.labels.forEach((label, i) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(i); else state.hidden.add(i);
      rebuild();
    });
    legend.append(element("label", {}, box, swatch(i), label.name));
  });
  if (!data.labels.length) legend.hidden = true;
  legend.append(element("p", { className: "note", textContent: "Lines are means over seeds, bands reach from the " +
    "least to the greatest, of one seed over the 95 % interval of its prompts. ✕ marks an algorithm with a single circuit. Dashed grey: the random baseline." }));

  const contents = byId("contents");
  const link = (text, id) => contents.append(element("a", { href: "#" + id, textContent: text }));
  link("Overview", "overview");
  data.tasks.forEach((task, i) => link(task, "task-" + i));
  link("Cells", "cells");
  if (data.failures.length) link("Failures (" + data.failures.length + ")", "failures");
  if (data.notices.length) link("Notices", "notices");
  link("Settings", "settings");

  if (data.waiting || data.failures.length) {
    const parts = [];
    if (data.failures.length) parts.push(plural(data.failures.length, "cell") + " failed (listed below).");
    if (data.waiting) parts.push(plural(data.waiting, "cell") + " not run yet: run the experiment again to go on.");
    byId("unfinished").textContent = parts.join(" ");
    byId("unfinished").hidden = false;
  }

  byId("cells-body").append(table({ name: "Cells", rows: cells, sorted: true, filter: true, columns: [
    { title: "Task", value: (c) => data.tasks[groupOf(c).task] },
    { title: "Algorithm", value: (c) => nameOf(c.label) },
    ...data.facets.map((facet, i) => ({ title: facet.title, value: (c) => facet.values[groupOf(c).values[i]] })),
    { title: "Seed", numeric: true, value: (c) => c.seed, text: (c) => String(c.seed) },
    { title: "Circuit", value: (c) => c.page || "", node: (c) => {
      if (!c.page) return "–";
      const to = element("a", { href: c.page, textContent: "open" });
      to.setAttribute("aria-label", "Circuit of " + nameOf(c.label) + ", " + data.tasks[groupOf(c).task] +
        ", seed " + c.seed);
      return to;
    } },
    { title: "ROC area", numeric: true, value: (c) => c.rocArea },
    { title: "Seconds to score", numeric: true, value: (c) => c.score },
    { title: "Plain passes", numeric: true, value: (c) => c.passes },
    { title: "Seconds to judge", numeric: true, value: (c) => c.judge },
    { title: "Found", value: (c) => c.found.join("; ") },
    { title: "Verdict", value: (c) => c.verdict || "" },
    { title: "Run", value: (c) => c.run, text: (c) => c.run.slice(0, 12) },
  ] }));
  if (data.failures.length) {
    byId("failures").hidden = false;
    byId("failures-body").append(table({ name: "Failures", rows: data.failures, filter: data.failures.length > 10,
      columns: [{ title: "Cell", value: (f) => f[0] }, { title: "What was wrong", value: (f) => f[1] },
        { title: "Run", value: (f) => f[2], text: (f) => f[2].slice(0, 12) }] }));
  }
  if (data.notices.length) {
    byId("notices").hidden = false;
    byId("notices-body").append(...data.notices.map((notice) => element("li", {}, notice.text + " ",
      element("span", { className: "muted", textContent: "(" + notice.cells.slice(0, 4).join("; ") +
        (notice.cells.length > 4 ? "; and " + (notice.cells.length - 4) + " more" : "") + ")" }))));
  }

  let resizing = 0;
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(redrawShown, 100);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawShown);
  window.addEventListener("beforeprint", () => panels.forEach(show));
  window.addEventListener("hashchange", () => {
    const before = String(state.values);
    readHash();
    if (String(state.values) === before) return;
    showFacets();
    rebuild();
  });

  readHash();
  showFacets();
  rebuild();
  document.documentElement.dataset.ready = "true";
})();
