// A circuit as text for other programs: byte for byte what CircuitFiles and CircuitGrid write.
// A drawing is { title, nodes: [{ name, layer }], links: [{ name, source, target, input, position, score,
// rank, side }] }; side is "only", or "both", "first", "second".
ac.circuit = (() => {
  const HEAD = /^A(\d{1,6})\.(\d{1,6})$/;
  const headOf = (name) => (HEAD.test(name) ? Number(HEAD.exec(name)[2]) : -1);
  const kindOf = (name) => (headOf(name) >= 0 ? "attention" : name === "Resid Start" ? "start"
    : name === "Resid End" ? "end" : name.startsWith("MLP ") ? "MLP" : "other");
  const sortNodes = (nodes) => [...nodes].sort((a, b) => {
    const [x, y] = [a, b].map((n) => (headOf(n.name) < 0 ? 2147483647 : headOf(n.name)));
    return a.layer - b.layer || x - y || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  });
  const drawing = (title, nodes, links) => ({ title, nodes: sortNodes(nodes), links });

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
  const usedBy = (d) => new Set(d.links.flatMap((l) => [l.source, l.target]));
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
    const used = usedBy(d);
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
      d.links.map((l) => {
        const label = l.input + (l.position === null ? "" : (l.input ? " @" : "@") + l.position);
        const look = lookOf(l);
        return "  " + quoted(l.source) + " -> " + quoted(l.target) + " [label=" + quoted(label) + ', score="' +
          number(l.score, "inf") + '", rank=' + l.rank + (l.position === null ? "" : ", position=" + l.position) +
          (l.side === "only" ? "" : ", in=" + l.side) + ", penwidth=" + widthOf(l, greatest) + ', color="' +
          look.colour + '", style=' + look.style + "];\n";
      }).join("") + "}\n";
  };

  const KEYS = [["name", "node", "string"], ["layer", "node", "int"], ["kind", "node", "string"],
    ["input", "edge", "string"], ["score", "edge", "double"], ["rank", "edge", "int"],
    ["position", "edge", "int"], ["in", "edge", "string"]];
  const datum = (key, value) => '<data key="' + key + '">' + value + "</data>";
  const graphml = (d) => {
    const used = usedBy(d);
    const drawn = d.nodes.filter((n) => used.has(n.name));
    const ids = new Map(drawn.map((n, i) => [n.name, "n" + i]));
    const space = "http://graphml.graphdrawing.org/xmlns";
    return '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="' + space +
      '" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="' + space + " " + space +
      '/1.0/graphml.xsd">\n' + KEYS.map(([id, of, type]) => '  <key id="' + id + '" for="' + of +
      '" attr.name="' + id + '" attr.type="' + type + '"/>\n').join("") +
      '  <graph id="circuit" edgedefault="directed">\n    <desc>' + xml(d.title) + "</desc>\n" +
      drawn.map((n) => '    <node id="' + ids.get(n.name) + '">' + datum("name", xml(n.name)) +
        datum("layer", n.layer) + datum("kind", kindOf(n.name)) + "</node>\n").join("") +
      d.links.map((l, i) => '    <edge id="e' + i + '" source="' + ids.get(l.source) + '" target="' +
        ids.get(l.target) + '">' + (l.input ? datum("input", l.input) : "") + datum("score", number(l.score, "INF")) +
        datum("rank", l.rank) + (l.position === null ? "" : datum("position", l.position)) +
        (l.side === "only" ? "" : datum("in", l.side)) + "</edge>\n").join("") + "  </graph>\n</graphml>\n";
  };

  const [STEP_X, STEP_Y, NODE_X, NODE_Y, LEFT, TOP, BOTTOM, PORT] = [66, 46, 54, 20, 40, 58, 58, 15];
  const tenths = (v) => String(Math.round(v * 10) / 10);
  const svg = (d) => {
    const heads = Math.max(-1, ...d.nodes.map((n) => headOf(n.name))) + 1;
    const rows = [...new Set(d.nodes.map((n) => n.layer))].sort((a, b) => a - b);
    const height = TOP + BOTTOM + STEP_Y * Math.max(0, rows.length - 1) + NODE_Y;
    const others = new Map();
    let columns = Math.max(1, heads);
    const places = new Map();
    for (const { name, layer } of d.nodes) {
      const kind = kindOf(name);
      if (kind === "other") others.set(layer, (others.get(layer) || 0) + 1);
      const column = kind === "attention" ? headOf(name) : kind === "MLP" ? heads
        : kind === "other" ? others.get(layer) - 1 : Math.max(0, heads - 1) / 2;
      columns = Math.max(columns, column + 1);
      places.set(name, [LEFT + NODE_X / 2 + STEP_X * column,
        TOP + NODE_Y / 2 + STEP_Y * (rows.length - 1 - rows.indexOf(layer))]);
    }
    const width = Math.max(460, 2 * LEFT + STEP_X * (columns - 1) + NODE_X);
    const greatest = greatestOf(d);
    const dashes = (look) => (look.dashes ? ' stroke-dasharray="' + look.dashes + '"' : "");
    const curve = (l) => {
      const [from, to] = [places.get(l.source), places.get(l.target)];
      const x = to[0] + (l.input === "Q" ? -PORT : l.input === "V" ? PORT : 0);
      const [y1, y2] = [from[1] - NODE_Y / 2, to[1] + NODE_Y / 2];
      const between = (from[1] - to[1]) / STEP_Y;
      const reach = (y1 - y2) * 0.45;
      const bow = from[0] === to[0] && between > 1 ? Math.min(30, 9 * between) + NODE_X / 2 : 0;
      const look = lookOf(l);
      return '<path class="link ' + look.name + '" fill="none" stroke="' + look.colour +
        '" stroke-opacity="0.75" stroke-width="' + widthOf(l, greatest) + '"' + dashes(look) + ' d="M' +
        tenths(from[0]) + " " + tenths(y1) + "C" + tenths(from[0] + bow) + " " + tenths(y1 - reach) + " " +
        tenths(x + bow) + " " + tenths(y2 + reach) + " " + tenths(x) + " " + tenths(y2) + '"><title>' +
        xml(l.name) + (l.position === null ? "" : " at position " + l.position) + ", score " +
        number(l.score, "Infinity") + ", rank " + l.rank + "</title></path>\n";
    };
    const used = usedBy(d);
    const box = ({ name }) => {
      const [x, y] = places.get(name);
      const on = used.has(name);
      return '<g class="node' + (on ? " used" : "") + '"><rect x="' + tenths(x - NODE_X / 2) + '" y="' +
        tenths(y - NODE_Y / 2) + '" width="' + tenths(NODE_X) + '" height="' + tenths(NODE_Y) +
        '" rx="4" fill="#ffffff" stroke="' + (on ? "#4a5563" : "#dcdfe3") + '"/><text x="' + tenths(x) + '" y="' +
        tenths(y + 4) + '" text-anchor="middle"' + (name.length > 8 ? ' font-size="9"' : "") + ' fill="' +
        (on ? "#1d2126" : "#8a929b") + '">' + xml(name) + "</text></g>\n";
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
      [...d.links].reverse().map(curve).join("") + d.nodes.map(box).join("") + key.map(([text, look], i) =>
      (look ? '<path class="link ' + look.name + '" fill="none" stroke="' + look.colour + '" stroke-width="2"' +
        dashes(look) + ' d="M' + tenths(LEFT + 120 * i) + " " + tenths(height - 22) + 'h26"/>\n' : "") +
      '<text class="key" x="' + tenths(LEFT + 120 * i + (look ? 32 : 0)) + '" y="' + tenths(height - 18) +
      '" fill="#5d6670">' + text + "</text>\n").join("") + "</svg>\n";
  };

  return { drawing, dot, graphml, svg };
})();
