#!/usr/bin/env bash
# Writes requirements.lock: what a fresh environment with every dependency, the dev extra and the viewer gets.
# torch is named without its local build tag, so that the lock installs from any index.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 ".[dev,viewer]"
{
    echo "# Exact versions for Python 3.11. Made by tools/lock.sh from pyproject.toml."
    "$work/venv/bin/pip" freeze --exclude regbench-mir | sed 's/+cpu$//' | grep -v -i '^nvidia\|^cuda\|^triton'
} > requirements.lock
{
    echo "# For conda users: the versions of requirements.lock. Made by tools/lock.sh."
    echo "name: regbench"
    echo "channels: [conda-forge]"
    echo "dependencies:"
    echo "  - python=3.11"
    echo "  - pip"
    echo "  - pip:"
    grep -v '^#' requirements.lock | sed 's/^/      - /'
    echo "      - -e ."
} > environment.yml
