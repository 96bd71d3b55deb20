#!/usr/bin/env bash
# What action.yml does after it has installed: run a suite, compare it with its golden values, tell.
# Any other CI may call it, too. From environment variables, never from words of a command:
#   SUITE     the config
#   BASELINE  its golden values, values.csv, with tolerances.yaml beside it
#   CORES     of the workflow; default: all
#   COMMENT   Markdown to write; default: regbench-comment.md
# It ends with 0 where nothing moved, 1 where something did, 2 where there is nothing to compare,
# and 3 where a case failed as it did before.
set -uo pipefail
clone=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
comment=${COMMENT:-regbench-comment.md}
export REGBENCH_ROOT="$clone" REGBENCH_WORK="$PWD"

tell() { # the comment, and the summary of the job
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$comment" >> "$GITHUB_STEP_SUMMARY"; fi
}
stop() { # title, exit code: nothing was compared, and no older comment may stand for it
    printf '## Metrics: %s\n\nNothing was compared. The log of the job has the reason.\n' "$1" > "$comment"
    tell
    exit "$2"
}

rm -f "$comment"
python -m snakemake --cores "${CORES:-all}" --snakefile "$clone/Snakefile" --configfile "${SUITE:?}"
ran=$?
# 3: all is measured, and a case failed. The comparison says which; a golden failure is no change.
if [ "$ran" -ne 0 ] && [ "$ran" -ne 3 ]; then stop "the suite did not finish" 2; fi

python -m regbench.cli.main baseline check --config "$SUITE" --baseline "${BASELINE:?}" --summary "$comment"
compared=$?
if [ ! -s "$comment" ]; then stop "they cannot be compared" 2; fi
tell
if [ "$compared" -ne 0 ]; then exit "$compared"; fi
exit "$ran"
