"use strict";
// The viewer: what is picked, in the page's address as well, and NiiVue showing it.
(() => {
  const section = document.getElementById("viewer");
  if (!section) return;
  const { element } = regbench;
  const get = (name) => document.getElementById(name);
  const { tasks = [], orientation = {} } = JSON.parse(get("manifest").textContent);
  const message = (text) => (get("viewer-message").textContent = text);
  section.hidden = false;
  if (!tasks.length) return message("There is no case to show: see what is missing.");

  const IMAGES = { fixed: "Fixed", moving: "Moving", warped: "Warped" };
  const OVERLAYS = { none: "None", displacement: "Displacement", jacobian: "|J|" };
  const picks = {
    task: get("pick-task"),
    case: get("pick-case"),
    method: get("pick-method"),
    beside: get("pick-beside"),
  };
  const flicker = get("flicker");
  const boxes = { fixed: get("pick-fixed-labels"), warped: get("pick-warped-labels") };
  // All of it stands in the address. `contours`: those that are drawn; `at`: the crosshair, mm.
  const state = {
    task: "", case: "", method: "", beside: "", image: "warped", overlay: "none",
    contours: "fixed,warped", at: "",
  };
  const panes = [];
  const read = new Map();
  let Niivue, timer, writing, latest = 0, complaint = "";

  const taskOf = () => tasks.find((item) => item.task === state.task);
  const caseOf = () => taskOf().cases.find((item) => item.case === state.case);
  const runOf = (name) => caseOf().runs.find((item) => item.run === name);
  regbench.shows = (task, name, run) =>
    tasks.some((t) => t.task === task && t.cases.some(
      (c) => c.case === name && c.runs.some((r) => r.run === run && r.volumes)));

  // -- what is picked ------------------------------------------------------------------------

  // A value that is not there becomes the first that is, and this is said: an address may come from
  // another page.
  function settle() {
    const lost = [];
    const among = (name, list, first = list[0]) => {
      if (state[name] && !list.includes(state[name])) lost.push(`no ${name} ${state[name]}`);
      if (!list.includes(state[name])) state[name] = first;
    };
    among("task", tasks.map((item) => item.task));
    among("case", taskOf().cases.map((item) => item.case));
    const runs = caseOf().runs;
    // A method of the study, not a control; else what moves anything.
    const first =
      runs.find((run) => run.volumes && run.kind !== "control") ??
      runs.find((run) => run.volumes && (run.largest ?? 0) > 0) ?? runs[0];
    among("method", runs.map((run) => run.run), first.run);
    among("beside", ["", ...runs.map((run) => run.run)]);
    among("image", ["warped", "fixed", "moving"]);
    among("overlay", Object.keys(OVERLAYS));
    complaint = lost.length ? `Not on this page: ${lost.join("; ")}. Something else is shown.` : "";
  }

  function fill(select, list, value) {
    select.replaceChildren(...list.map(([id, text]) => element("option", text, { value: id })));
    select.value = value;
  }

  function radios(name, choices) {
    const made = Object.entries(choices).map(([value, text]) => {
      const input = element("input", [], { type: "radio", name, value });
      input.addEventListener("change", () => change({ [name]: value }));
      return element("label", [input, ` ${text}`]);
    });
    get(name === "image" ? "pick-shown" : "pick-overlay").append(...made);
  }

  function reflect() {
    fill(picks.task, tasks.map((t) => [t.task, t.title]), state.task);
    const why = (c) => (c.why ? `${c.case} (${c.why})` : c.case);
    fill(picks.case, taskOf().cases.map((c) => [c.case, why(c)]), state.case);
    const name = (r) => (r.volumes ? r.title : `${r.title} (no field)`);
    fill(picks.method, caseOf().runs.map((r) => [r.run, name(r)]), state.method);
    fill(picks.beside, [["", "none"], ...caseOf().runs.map((r) => [r.run, name(r)])], state.beside);
    for (const [which, box] of Object.entries(boxes)) {
      box.checked = state.contours.split(",").includes(which);
    }
    for (const kind of ["image", "overlay"]) {
      for (const input of section.querySelectorAll(`input[name=${kind}]`)) {
        input.checked = input.value === state[kind];
      }
    }
  }

  function write() {
    try {
      history.replaceState(null, "", `#${new URLSearchParams(state)}`);
    } catch {
      // Some browsers let no file change its address: nothing depends on it.
    }
  }

  function change(changes) {
    // Another grid: its crosshair starts in the middle.
    if ("task" in changes || "case" in changes) state.at = "";
    Object.assign(state, changes);
    settle();
    reflect();
    write();
    return show();
  }

  function fromAddress() {
    if (!location.hash.includes("=")) return {};
    const asked = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries([...asked].filter(([name]) => name in state));
  }

  // -- what is shown -------------------------------------------------------------------------

  function overlayOptions() {
    const range = state.overlay === "jacobian" ? [-1, 3] : [0, caseOf().scale];
    return {
      colormap: `regbench-${state.overlay}`,
      opacity: 0.6,
      cal_min: range[0],
      cal_max: range[1],
    };
  }

  // What a pane shows of a method: its volumes and contours.
  async function parts(pane, item, run) {
    const own = run.volumes ?? {};
    const names = { fixed: item.volumes.fixed, moving: item.volumes.moving, warped: own.warped };
    const shown = names[state.image] ?? names.fixed;
    const grey = { colormap: "gray", opacity: 1, cal_min: 0, cal_max: 255 };
    const volumes = [await pane.image(shown, grey)];
    if (own[state.overlay]) volumes.push(await pane.image(own[state.overlay], overlayOptions()));
    const contours = [];
    if (boxes.fixed.checked && item.volumes.labels) {
      contours.push({ map: await pane.labels(item.volumes.labels), dashed: false });
    }
    if (boxes.warped.checked && state.image === "warped" && own.labels) {
      contours.push({ map: await pane.labels(own.labels), dashed: true });
    }
    return { run, shown, volumes, contours };
  }

  async function show() {
    const turn = ++latest;
    const item = caseOf();
    const runs = [state.method, state.beside].filter(Boolean).map(runOf);
    get("beside-stage").hidden = runs.length < 2;
    if (runs.length > 1 && panes.length < 2) await addPane("beside-stage");
    const made = [];
    for (const [k, run] of runs.entries()) made.push(await parts(panes[k], item, run));
    // Somebody picked something else meanwhile.
    if (turn !== latest) return;
    read.clear();
    made.forEach(({ volumes, contours }, k) => {
      panes[k].show(volumes, contours, taskOf().colours);
      if (state.at) panes[k].place = state.at.split(",").map(Number);
      panes[k].viewer.createOnLocationChange();
    });
    const absent = runs.filter((run) => !run.volumes);
    const whys = absent.map((run) => `${run.title}: ${run.why}. The fixed image is shown.`);
    message([complaint, ...whys].filter(Boolean).join("\n"));
    legend(made);
    get("viewer-values").replaceChildren(...runs.map((run, k) => values(run, made[k].shown)));
    tell(made[0].shown);
  }

  // The metrics of the shown case: a row for each organ.
  function values(run) {
    const record = regbench.records.find(
      (r) => r.task === state.task && r.run === run.run && r.seed === run.seed);
    const rows = record?.cases.find((item) => item.case === state.case)?.values ?? [];
    const heads = [...new Map(rows.map(([m, , , unit]) => [m, unit ? `${m} (${unit})` : m]))];
    const order = [...taskOf().labels, ...rows.map((row) => row[1])];
    const text = (label, metric) => {
      const number = rows.find((row) => row[0] === metric && row[1] === label)?.[2];
      return number === undefined || number === null ? "" : String(Number(number.toPrecision(4)));
    };
    const lines = [...new Set(order)].filter((label) => rows.some((row) => row[1] === label));
    const head = (content, scope) => element("th", content, { scope });
    const table = element("table", [
      element("caption", `${run.title}, ${state.case}`),
      element("thead", element("tr", [head("Organ", "col"), ...heads.map(([, t]) => head(t, "col"))])),
      element("tbody", lines.map((label) => element("tr", [
        head(label || "whole image", "row"),
        ...heads.map(([metric]) => element("td", text(label, metric))),
      ]))),
    ]);
    const inside = rows.length ? table : element("p", `${run.title}: nothing was measured here.`);
    return element("div", inside, { className: "scroll", tabIndex: 0 });
  }

  function legend(made) {
    const overlaid = made.some(({ volumes }) => volumes.length > 1);
    const { colours, fixed, moving } = taskOf();
    const parts = taskOf().labels.map((name, i) => {
      const swatch = element("span", "", { className: "swatch" });
      swatch.style.borderColor = colours[i];
      return element("span", [swatch, ` ${name}`], { className: "key" });
    });
    parts.push(element("span", `fixed: ${fixed}; moving: ${moving}`, { className: "key" }));
    if (made.some(({ contours }) => contours.some((item) => item.dashed))) {
      parts.push(element("span", "dashed: labels of the warped image", { className: "key" }));
    }
    for (const [k, { run }] of made.entries()) {
      panes[k].stage.querySelector(".what").textContent = run.title;
    }
    if (overlaid) {
      const folds = state.overlay === "jacobian";
      const bar = element("span", "", { className: `bar ${state.overlay}` });
      const ends = folds
        ? ["|J| 0 ", bar, " 3, pink where ≤ 0, clear from 0.85 to 1.15"]
        : ["displacement 0 ", bar, ` ${caseOf().scale.toFixed(1)} mm`];
      parts.push(element("span", ends, { className: "key" }));
    }
    get("viewer-legend").replaceChildren(...parts);
  }

  // The state as a test reads it: what is shown, and a fingerprint of the picture itself.
  function tell(shown) {
    const { viewer } = panes[0];
    const { gl } = viewer;
    viewer.drawScene();
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const pixels = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    const words = new Uint32Array(pixels.buffer);
    let hash = 2166136261;
    const seen = new Set();
    for (const word of words) {
      hash = Math.imul(hash ^ word, 16777619) >>> 0;
      if (seen.size < 5000) seen.add(word);
    }
    const drawn = { shown, picture: hash.toString(16), colours: seen.size, width, height };
    section.dataset.state = JSON.stringify({ ...state, ...drawn });
    section.dataset.turn = latest;
  }

  // -- hands on it ---------------------------------------------------------------------------

  const swap = () => change({ image: state.image === "fixed" ? "warped" : "fixed" });

  function next(list, value, step) {
    return list[(list.indexOf(value) + step + list.length) % list.length];
  }

  const runs = () => caseOf().runs.map((run) => run.run);
  const KEYS = {
    f: swap,
    1: () => change({ image: "fixed" }),
    2: () => change({ image: "moving" }),
    3: () => change({ image: "warped" }),
    m: () => change({ method: next(runs(), state.method, 1) }),
    n: () => change({ method: next(runs(), state.method, -1) }),
    c: () => change({ case: next(taskOf().cases.map((c) => c.case), state.case, 1) }),
    o: () => change({ overlay: next(Object.keys(OVERLAYS), state.overlay, 1) }),
    l: () => change({ contours: state.contours ? "" : "fixed,warped" }),
  };
  const STEPS = {
    ArrowLeft: [-1, 0, 0],
    ArrowRight: [1, 0, 0],
    ArrowDown: [0, -1, 0],
    ArrowUp: [0, 1, 0],
    PageDown: [0, 0, -1],
    PageUp: [0, 0, 1],
  };

  function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const pane = panes.find((item) => item.canvas === event.target);
    // Letters pick an option in a list; elsewhere they are the viewer's.
    if (event.target.matches("select, input[type=text], textarea")) return;
    const step = pane && STEPS[event.key];
    const action = KEYS[event.key];
    if (!step && !action) return;
    event.preventDefault();
    // NiiVue has keys of its own for some of these.
    event.stopPropagation();
    if (step) pane.viewer.moveCrosshairInVox(...step);
    else action();
  }

  function toggleFlicker() {
    const on = !timer;
    clearInterval(timer);
    timer = on ? setInterval(swap, 500) : undefined;
    flicker.setAttribute("aria-pressed", String(on));
  }

  function listen() {
    for (const [name, select] of Object.entries(picks)) {
      select.addEventListener("change", () => change({ [name]: select.value }));
    }
    const drawn = () => Object.keys(boxes).filter((name) => boxes[name].checked).join(",");
    for (const box of Object.values(boxes)) {
      box.addEventListener("change", () => change({ contours: drawn() }));
    }
    flicker.addEventListener("click", toggleFlicker);
    // Only while something of the viewer has the focus.
    section.addEventListener("keydown", press, true);
    addEventListener("hashchange", () => location.hash.includes("=") && change(fromAddress()));
  }

  // The crosshair of one pane moves that of the other, the readout and the address.
  function moved(pane, data) {
    const { mm, vox } = data;
    const here = Array.from(mm).slice(0, 3);
    const voxel = Array.from(vox).slice(0, 3);
    // An oblique volume is shown straight: its own affine tells where a voxel lies.
    const world = caseOf().affine.slice(0, 3).map(
      (row) => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3]);
    const value = pane.viewer.volumes[1] && data.values[1] ? data.values[1].value.toFixed(2) : "";
    read.set(pane, value);
    const over = panes.map((item) => read.get(item)).filter(Boolean).join(" | ");
    const unit = state.overlay === "displacement" ? " mm" : "";
    get("viewer-place").textContent =
      `voxel ${voxel.join(", ")}; ` +
      `${world.map((x) => x.toFixed(1)).join(", ")} mm (R, A, S)` +
      (over ? `; ${OVERLAYS[state.overlay].toLowerCase()} ${over}${unit}` : "");
    for (const other of panes) {
      if (other === pane || other.stage.hidden || !other.viewer.volumes.length) continue;
      if (other.place.some((x, k) => Math.abs(x - here[k]) > 1e-3)) {
        other.place = here;
        other.viewer.createOnLocationChange();
      }
    }
    clearTimeout(writing);
    writing = setTimeout(() => {
      state.at = here.map((x) => x.toFixed(2)).join(",");
      write();
    }, 200);
  }

  async function addPane(name) {
    const pane = new regbench.Pane(get(name), moved);
    await pane.start(Niivue, orientation);
    panes.push(pane);
  }

  async function start() {
    Object.assign(state, fromAddress());
    settle();
    reflect();
    Niivue = await regbench.niivue();
    await addPane("viewer-stage");
    regbench.panes = panes;
    listen();
    await show();
  }

  radios("image", IMAGES);
  radios("overlay", OVERLAYS);
  if (!document.createElement("canvas").getContext("webgl2")) {
    get("viewer-controls").hidden = get("viewer-stages").hidden = true;
    message("This browser has no WebGL 2, which the viewer needs.");
  } else {
    start().catch((problem) => {
      message(`The viewer did not start: ${problem.message}`);
      console.error(problem);
    });
  }
})();
