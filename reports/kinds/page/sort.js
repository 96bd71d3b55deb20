"use strict";
// Tables sort by a column: click its title, or press Enter on it. Cells without a number stay last.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const value = (row, column) => row.cells[column].textContent.trim();
  const number = (text) => {
    const found = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i.exec(text.replace("\u2212", "-"));
    return found ? Number(found[0]) : null;
  };

  function sort(table, column, down) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const at = heads.indexOf("Task");
    const keyed = [...body.rows].map((row) => {
      const text = value(row, column);
      const ranked = row.classList.contains("ranked");
      const task = at < 0 || at === column ? "" : value(row, at);
      return { row, ranked, task, text, number: number(text), empty: text === "" || text === "-" };
    });
    const tasks = [...new Set(keyed.map((item) => item.task))];
    const numeric = keyed.every((item) => item.empty || item.number !== null);
    keyed.sort((a, b) => {
      // Tasks stay apart, and controls below what is ranked.
      if (a.task !== b.task) return tasks.indexOf(a.task) - tasks.indexOf(b.task);
      if (a.ranked !== b.ranked) return b.ranked - a.ranked;
      if (a.empty || b.empty) return a.empty - b.empty;
      const order = numeric ? a.number - b.number : collator.compare(a.text, b.text);
      return down ? -order : order;
    });
    body.append(...keyed.map((item) => item.row));
  }

  function click(table, cell, column) {
    const down = cell.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) {
      other.removeAttribute("aria-sort");
    }
    cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    sort(table, column, down);
  }

  for (const table of document.querySelectorAll("section.report table")) {
    if (!table.tHead || !table.tBodies.length) continue;
    for (const row of table.tHead.rows) {
      let column = 0;
      for (const cell of row.cells) {
        const here = column;
        column += cell.colSpan;
        if (cell.colSpan > 1 || cell.textContent.trim() === "") continue;
        const button = document.createElement("button");
        button.type = "button";
        button.title = "sort by this column";
        button.append(...cell.childNodes);
        button.addEventListener("click", () => click(table, cell, here));
        cell.append(button);
      }
    }
  }
})();
