"use strict";
// Volumes of the page: gzip in base64 in its own elements, opened when they are looked at.
(() => {
  regbench.records = JSON.parse(document.getElementById("records").textContent);

  regbench.packed = (name) => {
    const text = atob(document.getElementById(`blob-${name}`).textContent);
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  };

  regbench.unpacked = async (name) => {
    const opened = new Blob([regbench.packed(name)])
      .stream()
      .pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(opened).arrayBuffer());
  };

  // A label map: sizes along R, A, S, and its levels, the first axis running fastest.
  regbench.labelMap = async (name) => {
    const bytes = await regbench.unpacked(name);
    const head = new DataView(bytes.buffer);
    const size = [42, 44, 46].map((at) => head.getInt16(at, true));
    return { size, levels: bytes.subarray(head.getFloat32(108, true)) };
  };

  regbench.niivue = async () => {
    const code = new Blob([await regbench.unpacked("niivue")], { type: "text/javascript" });
    const address = URL.createObjectURL(code);
    try {
      return (await import(address)).Niivue;
    } finally {
      URL.revokeObjectURL(address);
    }
  };
})();
