"""Does a learned method register, or remember? Its gain on true pairs, and on shuffled ones.

    python tools/control_shuffled.py study

For each learned run of a finished config: Dice and EPE on the test cases, with the cases' own
moving images and with those of the next case. The difference to the mean field is paired over the
cases, with a 95 % bootstrap interval (BCa); with several seeds a case counts with its mean over
seeds. A method that registers loses its gain when the moving images are shuffled.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from regbench.base.files import read_json
from regbench.base.paths import TRAINING, metrics_file, run_folder
from regbench.base.project import find_root
from regbench.data.layout import Case
from regbench.data.pair import read_image
from regbench.measure.case import CaseFiles, measure
from regbench.plan.config import Config, RunConfig, load_config
from regbench.plan.jobs import Job
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry, load_metric
from regbench.reports.results import read_results
from regbench.spatial.field import Field
from regbench.statistics import compare

METRICS = ("dice", "epe")


def main(name: str) -> None:
    """Print a Markdown table of all learned runs."""
    root = find_root()
    config = load_config(root / "config" / f"{name}.yaml", root)
    known = read_results(metrics_file(config.name)).frame
    known = known[known["metric"].isin(METRICS)]
    print("| task | label | row | metric | value | minus mean field | shuffled, minus mean field |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: |")
    for task in config.tasks:
        rows = known[known["task"] == task]
        blind = rows[rows["method"] == "mean-field"]
        for run in (r for r in config.runs if r.task.id == task and r.method.learned):
            shuffled = pd.DataFrame(_shuffled(config, run))
            found = rows[rows["run"] == run.id]
            for label in found["label"].unique():
                for metric in METRICS:
                    if ((found["label"] == label) & (found["metric"] == metric)).any():
                        print(_line(run, label, metric, found, blind, shuffled))


def _line(
    run: RunConfig,
    label: str,
    metric: str,
    found: pd.DataFrame,
    blind: pd.DataFrame,
    shuffled: pd.DataFrame,
) -> str:
    values, base, wrong = (_cases(frame, label, metric) for frame in (found, blind, shuffled))
    spread = f"{values.mean():.2f}±{values.std(ddof=1):.2f}"
    gains = " | ".join(_gain(some - base) for some in (values, wrong))
    return f"| {run.task.id} | {label or 'all'} | {run.title} | {metric} | {spread} | {gains} |"


def _cases(frame: pd.DataFrame, label: str, metric: str) -> pd.Series:
    """A value a case: the mean over seeds."""
    some = frame[(frame["label"] == label) & (frame["metric"] == metric)]
    return some.groupby("case", observed=True)["value"].mean()


def _gain(differences: pd.Series) -> str:
    found = compare(differences.dropna().to_numpy())
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _shuffled(config: Config, run: RunConfig) -> Iterator[dict[str, object]]:
    """The metrics of each case, registered with the moving image of the next one."""
    job = Job.of(config, run, config.seeds[0])
    cases, groups = job.split("test"), job.groups()
    metrics = [config.catalog.metrics[name] for name in METRICS]
    for seed in config.seeds_of(run):
        fields = _fields(config, run, seed, cases)
        for case, field in zip(
            cases, tqdm(fields, desc=f"{run.id} {seed}", total=len(cases)), strict=True
        ):
            files = CaseFiles(case, field, groups, run.task.label_interpolation)
            for metric in metrics:
                for row in measure(files, metric, load_metric(metric)):
                    yield {"case": row.case, "metric": row.metric, "label": row.label} | {
                        "value": row.value,
                        "seed": seed,
                    }


def _fields(config: Config, run: RunConfig, seed: int, cases: tuple[Case, ...]) -> Iterator[Field]:
    folder = run_folder(config.name, run.task.id, run.id, seed)
    checkpoint = Path(read_json(folder / TRAINING)["checkpoint"])
    with tempfile.TemporaryDirectory() as workdir:
        context = Context(1, seed, "cpu", True, Path(workdir), checkpoint)
        method = load_entry(run.method.folder, str(run.method.entry))(run.settings, context)
        for case, other in zip(cases, (*cases[1:], cases[0]), strict=True):
            yield method.register(read_image(case.fixed), read_image(other.moving))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "learned")
