"use strict";
// What the pages share: text, colours, axes, downloads. Made once, before the page's own script.
const ac = (() => {
  const alertBox = document.getElementById("alert");
  window.addEventListener("error", (event) => {
    alertBox.textContent = "Part of this page could not be drawn: " + event.message;
    alertBox.hidden = false;
  });
  const byId = (id) => document.getElementById(id);

  // ---- text -------------------------------------------------------------------------------

  const element = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const count = (n) => n.toLocaleString("en-US");
  const plural = (n, word) => count(n) + " " + word + (n === 1 ? "" : "s");
  const number = (v) => {
    if (Number.isNaN(v)) return "NaN";
    if (!Number.isFinite(v)) return v > 0 ? "∞" : "−∞";
    if (Number.isInteger(v) && Math.abs(v) < 1e7) return count(v).replace("-", "−");
    const text = Math.abs(v) >= 1e-3 && Math.abs(v) < 1e6
      ? String(Number(v.toPrecision(5)))
      : v.toExponential(3);
    return text.replaceAll("-", "−");
  };
  const power = (exponent) => {
    if (exponent >= 0 && exponent < 4) return String(10 ** exponent);
    if (exponent >= 4 && exponent < 6) return 10 ** (exponent - 3) + "k";
    if (exponent >= 6 && exponent < 9) return 10 ** (exponent - 6) + "M";
    return exponent < 0 && exponent > -4 ? (10 ** exponent).toFixed(-exponent) : "1e" + exponent;
  };
  const tip = (heading, ...lines) =>
    element("div", { className: "tip" }, element("b", { textContent: heading }),
      ...lines.map((line) => element("span", { textContent: line })));

  // ---- colours ----------------------------------------------------------------------------

  // The page's colours, or (for what is exported, and mostly printed) the light ones.
  const colours = (light = false) => {
    const style = getComputedStyle(light ? byId("light") : document.documentElement);
    const get = (name) => style.getPropertyValue("--" + name).trim();
    const names = ["card", "text", "muted", "line", "grid", "accent", "positive", "negative",
      "zero", "node"];
    return { ...Object.fromEntries(names.map((n) => [n, get(n)])), series: get("series").split(" ") };
  };
  const tooltipStyle = (c) => ({
    backgroundColor: c.card, borderColor: c.line, confine: true,
    textStyle: { color: c.text, fontSize: 13 },
  });
  const font = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

  // ---- axes -------------------------------------------------------------------------------
  // A logarithmic axis is a linear one over transformed values: that allows a zero on it.

  const linear = { to: (v) => v, axis: {}, note: "" };

  const ticks = (low, high) => {
    const interval = Math.max(1, Math.ceil((high - low) / 6));
    return { min: Math.floor(low / interval) * interval, max: Math.ceil(high / interval) * interval,
      interval };
  };

  const sizeScale = (sizes) => {
    const zero = sizes.some((v) => v <= 0);
    const to = (v) => Math.log10(Math.max(v, 0.5));
    const min = Math.min(...sizes.map(to));
    const max = Math.max(...sizes.map(to));
    if (!(max > min)) return linear;
    const pad = (max - min) * 0.03;
    const decades = Math.floor(max) - Math.ceil(min) + 1;
    const interval = Math.max(1, Math.ceil(decades / 7));
    const formatter = (t) => {
      if (zero && t === min) return "0";
      if (Math.abs(t - Math.round(t)) < 1e-9) return power(Math.round(t));
      return decades < 2 && t === min ? String(Math.round(10 ** t)) : "";
    };
    // Bounds on the interval, not the interval itself: ticks then fall on whole decades.
    return { to, note: "", axis: { min, max: max + pad, minInterval: interval, maxInterval: interval,
      axisLabel: { formatter, showMaxLabel: false } } };
  };

  const valueScale = (values) => {
    const sizes = values.filter((v) => v !== 0).map(Math.abs);
    if (sizes.length === 0) return linear;
    const smallest = Math.min(...sizes);
    const greatest = Math.max(...sizes);
    const refused = values.filter((v) => v <= 0).length;
    if (refused === 0) {
      const range = ticks(Math.log10(smallest), Math.log10(greatest));
      if (range.min === range.max) range.max += range.interval;
      return { to: Math.log10, axis: { ...range, axisLabel: { formatter: (t) => power(Math.round(t)) } },
        note: "" };
    }
    // Linear within one decade around zero; no more than six decades are spread out.
    const first = Math.floor(Math.log10(Math.max(smallest, greatest * 1e-6)));
    const unit = 10 ** first;
    const to = (v) => Math.abs(v) <= unit
      ? v / unit : Math.sign(v) * (1 + Math.log10(Math.abs(v) / unit));
    const transformed = values.map(to);
    const range = ticks(Math.min(0, ...transformed), Math.max(0, ...transformed));
    const formatter = (t) => {
      const k = Math.round(t);
      return k === 0 ? "0" : (k < 0 ? "−" : "") + power(first + Math.abs(k) - 1);
    };
    return { to, axis: { ...range, axisLabel: { formatter } },
      note: "Symmetric logarithmic axis, linear between ±" + power(first) + ": " + refused + " of " +
        plural(values.length, "value") + (refused === 1 ? " is" : " are") + " zero or negative." };
  };

  // ---- downloads --------------------------------------------------------------------------

  const exact = (v) => (Number.isFinite(v) ? v : String(v));
  const save = (name, blob) => {
    const url = URL.createObjectURL(blob);
    const link = element("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const download = (name, type, text) => save(name, new Blob([text], { type }));
  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "plot";
  const quote = (v) => '"' + String(v).replaceAll('"', '""') + '"';
  const csv = (rows) => rows.map((row) => row.map((v) => (typeof v === "number" ? exact(v)
    : v === null || v === undefined ? "" : quote(v))).join(",") + "\n").join("");

  // The picture is drawn anew, apart from the page: as large as a figure in a paper, in light colours.
  const drawn = (option, width, height) => {
    const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
    try {
      chart.setOption(option);
      return chart.renderToSVGString();
    } finally {
      chart.dispose();
    }
  };
  const saveSvg = (name, text) => download(slug(name) + ".svg", "image/svg+xml", text);
  const savePng = (name, text) => {
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    const image = new Image();
    image.onload = () => {
      const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
      const context = canvas.getContext("2d");
      context.fillStyle = colours(true).card;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(url);
      canvas.toBlob((blob) => save(slug(name) + ".png", blob), "image/png");
    };
    image.onerror = () => {
      alertBox.textContent = "The picture could not be made into a PNG file; the SVG file has the same.";
      alertBox.hidden = false;
    };
    image.src = url;
  };
  // Two buttons that save a picture; svg() gives its text.
  const pictureButtons = (name, svg) => {
    const button = (text, save) => {
      const node = element("button", { type: "button", className: "small", textContent: text });
      node.setAttribute("aria-label", "Save \u201c" + name + "\u201d as " + text);
      node.addEventListener("click", () => save(name, svg()));
      return node;
    };
    return element("span", { className: "save" }, button("SVG", saveSvg), button("PNG", savePng));
  };

  // ---- tables -----------------------------------------------------------------------------
  // columns: { title, numeric, value(row) for order and CSV, text(row), node(row) }

  const collator = new Intl.Collator("en", { numeric: true });
  const missing = (v) => v === null || v === undefined || v === "" || Number.isNaN(v);
  const table = ({ name, columns, rows, sorted = false, filter = false }) => {
    const view = { column: null, descending: false, needle: "", shown: 50 };
    const body = element("tbody");
    const more = element("button", { type: "button" });
    const note = element("p", { className: "note" });
    note.setAttribute("aria-live", "polite");
    const textOf = (column, row) => (column.text ? column.text(row) : column.numeric
      ? (missing(column.value(row)) ? "–" : number(column.value(row))) : String(column.value(row) ?? ""));
    const draw = () => {
      const matching = rows.filter((row) => !view.needle ||
        columns.some((column) => textOf(column, row).toLowerCase().includes(view.needle)));
      if (view.column) {
        matching.sort((a, b) => {
          const [x, y] = [view.column.value(a), view.column.value(b)];
          if (missing(x) || missing(y)) return missing(x) - missing(y);
          const order = typeof x === "number" ? x - y : collator.compare(x, y);
          return view.descending ? -order : order;
        });
      }
      columns.forEach((column) => column.head.setAttribute("aria-sort", column !== view.column ? "none"
        : view.descending ? "descending" : "ascending"));
      body.replaceChildren(...matching.slice(0, view.shown).map((row) => element("tr", {},
        ...columns.map((column) => element("td", { className: column.numeric ? "numeric" : "" },
          column.node ? column.node(row) : textOf(column, row))))));
      const left = matching.length - view.shown;
      more.hidden = left <= 0;
      more.textContent = "Show " + Math.min(left, 200) + " more";
      note.hidden = !view.needle;
      note.textContent = plural(matching.length, "row") + " of " + count(rows.length) + " match.";
    };
    const head = element("tr");
    for (const column of columns) {
      const button = element("button", { type: "button", textContent: column.title });
      button.addEventListener("click", () => {
        view.descending = view.column === column && !view.descending;
        view.column = column;
        draw();
      });
      column.head = element("th", { scope: "col", className: column.numeric ? "numeric" : "" },
        sorted ? button : column.title);
      head.append(column.head);
    }
    more.addEventListener("click", () => {
      view.shown += 200;
      draw();
    });
    const save = element("button", { type: "button", className: "small", textContent: "CSV" });
    save.setAttribute("aria-label", "Save the table “" + name + "” as CSV");
    save.addEventListener("click", () => download(slug(name) + ".csv", "text/csv",
      csv([columns.map((column) => column.title),
        ...rows.map((row) => columns.map((column) => column.value(row)))])));
    const controls = element("div", { className: "table-tools" });
    if (filter) {
      const box = element("input", { type: "search", placeholder: "Filter", autocomplete: "off" });
      box.setAttribute("aria-label", "Filter the table “" + name + "”");
      box.addEventListener("input", () => {
        view.needle = box.value.trim().toLowerCase();
        view.shown = 50;
        draw();
      });
      controls.append(box);
    }
    controls.append(save);
    const grid = element("table", { className: sorted ? "edges" : "numbers" },
      element("caption", { className: "unseen", textContent: name }), element("thead", {}, head), body);
    draw();
    return element("div", { className: "table" }, controls, note,
      element("div", { className: "scroll" }, grid), more);
  };

  // Made below, by files that not every page has.
  return { circuit: null, flow: null, tests: null, byId, element, count, number, plural, power, tip, colours, tooltipStyle, font, linear,
    sizeScale, valueScale, exact, slug, quote, csv, download, drawn, saveSvg, savePng, pictureButtons,
    table };
})();
