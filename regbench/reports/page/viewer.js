"use strict";
// The viewer: what is picked, in the page's address as well, and NiiVue showing it.
(() => {
  const section = document.getElementById("viewer");
  if (!section) return;
  const { element } = regbench;
  const get = (name) => document.getElementById(name);
  const { tasks = [] } = JSON.parse(get("manifest").textContent);
  const message = (text) => (get("viewer-message").textContent = text);
  section.hidden = false;
  if (!tasks.length) return message("There is no case to show: see what is missing.");

  const IMAGES = { fixed: "Fixed", moving: "Moving", warped: "Warped" };
  const OVERLAYS = { none: "None", displacement: "Displacement", jacobian: "|J|" };
  const picks = { task: get("pick-task"), case: get("pick-case"), method: get("pick-method") };
  const flicker = get("flicker");
  const boxes = { fixed: get("pick-fixed-labels"), warped: get("pick-warped-labels") };
  const state = { task: "", case: "", method: "", image: "warped", overlay: "none" };
  const images = new Map();
  const maps = new Map();
  let viewer, kind, timer, latest = 0, contours = [], colours = [];

  const taskOf = () => tasks.find((item) => item.task === state.task);
  const caseOf = () => taskOf().cases.find((item) => item.case === state.case);
  const runOf = () => caseOf().runs.find((item) => item.run === state.method);
  regbench.shows = (task, name, run) =>
    tasks.some((t) => t.task === task && t.cases.some(
      (c) => c.case === name && c.runs.some((r) => r.run === run && r.volumes)));

  // -- what is picked ------------------------------------------------------------------------

  // A value that is not there becomes the first that is: an address may come from another page.
  function settle() {
    const among = (value, list) => (list.includes(value) ? value : list[0]);
    state.task = among(state.task, tasks.map((item) => item.task));
    state.case = among(state.case, taskOf().cases.map((item) => item.case));
    const runs = caseOf().runs;
    const first = runs.filter((run) => run.volumes && (run.largest ?? 0) > 0)[0] ?? runs[0];
    state.method = runs.some((run) => run.run === state.method) ? state.method : first.run;
    state.image = among(state.image, ["warped", "fixed", "moving"]);
    state.overlay = among(state.overlay, Object.keys(OVERLAYS));
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
    for (const kind of ["image", "overlay"]) {
      for (const input of section.querySelectorAll(`input[name=${kind}]`)) {
        input.checked = input.value === state[kind];
      }
    }
  }

  function change(changes) {
    Object.assign(state, changes);
    settle();
    reflect();
    try {
      history.replaceState(null, "", `#${new URLSearchParams(state)}`);
    } catch {
      // Some browsers let no file change its address: nothing depends on it.
    }
    return show();
  }

  function fromAddress() {
    if (!location.hash.includes("=")) return {};
    const asked = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries([...asked].filter(([name]) => name in state));
  }

  // -- what is shown -------------------------------------------------------------------------

  // An overlay of NiiVue is clear where a colour's A is 0 and has its one opacity elsewhere: small
  // displacements, and |J| close to 1, leave the image as it is.
  const COLOURMAPS = {
    "regbench-displacement": {
      R: [68, 68, 67, 59, 33, 94, 253],
      G: [1, 1, 10, 82, 145, 201, 231],
      B: [84, 84, 90, 139, 140, 98, 37],
      A: [0, 0, 255, 255, 255, 255, 255],
      I: [0, 12, 13, 64, 128, 192, 255],
    },
    // Levels of |J|: 63 is the last that is folded, 64 the first above 0, 127 and 128 are 1.
    "regbench-jacobian": {
      R: [255, 255, 33, 170, 230, 240, 240, 230, 160],
      G: [0, 0, 80, 200, 235, 235, 205, 130, 60],
      B: [200, 200, 190, 245, 245, 225, 150, 20, 0],
      A: [255, 255, 255, 255, 0, 0, 255, 255, 255],
      I: [0, 63, 64, 118, 119, 136, 137, 190, 255],
    },
  };

  async function image(name, options) {
    if (!images.has(name)) {
      const bytes = regbench.packed(name).buffer;
      const given = { url: bytes, name: `${name}.nii.gz`, ...options };
      // The bundle hands out no class for images; the first of them tells it.
      if (!kind) kind = (await viewer.loadVolumes([given])).volumes[0].constructor;
      images.set(name, await kind.loadFromUrl(given));
    }
    return Object.assign(images.get(name), options);
  }

  async function labels(name) {
    if (!maps.has(name)) maps.set(name, await regbench.labelMap(name));
    return maps.get(name);
  }

  function overlayOptions() {
    const range = state.overlay === "jacobian" ? [-1, 3] : [0, caseOf().scale];
    return {
      colormap: `regbench-${state.overlay}`,
      opacity: 0.6,
      cal_min: range[0],
      cal_max: range[1],
    };
  }

  async function show() {
    const turn = ++latest;
    const [item, run] = [caseOf(), runOf()];
    const own = run.volumes ?? {};
    const names = { fixed: item.volumes.fixed, moving: item.volumes.moving, warped: own.warped };
    const shown = names[state.image] ?? names.fixed;
    const grey = { colormap: "gray", opacity: 1, cal_min: 0, cal_max: 255 };
    const volumes = [await image(shown, grey)];
    if (own[state.overlay]) volumes.push(await image(own[state.overlay], overlayOptions()));
    const wanted = [];
    if (boxes.fixed.checked && item.volumes.labels) {
      wanted.push({ map: await labels(item.volumes.labels), dashed: false });
    }
    if (boxes.warped.checked && state.image === "warped" && own.labels) {
      wanted.push({ map: await labels(own.labels), dashed: true });
    }
    // Somebody picked something else meanwhile.
    if (turn !== latest) return;
    contours = wanted;
    colours = regbench.colours(taskOf().labels);
    // As NiiVue itself does when it loads a new list.
    viewer.volumes = [];
    for (const volume of volumes) viewer.addVolume(volume);
    message(run.volumes ? "" : `${run.title}: ${run.why}. The fixed image is shown.`);
    legend(Boolean(own[state.overlay]));
    tell(shown);
  }

  function legend(overlaid) {
    const parts = taskOf().labels.map((name, i) => {
      const swatch = element("span", "", { className: "swatch" });
      swatch.style.borderColor = colours[i];
      return element("span", [swatch, ` ${name}`], { className: "key" });
    });
    if (contours.some((item) => item.dashed)) {
      parts.push(element("span", "dashed: labels of the warped image", { className: "key" }));
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
    l: () => {
      const on = !(boxes.fixed.checked || boxes.warped.checked);
      boxes.fixed.checked = boxes.warped.checked = on;
      return show();
    },
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
    const inside = event.target === viewer.canvas;
    // Letters pick an option in a list; elsewhere they are the viewer's.
    if (event.target.matches("select, input[type=text], textarea")) return;
    const step = inside && STEPS[event.key];
    const action = KEYS[event.key];
    if (!step && !action) return;
    event.preventDefault();
    // NiiVue has keys of its own for some of these.
    event.stopPropagation();
    if (step) viewer.moveCrosshairInVox(...step);
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
    for (const box of Object.values(boxes)) box.addEventListener("change", show);
    flicker.addEventListener("click", toggleFlicker);
    addEventListener("keydown", press, true);
    addEventListener("hashchange", () => location.hash.includes("=") && change(fromAddress()));
  }

  function place(data) {
    const { mm, vox } = data;
    const millimetres = Array.from(mm).slice(0, 3).map((x) => x.toFixed(1)).join(", ");
    const over = viewer.volumes[1] && data.values[1] ? `; ${data.values[1].value.toFixed(2)}` : "";
    get("viewer-place").textContent =
      `voxel ${Array.from(vox).slice(0, 3).join(", ")}; ${millimetres} mm${over}`;
  }

  async function start() {
    Object.assign(state, fromAddress());
    settle();
    reflect();
    const Niivue = await regbench.niivue();
    const canvas = get("viewer-canvas");
    viewer = new Niivue({
      logLevel: "error",
      loadingText: "",
      dragAndDropEnabled: false,
      isColorbar: false,
      multiplanarShowRender: 0,
      crosshairColor: [0.9, 0.75, 0.1, 0.8],
      crosshairWidth: 0.4,
      crosshairWidthUnit: "percent",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
      viewModeHotKey: "",
    });
    await viewer.attachToCanvas(canvas, false);
    for (const [name, map] of Object.entries(COLOURMAPS)) viewer.addColormap(name, map);
    const draw = viewer.drawScene.bind(viewer);
    viewer.drawScene = () => {
      const done = draw();
      if (viewer.volumes.length) {
        regbench.drawContours(viewer, get("viewer-contours"), contours, colours);
      }
      return done;
    };
    viewer.onLocationChange = place;
    listen();
    await show();
  }

  radios("image", IMAGES);
  radios("overlay", OVERLAYS);
  if (!document.createElement("canvas").getContext("webgl2")) {
    get("viewer-controls").hidden = get("viewer-stage").hidden = true;
    message("This browser has no WebGL 2, which the viewer needs.");
  } else {
    start().catch((problem) => {
      message(`The viewer did not start: ${problem.message}`);
      console.error(problem);
    });
  }
})();
