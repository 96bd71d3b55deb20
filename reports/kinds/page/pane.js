"use strict";
// One NiiVue on a stage of the viewer, with contours drawn over it.
(() => {
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

  regbench.Pane = class {
    // `moved` is told of the crosshair: what NiiVue says of its place.
    constructor(stage, moved) {
      [this.canvas, this.above] = stage.querySelectorAll("canvas");
      this.stage = stage;
      this.moved = moved;
      this.images = new Map();
      this.maps = new Map();
      this.contours = [];
      this.colours = [];
      // The wheel and a finger scroll the page; NiiVue would change slices.
      for (const kind of ["wheel", "touchstart", "touchmove", "touchend"]) {
        stage.addEventListener(kind, (event) => event.stopPropagation(), { capture: true, passive: true });
      }
      // NiiVue focuses its canvas on a click: the page must not jump there.
      this.canvas.focus = () => HTMLElement.prototype.focus.call(this.canvas, { preventScroll: true });
    }

    async start(Niivue, orientation) {
      const viewer = new Niivue({
        ...orientation,
        logLevel: "error",
        loadingText: "",
        dragAndDropEnabled: false,
        isColorbar: false,
        multiplanarShowRender: 0,
        fontMinPx: 16,
        fontColor: [1, 1, 1, 1],
        crosshairColor: [0.9, 0.75, 0.1, 0.8],
        crosshairWidth: 0.4,
        crosshairWidthUnit: "percent",
        clipPlaneHotKey: "",
        cycleClipPlaneHotKey: "",
        viewModeHotKey: "",
      });
      this.viewer = viewer;
      await viewer.attachToCanvas(this.canvas, false);
      for (const [name, map] of Object.entries(COLOURMAPS)) viewer.addColormap(name, map);
      const draw = viewer.drawScene.bind(viewer);
      viewer.drawScene = () => {
        const done = draw();
        if (viewer.volumes.length) {
          regbench.drawContours(viewer, this.above, this.contours, this.colours);
        }
        return done;
      };
      viewer.onLocationChange = (data) => this.moved(this, data);
    }

    async image(name, options) {
      if (!this.images.has(name)) {
        const bytes = regbench.packed(name).buffer;
        const given = { url: bytes, name: `${name}.nii.gz`, ...options };
        // The bundle hands out no class for images; the first of them tells it.
        this.kind ??= (await this.viewer.loadVolumes([given])).volumes[0].constructor;
        this.images.set(name, await this.kind.loadFromUrl(given));
      }
      return Object.assign(this.images.get(name), options);
    }

    async labels(name) {
      if (!this.maps.has(name)) this.maps.set(name, await regbench.labelMap(name));
      return this.maps.get(name);
    }

    show(volumes, contours, colours) {
      this.contours = contours;
      this.colours = colours;
      // As NiiVue itself does when it loads a new list.
      this.viewer.volumes = [];
      for (const volume of volumes) this.viewer.addVolume(volume);
    }

    // The crosshair, in world millimetres.
    get place() {
      return Array.from(this.viewer.frac2mm(this.viewer.scene.crosshairPos)).slice(0, 3);
    }

    set place(mm) {
      this.viewer.scene.crosshairPos = this.viewer.mm2frac(mm);
      this.viewer.drawScene();
    }
  };
})();
