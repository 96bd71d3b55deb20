"use strict";
// Every case with what is known of it. Text goes in as text, never as markup.
(() => {
  const { element } = regbench;
  const { records } = regbench;
  const list = document.getElementById("cases-list");
  const picks = ["task", "method", "outcome"].map((n) => document.getElementById(`cases-${n}`));
  const [task, method, outcome] = picks;

  function options(select, names) {
    select.replaceChildren(...names.map(([value, text]) => element("option", text, { value })));
  }

  const known = (pick) => [...new Map(records.flatMap(pick)).entries()];
  options(task, known((r) => [[r.task, r.task]]));
  options(method, [["", "all"], ...known((r) => [[r.run, r.title]])]);
  options(outcome, [["", "all"], ...known((r) => r.cases.map((c) => [c.outcome, c.outcome]))]);

  const fixed = (value, digits, unit) =>
    value === null || value === undefined ? "-" : `${value.toFixed(digits)} ${unit}`;

  function facts(record, item) {
    const { versions, settings, ...others } = item.facts;
    const lines = [
      ["Status", item.outcome],
      ["Reason", item.reason],
      ["Time", fixed(item.register_s, 3, "s")],
      ["Peak memory", fixed(item.peak_memory_mb, 0, "MB")],
      ["Threads, device", `${item.threads}, ${item.device}`],
      ["Seed", String(item.seed)],
      ["Field, SHA-256", item.field_sha256],
      ["Key", item.key],
      ["Versions", Object.entries(versions ?? {}).map((pair) => pair.join(" ")).join(", ")],
      ["Settings", settings && Object.keys(settings).length ? JSON.stringify(settings) : ""],
      ...Object.entries(others).map(([name, value]) => [
        name,
        typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value),
      ]),
      ["Log", record.log],
    ];
    const shown = lines.filter(([, text]) => text);
    return element(
      "dl",
      shown.flatMap(([name, text]) => [
        element("dt", name),
        // A traceback keeps its lines.
        element("dd", text.includes("\n") ? element("pre", text) : text),
      ]),
      { className: "facts" },
    );
  }

  function values(item) {
    if (!item.values.length) return element("p", "Nothing was measured.");
    const head = ["Metric", "Label", "Value", "Unit", "Status"].map((n) => element("th", n));
    const rows = item.values.map(([metric, label, number, unit, status]) => {
      const text = number === null ? "-" : String(Number(number.toPrecision(6)));
      return element("tr", [metric, label, text, unit, status].map((t) => element("td", t)));
    });
    const table = element("table", [
      element("thead", element("tr", head)),
      element("tbody", rows),
    ]);
    return element("div", table, { className: "scroll" });
  }

  function command(item) {
    if (!item.command) {
      const why = "A control is made from the data set by the workflow; no command repeats it alone.";
      return [element("p", why)];
    }
    const code = element("code", item.command);
    const copy = element("button", "Copy", { type: "button" });
    copy.addEventListener("click", async () => {
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(item.command);
        copy.textContent = "Copied";
      } catch {
        // Not every browser lets a file do this: the text is selected, Ctrl+C takes it.
        copy.textContent = "Selected";
      }
    });
    return [element("pre", code, { className: "command" }), copy];
  }

  // A button that shows a case in the viewer; null where the viewer does not have it.
  function lead(record, name, text) {
    if (!regbench.shows?.(record.task, name, record.run)) return null;
    const look = element("button", text, { type: "button" });
    look.addEventListener("click", () => {
      document.getElementById("viewer").focus({ preventScroll: true });
      location.hash = new URLSearchParams({
        task: record.task,
        case: name,
        method: record.run,
        image: "warped",
      }).toString();
      document.getElementById("viewer").scrollIntoView();
    });
    return look;
  }

  // The cases of a gallery.
  for (const section of document.querySelectorAll('[data-kind="worst"]')) {
    for (const { cells: [title, name] } of section.querySelectorAll("tbody tr")) {
      const of = (r) => r.task === section.dataset.task && r.title === title.textContent;
      const look = lead(records.find(of) ?? {}, name.textContent, name.textContent);
      if (look) name.replaceChildren(look);
    }
  }

  function details(record, item) {
    const look = lead(record, item.case, "Show in the viewer");
    return [facts(record, item), ...command(item), look, values(item)];
  }

  function entry(record, item) {
    const made = element(
      "details",
      element("summary", [
        element("span", item.case, { className: "name" }),
        element("span", record.title),
        element("span", `seed ${record.seed}`),
        element("span", item.outcome, { className: `outcome ${item.outcome}` }),
        element("span", fixed(item.register_s, 2, "s")),
        element("span", fixed(item.peak_memory_mb, 0, "MB")),
      ]),
    );
    const fill = () => made.childElementCount === 1 && made.append(...details(record, item).filter(Boolean));
    made.addEventListener("toggle", fill, { once: true });
    return made;
  }

  function show() {
    const here = records.filter(
      (r) => r.task === task.value && (!method.value || r.run === method.value),
    );
    const made = here.flatMap((record) =>
      record.cases
        .filter((item) => !outcome.value || item.outcome === outcome.value)
        .map((item) => entry(record, item)),
    );
    list.replaceChildren(...made);
    document.getElementById("cases-count").textContent = `${made.length} cases`;
  }

  // One row for each case and metric: what a program reads.
  document.getElementById("cases-csv")?.addEventListener("click", () => {
    const quoted = (x) => {
      const text = String(x ?? "");
      const safe = typeof x === "string" && /^[=+\-@]/.test(text) ? `'${text}` : text;
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const names = ["task", "run", "method", "seed", "case", "metric", "label", "value", "unit", "status"];
    const rows = records.flatMap((r) => r.cases.flatMap((c) => c.values.map(
      ([metric, label, value, unit, status]) =>
        [r.task, r.run, r.title, r.seed, c.case, metric, label, value, unit, status])));
    const text = [names, ...rows].map((row) => row.map(quoted).join(",")).join("\n");
    regbench.save("cases.csv", `${text}\n`);
  });

  for (const pick of picks) pick.addEventListener("change", show);
  show();
})();
