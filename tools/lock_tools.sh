#!/usr/bin/env bash
# Writes requirements-tools.lock: what the extra `tools` needs beside requirements.lock, whose versions hold.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement requirements.lock
"$work/venv/bin/pip" freeze | sed 's/+cpu$//' | sort > "$work/before"
"$work/venv/bin/pip" install --quiet --constraint requirements.lock ".[tools]"
"$work/venv/bin/pip" freeze --exclude regbench-mir | sed 's/+cpu$//' | sort > "$work/after"
{
    echo "# The optional registration tools, beside requirements.lock. Made by tools/lock_tools.sh from pyproject.toml."
    comm -13 "$work/before" "$work/after"
} > requirements-tools.lock
