#!/usr/bin/env bash
# Writes requirements-docs.lock: what builds the documentation site.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet mkdocs-material
{
    echo "# The documentation site (\`make docs\`), in an environment of its own. Made by tools/lock_docs.sh."
    "$work/venv/bin/pip" freeze
} > requirements-docs.lock
