"use strict";
// Counted where a reader of the page, or a test, can see it: <html data-errors>.
window.regbench = { errors: [] };
(() => {
  const root = document.documentElement;
  const note = (text) => {
    regbench.errors.push(String(text));
    root.dataset.errors = regbench.errors.length;
    root.dataset.error = String(text).slice(0, 300);
  };
  root.dataset.errors = 0;
  addEventListener("error", (event) => note(event.message || "a resource did not load"), true);
  addEventListener("unhandledrejection", (event) => note(event.reason));
  const before = console.error;
  console.error = (...words) => {
    note(words.join(" "));
    before.apply(console, words);
  };

  // An element with what it contains: texts stay text, whatever is in them.
  regbench.element = (name, content, properties = {}) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...[content].flat());
    return made;
  };

  // Offer a text as a file.
  regbench.save = (name, text) => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    regbench.element("a", [], { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
})();
