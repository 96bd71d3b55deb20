#!/usr/bin/env bash
# What Dockerfile and apptainer.def run, in two layers: tools/install_image.sh packages|project
set -euo pipefail
cd "$(dirname "$0")/.."
case "$1" in
packages)
    python -m pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement requirements.lock
    ;;
project)
    # Editable: plugins, configs and rules lie beside the engine.
    python -m pip install --no-cache-dir --no-deps --editable .
    regbench methods > /dev/null
    ;;
*)
    echo "usage: $0 packages|project" >&2
    exit 2
    ;;
esac
