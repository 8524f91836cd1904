// A circuit as text for other programs: byte for byte what CircuitFiles and CircuitGrid write.
// A drawing is { title, nodes: [{ name, layer }], links: [{ name, source, target, input, position, score,
// rank, side, activation }], labels }; side is "only", or "both", "first", "second"; activation, what the
// source writes, { norm, ablated, delta } or null; labels are texts by position.
ac.circuit = (() => {
  const HEAD = /^A(\d{1,6})\.(\d{1,6})$/;
  const headOf = (name) => (HEAD.test(name) ? Number(HEAD.exec(name)[2]) : -1);
  const LATENT = /^MLP (\d{1,6}) Latent (\d{1,9})$/;
  const latentOf = (name) => (LATENT.test(name) ? Number(LATENT.exec(name)[2]) : -1);
  const kindOf = (name) => (headOf(name) >= 0 ? "attention" : latentOf(name) >= 0 ? "latent"
    : /^MLP \d{1,6} Error$/.test(name) ? "error" : /^Resid (Mid|Post) \d{1,6}$/.test(name) ? "residual"
      : name === "Resid Start" ? "start" : name === "Resid End" ? "end" : name.startsWith("MLP ") ? "MLP" : "other");
  // What a node is called in pictures, in few letters.
  const labelOf = (name) => (name === "Resid Start" ? "Embed" : name === "Resid End" ? "Unembed"
    : LATENT.test(name) ? "MLP " + LATENT.exec(name)[1] + "\u00b7" + LATENT.exec(name)[2] : name);
  const compareNames = (a, b) => {
    const [x, y] = [a, b].map((name) => (headOf(name) < 0 ? 2147483647 : headOf(name)));
    return x - y || latentOf(a) - latentOf(b) || (a < b ? -1 : a > b ? 1 : 0);
  };
  const sortNodes = (nodes) => [...nodes].sort((a, b) => a.layer - b.layer || compareNames(a.name, b.name));
  const drawing = (title, nodes, links, labels) => ({ title, nodes: sortNodes(nodes), links, labels });
  const positionName = (d, p) => (p < d.labels.length ? p + " \u201c" + d.labels[p] + "\u201d" : String(p));

  const safe = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu, "\ufffd");
  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  const xml = (text) => safe(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);
  const quoted = (text) => '"' + safe(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"') + '"';
  const number = (v, infinite) => {
    if (!Number.isFinite(v)) return (v > 0 ? "" : "-") + infinite;
    for (let digits = 1; digits <= 9 && Math.fround(v) === v; digits++) {
      const rounded = Number(v.toPrecision(digits));
      if (Math.fround(rounded) === v) return String(rounded);
    }
    return String(v);
  };
  const usedBy = (links) => new Set(links.flatMap((l) => [l.source, l.target]));
  const written = (l) => (l.activation ? [["norm", number(l.activation.norm, "INF")],
    ["ablated_norm", number(l.activation.ablated, "INF")], ["delta_norm", number(l.activation.delta, "INF")]] : []);
  const greatestOf = (d) => d.links.map((l) => Math.abs(l.score)).filter(Number.isFinite)
    .reduce((a, b) => Math.max(a, b), 0);
  const widthOf = (link, greatest) => {
    const size = Math.abs(link.score);
    const share = size === Infinity ? 1 : greatest > 0 ? size / greatest : 0;
    const hair = link.side === "only" ? 0.75 : 1.5;
    return String(Math.round((hair + (4 - hair) * share) * 100) / 100);
  };
  const LOOKS = {
    positive: { name: "positive", colour: "#2456c7", style: "solid", dashes: "" },
    negative: { name: "negative", colour: "#c22f2f", style: "dashed", dashes: "6 3" },
    zero: { name: "zero", colour: "#8a929b", style: "dotted", dashes: "2 2" },
    both: { name: "both", colour: "#3d4650", style: "solid", dashes: "" },
    first: { name: "first", colour: "#2456c7", style: "dashed", dashes: "6 3" },
    second: { name: "second", colour: "#d1631b", style: "dotted", dashes: "2 3" },
  };
  const lookOf = (link) => (link.side !== "only" ? LOOKS[link.side]
    : link.score > 0 ? LOOKS.positive : link.score < 0 ? LOOKS.negative : LOOKS.zero);

  const dot = (d) => {
    const used = usedBy(d.links);
    const layers = new Map();
    for (const node of d.nodes) {
      if (used.has(node.name)) {
        layers.set(node.layer, (layers.get(node.layer) || "  { rank=same;") + " " + quoted(node.name) + ";");
      }
    }
    const greatest = greatestOf(d);
    return "digraph " + quoted(d.title) + " {\n  rankdir=BT;\n" +
      '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];\n' +
      '  edge [fontname="sans-serif", fontsize=9];\n' + [...layers.values()].map((l) => l + " }\n").join("") +
      d.nodes.filter((n) => used.has(n.name) && labelOf(n.name) !== n.name).map((n) => "  " + quoted(n.name) +
        " [label=" + quoted(labelOf(n.name)) + "];\n").join("") +
      d.links.map((l) => {
        const label = l.input + (l.position === null ? "" : (l.input ? " @" : "@") + positionName(d, l.position));
        const look = lookOf(l);
        return "  " + quoted(l.source) + " -> " + quoted(l.target) + " [label=" + quoted(label) + ', score="' +
          number(l.score, "inf") + '", rank=' + l.rank + (l.position === null ? "" : ", position=" + l.position) +
          (l.side === "only" ? "" : ", in=" + l.side) + written(l).map(([key, value]) => ", " + key + '="' + value + '"')
            .join("") + ", penwidth=" + widthOf(l, greatest) + ', color="' +
          look.colour + '", style=' + look.style + "];\n";
      }).join("") + "}\n";
  };

  const KEYS = [["name", "node", "string"], ["label", "node", "string"], ["layer", "node", "int"],
    ["kind", "node", "string"], ["input", "edge", "string"], ["score", "edge", "double"], ["rank", "edge", "int"],
    ["position", "edge", "int"], ["token", "edge", "string"], ["norm", "edge", "double"],
    ["ablated_norm", "edge", "double"], ["delta_norm", "edge", "double"], ["in", "edge", "string"]];
  const datum = (key, value) => '<data key="' + key + '">' + value + "</data>";
  const graphml = (d) => {
    const used = usedBy(d.links);
    const drawn = d.nodes.filter((n) => used.has(n.name));
    const ids = new Map(drawn.map((n, i) => [n.name, "n" + i]));
    const space = "http://graphml.graphdrawing.org/xmlns";
    return '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="' + space +
      '" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="' + space + " " + space +
      '/1.0/graphml.xsd">\n' + KEYS.map(([id, of, type]) => '  <key id="' + id + '" for="' + of +
      '" attr.name="' + id + '" attr.type="' + type + '"/>\n').join("") +
      '  <graph id="circuit" edgedefault="directed">\n    <desc>' + xml(d.title) + "</desc>\n" +
      drawn.map((n) => '    <node id="' + ids.get(n.name) + '">' + datum("name", xml(n.name)) +
        datum("label", xml(labelOf(n.name))) + datum("layer", n.layer) + datum("kind", kindOf(n.name)) + "</node>\n").join("") +
      d.links.map((l, i) => '    <edge id="e' + i + '" source="' + ids.get(l.source) + '" target="' +
        ids.get(l.target) + '">' + (l.input ? datum("input", l.input) : "") + datum("score", number(l.score, "INF")) +
        datum("rank", l.rank) + (l.position === null ? "" : datum("position", l.position) +
          (l.position < d.labels.length ? datum("token", xml(d.labels[l.position])) : "")) +
        written(l).map(([key, value]) => datum(key, value)).join("") +
        (l.side === "only" ? "" : datum("in", l.side)) + "</edge>\n").join("") + "  </graph>\n</graphml>\n";
  };

  const [STEP_X, STEP_Y, NODE_X, NODE_Y, LEFT, TOP, BOTTOM, PORT, HEADING] = [66, 46, 54, 20, 40, 58, 58, 15, 30];
  const tenths = (v) => String(Math.round(v * 10) / 10);
  const svg = (d, byPosition = false) => {
    const drawn = usedBy(d.links);
    const layers = [...new Set(d.nodes.filter((n) => !byPosition || drawn.has(n.name)).map((n) => n.layer))]
      .sort((a, b) => a - b);
    const heads = Math.max(-1, ...d.nodes.map((n) => headOf(n.name))) + 1;
    const stream = d.nodes.some((n) => kindOf(n.name) === "residual");
    const first = stream ? 1 : 0;
    const [others, latents] = [new Map(), new Map()];
    const next = (map, layer) => map.set(layer, (map.get(layer) || 0) + 1).get(layer);
    let columns = Math.max(1, first + heads);
    const places = new Map();
    for (const { name, layer } of d.nodes) {
      const kind = kindOf(name);
      if (!layers.includes(layer) || (kind === "latent" && !drawn.has(name))) continue;
      const column = kind === "attention" ? first + headOf(name) : kind === "MLP" ? first + heads
        : kind === "latent" || kind === "error" ? first + heads + next(latents, layer)
          : kind === "other" ? first + next(others, layer) - 1 : kind === "residual" || stream ? 0
            : Math.max(0, heads - 1) / 2;
      columns = Math.max(columns, column + 1);
      places.set(name, [LEFT + NODE_X / 2 + STEP_X * column,
        NODE_Y / 2 + STEP_Y * (layers.length - 1 - layers.indexOf(layer))]);
    }
    const rows = STEP_Y * Math.max(0, layers.length - 1) + NODE_Y;
    const width = Math.max(460, 2 * LEFT + STEP_X * (columns - 1) + NODE_X);
    const positions = new Map();
    for (const l of d.links) {
      const position = l.position === null ? -1 : l.position;
      positions.set(position, [...(positions.get(position) || []), l]);
    }
    const grids = byPosition ? [...positions].sort((a, b) => a[0] - b[0]).map(([, links]) => links) : [d.links];
    const one = rows + (byPosition ? HEADING : 0);
    const height = TOP + BOTTOM + one * grids.length;
    const greatest = greatestOf(d);
    const dashes = (look) => (look.dashes ? ' stroke-dasharray="' + look.dashes + '"' : "");
    const curve = (l, top) => {
      const [from, to] = [places.get(l.source), places.get(l.target)];
      const x = to[0] + (l.input === "Q" ? -PORT : l.input === "V" ? PORT : 0);
      const [y1, y2] = [top + from[1] - NODE_Y / 2, top + to[1] + NODE_Y / 2];
      const between = (from[1] - to[1]) / STEP_Y;
      const reach = (y1 - y2) * 0.45;
      const bow = from[0] === to[0] && between > 1 ? Math.min(30, 9 * between) + NODE_X / 2 : 0;
      const look = lookOf(l);
      const [norm, ablated, delta] = written(l).map(([, value]) => value);
      return '<path class="link ' + look.name + '" fill="none" stroke="' + look.colour +
        '" stroke-opacity="0.75" stroke-width="' + widthOf(l, greatest) + '"' + dashes(look) + ' d="M' +
        tenths(from[0]) + " " + tenths(y1) + "C" + tenths(from[0] + bow) + " " + tenths(y1 - reach) + " " +
        tenths(x + bow) + " " + tenths(y2 + reach) + " " + tenths(x) + " " + tenths(y2) + '"><title>' +
        xml(l.name) + (l.position === null ? "" : " at position " + xml(positionName(d, l.position))) + ", score " +
        number(l.score, "Infinity") + ", rank " + l.rank + (norm === undefined ? "" : "; its source writes " + norm +
        ", ablated " + ablated + ", \u0394 " + delta) + "</title></path>\n";
    };
    const box = (name, [x, middle], top, on) => {
      const [y, label] = [top + middle, labelOf(name)];
      return '<g class="node' + (on ? " used" : "") + '"><rect x="' + tenths(x - NODE_X / 2) + '" y="' +
        tenths(y - NODE_Y / 2) + '" width="' + tenths(NODE_X) + '" height="' + tenths(NODE_Y) +
        '" rx="4" fill="#ffffff" stroke="' + (on ? "#4a5563" : "#dcdfe3") + '"/><text x="' + tenths(x) + '" y="' +
        tenths(y + 4) + '" text-anchor="middle"' + (label.length > 8 ? ' font-size="9"' : "") + ' fill="' +
        (on ? "#1d2126" : "#8a929b") + '">' + xml(label) + "</text></g>\n";
    };
    const heading = (position, top) => '<text class="position" x="' + tenths(LEFT) + '" y="' +
      tenths(top + HEADING / 2 + 4) + '" font-size="12" font-weight="600" fill="#1d2126">' + (position === null
      ? "All positions" : "Position " + xml(positionName(d, position))) + "</text>\n";
    const grid = (links, i) => {
      const top = TOP + one * i + (byPosition ? HEADING : 0);
      const used = usedBy(links);
      return (byPosition ? heading(links[0].position, top - HEADING) : "") + [...links].reverse()
        .map((l) => curve(l, top)).join("") + [...places].map(([name, at]) => box(name, at, top, used.has(name))).join("");
    };
    const sides = (side) => d.links.filter((l) => l.side === side).length;
    const key = d.links.some((l) => l.side !== "only")
      ? [["both: " + sides("both"), LOOKS.both], ["only first: " + sides("first"), LOOKS.first],
        ["only second: " + sides("second"), LOOKS.second]]
      : [["positive", LOOKS.positive], ["negative", LOOKS.negative], ["width: |score|", null]];
    return '<svg xmlns="http://www.w3.org/2000/svg" class="grid" role="img" width="' + tenths(width) +
      '" height="' + tenths(height) + '" viewBox="0 0 ' + tenths(width) + " " + tenths(height) +
      '" font-family="system-ui, sans-serif" font-size="11">\n<title>' + xml(d.title) + "</title>\n" +
      '<rect class="paper" width="100%" height="100%" fill="#ffffff"/>\n<text class="heading" x="' + tenths(LEFT) +
      '" y="30" font-size="15" font-weight="600" fill="#1d2126">' + xml(d.title) + "</text>\n" +
      grids.map(grid).join("") + key.map(([text, look], i) =>
      (look ? '<path class="link ' + look.name + '" fill="none" stroke="' + look.colour + '" stroke-width="2"' +
        dashes(look) + ' d="M' + tenths(LEFT + 120 * i) + " " + tenths(height - 22) + 'h26"/>\n' : "") +
      '<text class="key" x="' + tenths(LEFT + 120 * i + (look ? 32 : 0)) + '" y="' + tenths(height - 18) +
      '" fill="#5d6670">' + text + "</text>\n").join("") + "</svg>\n";
  };

  return { drawing, dot, graphml, svg, kindOf, labelOf, compareNames };
})();
