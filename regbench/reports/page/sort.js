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
    const keyed = [...body.rows].map((row) => {
      const text = value(row, column);
      return { row, text, number: number(text), empty: text === "" || text === "-" };
    });
    const numeric = keyed.every((item) => item.empty || item.number !== null);
    keyed.sort((a, b) => {
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
