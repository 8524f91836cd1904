// Which prompts are seen: all, or those with a finding.
(() => {
  const { byId, element, count, plural } = ac;
  const prompts = [...document.querySelectorAll("article.inspected")];
  const keys = (prompt) => prompt.dataset.findings.split(" ").filter((k) => k);
  const found = new Map();
  prompts.forEach((p) => keys(p).forEach((k) => found.set(k, (found.get(k) ?? 0) + 1)));
  const select = element("select", {},
    element("option", { value: "", textContent: "all (" + count(prompts.length) + ")" }),
    element("option", { value: "*", textContent:
      "with any finding (" + count(prompts.filter((p) => keys(p).length > 0).length) + ")" }),
    ...[...found].map(([k, n]) => element("option", { value: k, textContent: k + " (" + count(n) + ")" })));
  const words = element("input", { type: "search", placeholder: "word" });
  const draw = () => {
    const wanted = select.value;
    const needle = words.value.toLowerCase();
    let seen = 0;
    prompts.forEach((p) => {
      const fits = (wanted === "" || (wanted === "*" ? keys(p).length > 0 : keys(p).includes(wanted))) &&
        (needle === "" || p.textContent.toLowerCase().includes(needle));
      p.hidden = !fits;
      seen += fits ? 1 : 0;
    });
    byId("count").textContent = seen === prompts.length ? "" : plural(seen, "prompt") + " seen";
  };
  select.addEventListener("input", draw);
  words.addEventListener("input", draw);
  byId("choice").append(
    element("label", {}, "Prompts", select),
    element("label", { className: "grow" }, "With the text", words));
  draw();
  document.documentElement.dataset.ready = "true";
})();
