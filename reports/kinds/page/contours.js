"use strict";
// Outlines of label maps in the planes of the viewer, drawn over it as lines.
(() => {
  // Across and up of a plane, and the axis it stands on: NiiVue's axial, coronal, sagittal.
  const PLANES = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];

  // Marching squares between voxel centres: segments by corner pattern, as edges 0 to 3.
  const CASES = [
    [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
    [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
  ];
  const EDGES = [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]];

  function segments(map, plane, index, label) {
    const [a, b, c] = PLANES[plane];
    const step = [1, map.size[0], map.size[0] * map.size[1]];
    const [width, height] = [map.size[a], map.size[b]];
    const inside = (i, j) =>
      i >= 0 && j >= 0 && i < width && j < height &&
      map.levels[i * step[a] + j * step[b] + index * step[c]] === label;
    const found = [];
    for (let j = -1; j < height; j++) {
      for (let i = -1; i < width; i++) {
        const pattern =
          inside(i, j) + 2 * inside(i + 1, j) + 4 * inside(i + 1, j + 1) + 8 * inside(i, j + 1);
        for (const [from, to] of CASES[pattern]) {
          found.push([from, to].map((edge) => [
            (i + EDGES[edge][0] + 0.5) / width,
            (j + EDGES[edge][1] + 0.5) / height,
          ]));
        }
      }
    }
    return found;
  }

  // Where a place of the volume (0 to 1 along each axis) lies in a plane's tile, in pixels.
  function onScreen(viewer, tile) {
    const [a, b] = PLANES[tile.axCorSag];
    let [left, top, width, height] = tile.leftTopWidthHeight;
    const turned = width < 0;
    if (turned) [left, width] = [left + width, -width];
    const [low, high] = [viewer.frac2mm([0, 0, 0]), viewer.frac2mm([1, 1, 1])];
    return ([u, v]) => {
      const x = (low[a] + u * (high[a] - low[a]) - tile.leftTopMM[0]) / tile.fovMM[0];
      const y = (low[b] + v * (high[b] - low[b]) - tile.leftTopMM[1]) / tile.fovMM[1];
      return [left + (turned ? 1 - x : x) * width, top + (1 - y) * height];
    };
  }

  // `maps`: what to draw, each { map, dashed }; `colours`: of label 1, 2, ...
  regbench.drawContours = (viewer, canvas, maps, colours) => {
    const { width, height } = viewer.canvas;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const fine = width / Math.max(canvas.clientWidth, 1);
    for (const tile of viewer.screenSlices) {
      if (tile.axCorSag > 2 || !tile.fovMM) continue;
      const place = onScreen(viewer, tile);
      const [left, top, across, down] = tile.leftTopWidthHeight;
      pen.save();
      pen.beginPath();
      pen.rect(Math.min(left, left + across), top, Math.abs(across), down);
      pen.clip();
      for (const { map, dashed } of maps) {
        const axis = PLANES[tile.axCorSag][2];
        const at = Math.floor(viewer.scene.crosshairPos[axis] * map.size[axis]);
        const index = Math.min(Math.max(at, 0), map.size[axis] - 1);
        pen.setLineDash(dashed ? [3 * fine, 2.5 * fine] : []);
        colours.forEach((colour, number) => {
          pen.beginPath();
          for (const [from, to] of segments(map, tile.axCorSag, index, number + 1)) {
            pen.moveTo(...place(from));
            pen.lineTo(...place(to));
          }
          // A dashed line has a dark rim: it crosses the solid one of the same colour.
          for (const [width, ink] of dashed ? [[3.6, "#000000"], [1.8, colour]] : [[2.2, colour]]) {
            pen.lineWidth = width * fine;
            pen.strokeStyle = ink;
            pen.stroke();
          }
        });
      }
      pen.restore();
    }
  };
})();
