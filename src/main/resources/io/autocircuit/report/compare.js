(() => {
  const { byId, pictureButtons, table } = ac;
  const data = JSON.parse(byId("report-data").textContent);
  const SIDES = { both: "both", first: "only first", second: "only second" };
  const score = (v) => Number(v);
  byId("drawing-tools").append(pictureButtons(data.title, () =>
    document.querySelector("svg.grid").outerHTML));
  byId("kinds").append(table({ name: "Edges by kind of node", rows: data.kinds, columns: [
    { title: "Edges", value: (r) => r[0] },
    { title: "In both", numeric: true, value: (r) => r[1] },
    { title: "Only in the first", numeric: true, value: (r) => r[2] },
    { title: "Only in the second", numeric: true, value: (r) => r[3] },
  ] }));
  byId("edges-body").append(table({ name: "Edges of two circuits", rows: data.edges, sorted: true, filter: true,
    columns: [
      { title: "In", value: (r) => SIDES[r[0]] },
      { title: "Edge", value: (r) => r[1] },
      ...(data.edges.some((r) => r[2] !== null) ? [{ title: "Position", numeric: true, value: (r) => r[2],
        text: (r) => (r[2] === null ? "all" : String(r[2])) }] : []),
      { title: "Rank in the first", numeric: true, value: (r) => r[3] },
      { title: "Score in the first", numeric: true, value: (r) => score(r[4]) },
      { title: "Rank in the second", numeric: true, value: (r) => r[5] },
      { title: "Score in the second", numeric: true, value: (r) => score(r[6]) },
    ] }));
  document.documentElement.dataset.ready = "true";
})();
