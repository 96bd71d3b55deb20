"use strict";
// Figures enlarge on a click; on paper wide tables are cut into parts that fit.
(() => {
  const { element } = regbench;
  const dialog = document.getElementById("enlarged");
  for (const image of document.querySelectorAll("figure img")) {
    const button = element("button", [], { type: "button", className: "enlarge", title: "enlarge" });
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => {
      const large = element("img", [], { src: image.src, alt: image.alt });
      dialog.querySelector("div").replaceChildren(large);
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", () => dialog.close());

  // A4 upright between margins of 12 mm, in CSS pixels.
  const PAPER = 700;
  const clones = [];

  // The columns of a table in parts no wider than the paper; the first column leads each of them.
  function split(table) {
    const row = table.tBodies[0]?.rows[0];
    if (!row) return [];
    const widths = [...row.cells].map((cell) => cell.getBoundingClientRect().width);
    const found = [[]];
    let wide = widths[0];
    widths.slice(1).forEach((width, k) => {
      if (found.at(-1).length && wide + width > PAPER) {
        found.push([]);
        wide = widths[0];
      }
      found.at(-1).push(k + 1);
      wide += width;
    });
    return found;
  }

  function part(table, columns) {
    const made = table.cloneNode(true);
    const kept = new Set([0, ...columns]);
    for (const row of made.rows) {
      let column = 0;
      for (const cell of [...row.cells]) {
        const span = cell.colSpan;
        const rest = Array.from({ length: span }, (_, k) => column + k).filter((k) => kept.has(k));
        column += span;
        if (rest.length) cell.colSpan = rest.length;
        else cell.remove();
      }
    }
    return made;
  }

  addEventListener("beforeprint", () => {
    for (const table of document.querySelectorAll("section.report table")) {
      for (const details of [table.closest("details")].filter(Boolean)) details.open = true;
      if (table.getBoundingClientRect().width <= PAPER) continue;
      const parts = split(table);
      const made = element("div", parts.map((columns) => part(table, columns)), { className: "parts" });
      table.parentElement.after(made);
      table.parentElement.classList.add("whole");
      clones.push([made, table.parentElement]);
    }
  });
  addEventListener("afterprint", () => {
    for (const [made, whole] of clones.splice(0)) {
      made.remove();
      whole.classList.remove("whole");
    }
  });
})();
