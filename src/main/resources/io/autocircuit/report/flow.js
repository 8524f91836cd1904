// The picture of a circuit on the page: nodes in columns by layer, links as bands as wide as |score|.
// A panel is { title, links, others }: the links drawn, and edges shown as ablated (or none). A link is
// { source, target (indices of nodes), input, name, score, rank, position }.
ac.flow = (() => {
  const { element, count, number, plural, circuit } = ac;
  const SPACE = "http://www.w3.org/2000/svg";
  const INPUTS = ["", "Q", "K", "V"];
  const [NODE, LEAST, ROW] = [12, 5, 11];
  const rounded = (v) => Math.round(v * 10) / 10;
  const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);
  const shape = (tag, attributes, ...children) => {
    const node = document.createElementNS(SPACE, tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  const shareOf = (link, greatest) => {
    const size = Math.abs(link.score);
    return size === Infinity ? 1 : greatest > 0 ? size / greatest : 0;
  };
  const signOf = (link) => (link.score > 0 ? "positive" : link.score < 0 ? "negative" : "zero");

  // ---- layout -----------------------------------------------------------------------------
  // Lengths across the direction of computation; along it a node's place is its column.

  // A link over several columns is led through a waypoint in each, so that it goes round the nodes there.

  const place = (panel, how) => {
    const nodes = new Map();
    const columns = [];
    const add = (node) => {
      (columns[node.column] ||= []).push(node);
      return node;
    };
    const nodeOf = (i) => {
      if (!nodes.has(i)) {
        nodes.set(i, add({ i, column: how.column.get(i), in: [], out: [], before: [], behind: [], at: 0, extent: 0,
          order: how.order(i), gap: how.gap }));
      }
      return nodes.get(i);
    };
    const bands = panel.links.map((link) => {
      const band = { link, from: nodeOf(link.source), to: nodeOf(link.target), width: how.width(link), parts: [] };
      band.from.out.push(band);
      band.to.in.push(band);
      return band;
    });
    const routed = bands.length <= how.routed;
    // waypoints are set apart, the less the more there are
    const passing = Array(how.columns).fill(0);
    for (const band of bands) {
      for (let c = band.from.column + 1; routed && c < band.to.column; c++) passing[c]++;
    }
    const apart = Math.min(how.vertical ? 2 : 4, 160 / Math.max(1, ...passing));
    for (const band of bands) {
      let last = band.from;
      const lead = (next) => {
        const part = { from: last, to: next, width: band.width, band };
        last.behind.push(part);
        next.before.push(part);
        band.parts.push(part);
        last = next;
      };
      for (let c = band.from.column + 1; routed && c < band.to.column; c++) {
        lead(add({ column: c, before: [], behind: [], at: 0, extent: band.width, gap: apart,
          order: (band.from.order + band.to.order) / 2 }));
      }
      lead(band.to);
    }
    const length = (parts) => sum(parts, (part) => part.width);
    for (const node of nodes.values()) node.extent = Math.max(LEAST, length(node.before), length(node.behind));
    const filled = columns.filter(Boolean);
    const middle = (node) => node.at + node.extent / 2;
    const extents = (column) => sum(column, (n) => n.extent);
    const gaps = (column) => column.slice(1).reduce((total, n, i) => total + Math.max(n.gap, column[i].gap), 0);
    // where there is less room than they want, all gaps of a column shrink alike
    const shrink = (column) => (how.room === null || !gaps(column) ? 1
      : Math.max(0.1, Math.min(1, (how.room - extents(column)) / gaps(column))));
    filled.forEach((column) => {
      column.sort((x, y) => x.order - y.order);
      column.shrink = shrink(column);
    });
    const needed = (column) => extents(column) + gaps(column) * column.shrink;
    let whole = Math.max(how.room ?? how.least, ...filled.map(needed));
    const gap = (column, i) => Math.max(column[i].gap, column[i + 1].gap) * column.shrink;
    const settle = (column) => {
      column.sort((x, y) => middle(x) - middle(y));
      let free = 0;
      column.forEach((node, i) => {
        node.at = Math.max(node.at, free);
        free = node.at + node.extent + (i + 1 < column.length ? gap(column, i) : 0);
      });
      let limit = whole;
      for (let i = column.length - 1; i >= 0; i--) {
        column[i].at = Math.min(column[i].at, limit - column[i].extent);
        limit = column[i].at - (i > 0 ? gap(column, i - 1) : 0);
      }
    };
    for (const column of filled) {
      let at = (whole - needed(column)) / 2;
      column.forEach((node, i) => {
        node.at = at;
        at += node.extent + (i + 1 < column.length ? gap(column, i) : 0);
      });
    }
    const pull = (column, side, end, strength) => {
      for (const node of column) {
        const weight = length(node[side]);
        if (weight > 0) {
          node.at += (sum(node[side], (p) => p.width * middle(p[end])) / weight - middle(node)) * strength;
        }
      }
      settle(column);
    };
    for (let round = 0, strength = 1; round < (bands.length > 1500 ? 4 : 24); round++, strength *= 0.94) {
      filled.slice(1).forEach((column) => pull(column, "before", "from", strength));
      [...filled].reverse().slice(1).forEach((column) => pull(column, "behind", "to", strength));
    }
    // gaps depend on neighbours, so that a column may have grown
    const first = Math.min(0, ...filled.flat().map((n) => n.at));
    for (const node of filled.flat()) {
      node.at -= first;
      whole = Math.max(whole, node.at + node.extent);
    }
    for (const node of filled.flat()) {
      node.before.sort((x, y) => INPUTS.indexOf(x.band.link.input) - INPUTS.indexOf(y.band.link.input) ||
        middle(x.from) - middle(y.from) || x.band.link.rank - y.band.link.rank);
      node.behind.sort((x, y) => middle(x.to) - middle(y.to) || x.band.link.rank - y.band.link.rank);
      for (const [side, end] of [["before", "end"], ["behind", "start"]]) {
        let at = node.at + (node.extent - length(node[side])) / 2;
        for (const part of node[side]) {
          part[end] = at + part.width / 2;
          at += part.width;
        }
      }
    }
    return { nodes, bands, whole, middle,
      columns: filled.map((column) => column.filter((n) => n.i !== undefined)).filter((column) => column.length) };
  };

  // How wide one unit of |score| is: the fullest column of all panels fits into the height.
  const scaleOf = (panels, how, room) => {
    let [fullest, most] = [0, 1];
    for (const panel of panels) {
      const routed = panel.links.length <= how.routed;
      const flows = new Map(); // by column: what enters it, passes it or leaves it
      const counts = new Map();
      for (const link of panel.links) {
        const share = shareOf(link, how.greatest);
        const [from, to] = [how.column.get(link.source), how.column.get(link.target)];
        for (let c = from; c <= to; c += routed || c === to ? 1 : to - from) {
          const key = c === from ? "out " + c : c === to ? "in " + c : "past " + c;
          flows.set(key, (flows.get(key) || 0) + share);
          counts.set(key, (counts.get(key) || 0) + 1);
        }
      }
      for (let c = 0; c < how.columns; c++) {
        const at = (map) => (map.get("past " + c) || 0) + Math.max(map.get("in " + c) || 0, map.get("out " + c) || 0);
        fullest = Math.max(fullest, at(flows));
        most = Math.max(most, at(counts));
      }
    }
    const unit = fullest > 0 ? Math.min(34, room / fullest) : 1;
    const hair = Math.min(1, room / most);
    return (link) => Math.max(unit * shareOf(link, how.greatest), hair);
  };

  // ---- words ------------------------------------------------------------------------------

  const KINDS = { start: "embedding", end: "end of the stream", attention: "attention head", MLP: "MLP",
    residual: "residual stream", latent: "latent of a sparse autoencoder", error: "error of a sparse autoencoder",
    other: "node" };
  const inputsOf = (node) => INPUTS.filter((input) => input && node.in.some((b) => b.link.input === input)).join("");
  const sayNode = (node, name) => {
    const how = node.how;
    const strongest = (bands, end) => {
      if (!bands.length) return "";
      const best = bands.reduce((a, b) => (b.link.rank < a.link.rank ? b : a));
      return ", first " + circuit.labelOf(how.names[best[end].i]) + (best.link.input ? " into its " + best.link.input : "") +
        " with score " + number(best.link.score);
    };
    return circuit.labelOf(name) + ", " + KINDS[circuit.kindOf(name)] + ". Reads " + plural(node.in.length, "edge") +
      strongest(node.in, "from") + ". Read by " + plural(node.out.length, "edge") + strongest(node.out, "to") + ".";
  };

  // ---- drawing ----------------------------------------------------------------------------

  const bandPath = (how, band) => {
    const at = (along, across) => (how.vertical ? [across + how.before, along] : [along, across + how.before])
      .map(rounded).join(" ");
    return band.parts.map((part, i) => {
      const x0 = how.along(part.from.column) + NODE;
      const x1 = how.along(part.to.column);
      const half = (x0 + x1) / 2;
      return (i ? "L" : "M") + at(x0, part.start) + "C" + at(half, part.start) + " " + at(half, part.end) + " " +
        at(x1, part.end);
    }).join("");
  };

  const drawPanel = (panel, how) => {
    const placed = place(panel, how);
    for (const node of placed.nodes.values()) node.position = panel.position;
    const size = [how.along(how.columns - 1) + NODE + how.after, placed.whole + how.before + how.behind];
    const [width, height] = how.vertical ? [size[1], size[0]] : size;
    const svg = shape("svg", { class: "flow", width: rounded(width), height: rounded(height),
      viewBox: "0 0 " + rounded(width) + " " + rounded(height), role: "group", "aria-label": panel.label });
    const links = shape("g", { class: "links", "aria-hidden": "true" });
    const many = placed.bands.length > 600;
    const lines = (others, d) => others.forEach((other) => links.append(shape("path", { class: "ablated",
      d: d(other) })));
    lines((panel.others || []).filter((e) => placed.nodes.has(e.source) && placed.nodes.has(e.target)), (e) => {
      const [from, to] = [placed.nodes.get(e.source), placed.nodes.get(e.target)];
      return bandPath(how, { parts: [{ from, to, start: placed.middle(from), end: placed.middle(to) }] });
    });
    // weak links lie above strong ones, where they can be pointed at
    for (const band of placed.bands) {
      const d = bandPath(how, band);
      const drawn = shape("path", { class: "link " + signOf(band.link) + (band.width >= 4 ? " wide" : ""), d,
        "stroke-width": Math.max(0.7, Math.round(band.width * 100) / 100) });
      const target = many || band.width > 8 ? drawn : shape("path", { class: "target", d });
      target.band = band;
      band.drawn = drawn;
      links.append(drawn);
      if (target !== drawn) links.append(target);
    }
    if (how.circuitAblated) lines(placed.bands, (band) => bandPath(how, band));
    svg.append(links);
    placed.columns.forEach((column, c) => {
      let last = -Infinity;
      for (const node of column) {
        node.how = how;
        node.row = c;
        const name = how.names[node.i];
        const [x, y] = how.vertical ? [node.at + how.before, how.along(node.column)]
          : [how.along(node.column), node.at + how.before];
        const inputs = inputsOf(node);
        const text = shape("text", how.vertical ? { x: rounded(x + node.extent / 2), y: y - 4, "text-anchor": "middle" }
          : { x: x + NODE + 4, y: rounded(y + node.extent / 2 + 4) }, circuit.labelOf(name));
        if (inputs) text.append(shape("tspan", { class: "inputs", dx: 3 }, inputs));
        // a label needs a line, or across the page the width of its letters
        const needed = how.vertical ? 7 * (circuit.labelOf(name).length + inputs.length) : ROW;
        const at = placed.middle(node) - (how.vertical ? needed / 2 : 0);
        const fits = at - last >= (how.vertical ? 2 : needed - 1);
        if (fits) last = how.vertical ? at + needed : placed.middle(node);
        const box = shape("g", { class: "node " + circuit.kindOf(name), role: "button", tabindex: "-1",
          "aria-pressed": "false", "aria-label": sayNode(node, name) },
          shape("rect", { x: rounded(x), y: rounded(y), width: how.vertical ? rounded(node.extent) : NODE,
            height: how.vertical ? NODE : rounded(node.extent), rx: 2 }), ...(fits ? [text] : []));
        box.node = node;
        node.drawn = box;
        svg.append(box);
      }
    });
    const first = svg.querySelector(".node");
    if (first) first.setAttribute("tabindex", "0");
    return { svg, placed };
  };

  // Everything on a path through a link or node: what comes before it and what follows.
  const through = (what, far) => {
    const [found, near] = [new Set(), new Set()];
    const walk = (node, side, end, direct) => {
      if (found.has(node) && !direct) return;
      found.add(node);
      for (const band of node[side]) {
        if (direct) {
          near.add(band);
          near.add(band[end]);
        }
        found.add(band);
        if (far) walk(band[end], side, end, false);
        else found.add(band[end]);
      }
    };
    if (what.link) {
      [what, what.from, what.to].forEach((part) => near.add(part));
      found.add(what);
      if (far) {
        walk(what.from, "in", "from", false);
        walk(what.to, "out", "to", false);
      } else {
        found.add(what.from).add(what.to);
      }
    } else {
      near.add(what);
      walk(what, "in", "from", true);
      // the node itself was found; its other side is not yet
      walk(what, "out", "to", true);
    }
    return { found, near };
  };

  // Draws panels into a box. options: { names, column, order, greatest, vertical, circuitAblated, far,
  // tip(what) gives what a tooltip holds, pinned(what or null) is told what was chosen }.
  const show = (box, panels, options) => {
    const columns = Math.max(1, ...options.column.values()) + (options.column.size ? 1 : 0);
    const room = box.clientWidth;
    const vertical = options.vertical;
    const several = panels.length > 1;
    const after = vertical ? 12 : 92;
    const step = columns < 2 ? 0 : vertical ? 58 : Math.max(30, (room - after - NODE - 8) / (columns - 1));
    const widest = Math.max(1, ...panels.map((panel) => {
      const counts = new Map();
      new Set(panel.links.flatMap((l) => [l.source, l.target])).forEach((i) =>
        counts.set(options.column.get(i), (counts.get(options.column.get(i)) || 0) + 1));
      return Math.max(...counts.values(), 1);
    }));
    const height = Math.min(1400, Math.max(several ? 150 : 340, 9 * widest));
    const how = { ...options, columns, before: vertical ? 8 : 10, behind: vertical ? 8 : 10, after,
      along: (column) => (vertical ? 26 : 8) + column * step, room: vertical ? room - 16 : null,
      gap: vertical ? 30 : widest > 30 ? 4 : 15, least: several ? 40 : 150, routed: 250 };
    how.width = scaleOf(panels, how, vertical ? (room - 16) * 0.5 : height);
    const tooltip = element("div", { className: "floating", hidden: true });
    const drawn = panels.map((panel, i) => {
      const made = drawPanel({ ...panel, position: options.positions[i] }, how);
      const figure = element("figure", { className: "panel" });
      if (panel.title) figure.append(element("figcaption", {}, element("b", { textContent: panel.title }),
        element("span", { textContent: panel.hint || "" })));
      figure.append(element("div", { className: "scroll" }, made.svg));
      return { ...made, figure, panel };
    });
    box.replaceChildren(...drawn.map((d) => d.figure), tooltip);
    let pin = null;
    const light = (what) => {
      for (const { svg, placed } of drawn) {
        const mine = what && (what.link ? placed.bands.includes(what) : placed.nodes.get(what.i) === what);
        svg.classList.toggle("dim", Boolean(mine));
        svg.querySelectorAll(".on, .near").forEach((e) => e.classList.remove("on", "near"));
        if (!mine) continue;
        const { found, near } = through(what, options.far);
        found.forEach((part) => part.drawn.classList.add("on"));
        near.forEach((part) => part.drawn.classList.add("near"));
      }
    };
    const point = (what, x, y) => {
      light(what || pin);
      tooltip.hidden = !what;
      if (!what) return;
      tooltip.replaceChildren(options.tip(what));
      const [own, outer] = [tooltip.getBoundingClientRect(), box.getBoundingClientRect()];
      const left = x - outer.left + 14 + own.width > outer.width ? x - outer.left - 14 - own.width : x - outer.left + 14;
      tooltip.style.left = Math.max(0, left) + "px";
      tooltip.style.top = Math.max(0, y - outer.top + 14) + "px";
    };
    const choose = (what) => {
      pin = pin === what ? null : what;
      for (const { svg } of drawn) {
        svg.querySelectorAll(".node").forEach((n) => n.setAttribute("aria-pressed", String(n.node === pin)));
      }
      light(pin);
      options.pinned(pin);
    };
    const whatOf = (event) => event.target.band || event.target.closest?.(".node")?.node || null;
    const focus = (node) => {
      node.drawn.closest("svg").querySelectorAll(".node[tabindex='0']").forEach((n) => n.setAttribute("tabindex", "-1"));
      node.drawn.setAttribute("tabindex", "0");
      node.drawn.focus();
    };
    const strongest = (bands, end) => (bands.length
      ? bands.reduce((a, b) => (b.link.rank < a.link.rank ? b : a))[end] : null);
    for (const { svg, placed } of drawn) {
      svg.addEventListener("mousemove", (event) => point(whatOf(event), event.clientX, event.clientY));
      svg.addEventListener("mouseleave", () => point(null));
      svg.addEventListener("click", (event) => choose(whatOf(event)));
      svg.addEventListener("focusin", (event) => {
        const node = event.target.node;
        if (!node || !event.target.matches(":focus-visible")) return;
        const at = event.target.getBoundingClientRect();
        point(node, at.right, at.bottom);
      });
      svg.addEventListener("focusout", () => point(null));
      svg.addEventListener("keydown", (event) => {
        const node = document.activeElement?.node;
        if (!node) return;
        const column = placed.columns[node.row];
        const beside = (by) => column[column.indexOf(node) + by] || null;
        const all = placed.columns.flat();
        const keys = vertical ? ["ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft"]
          : ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"];
        const moves = { [keys[0]]: () => strongest(node.out, "to"), [keys[1]]: () => strongest(node.in, "from"),
          [keys[2]]: () => beside(1), [keys[3]]: () => beside(-1), Home: () => all[0],
          End: () => all[all.length - 1] };
        if (event.key === "Enter" || event.key === " ") choose(node);
        else if (event.key === "Escape") {
          if (pin) choose(pin);
          point(null);
        } else if (moves[event.key]) {
          const next = moves[event.key]();
          if (next) focus(next);
        } else return;
        event.preventDefault();
      });
    }
    return { choose, drawn };
  };

  return { show, shape, KINDS };
})();
