#!/usr/bin/env bash
# Writes requirements-NAME.lock, NAME `tools` or `mutants`: what that extra needs beside requirements.lock,
# whose versions hold.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-tools}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement requirements.lock
"$work/venv/bin/pip" freeze | sed 's/+cpu$//' | sort > "$work/before"
"$work/venv/bin/pip" install --quiet --constraint requirements.lock ".[$name]"
"$work/venv/bin/pip" freeze --exclude regbench-mir | sed 's/+cpu$//' | sort > "$work/after"
{
    echo "# The extra \`$name\`, beside requirements.lock. Made by tools/lock_tools.sh $name from pyproject.toml."
    comm -13 "$work/before" "$work/after"
} > "requirements-$name.lock"
