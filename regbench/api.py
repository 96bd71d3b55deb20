"""What the command line does, as functions. `import regbench` offers them."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from regbench.base.devices import device as held_device
from regbench.base.errors import BadInput
from regbench.base.files import check_output, write_json, write_text
from regbench.base.paths import metrics_file
from regbench.base.project import find_root, nearest_project
from regbench.base.records import INTERRUPTED, Row, write_rows
from regbench.base.schemas import read_yaml
from regbench.data.layout import Case, Entry, read_layout
from regbench.data.pair import labels_of, read_pair
from regbench.execution.environment import build
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.worker import worker_job
from regbench.measure import scoring
from regbench.measure.case import CaseFiles, measure
from regbench.measure.learn2reg import KIT_NAMES, official
from regbench.plan.resources import Limits
from regbench.plugins.catalog import Catalog, discover, lookup
from regbench.plugins.kinds import MethodPlugin
from regbench.plugins.loading import load_metric
from regbench.plugins.weights import (
    REFERENCE,
    fetched_weights,
    no_weights,
    reference_weights,
)
from regbench.reports.formats import FORMATS, to_text
from regbench.reports.model import Table
from regbench.reports.results import Results, read_results
from regbench.reports.scores import failures, leaderboard, summary
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import check_shape


@dataclass(frozen=True)
class Evaluation:
    """Scores of a folder of fields, or of a challenge; `print` shows `table`.

    Attributes:
        rows, kit: rows, and the content of Learn2Reg's result file, of each team and `(identity)`;
            of a folder under the empty name.
        table: mean, std and n of each metric and label group; of a challenge the leaderboard.
        warnings: one line each.
    """

    rows: dict[str, list[Row]]
    kit: dict[str, dict[str, Any]]
    table: Table
    warnings: list[str]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Team, case and reason of each failure."""
        return [(t, *item) for t, rows in self.rows.items() for item in failures(rows).items()]

    @property
    def frame(self) -> pd.DataFrame:
        """All rows, with the columns of `metrics.csv` behind the column `team`."""
        rows = [{"team": team, **asdict(row)} for team, part in self.rows.items() for row in part]
        return pd.DataFrame(rows)

    def write(self, output: Path, kit: Path | None = None) -> None:
        """Write the csv of rows and the kit's result file; of a challenge a folder of each."""
        if "" in self.rows:
            write_rows(output, self.rows[""])
            if kit is not None:
                write_json(kit, self.kit[""])
            return
        text = self.frame.to_csv(index=False, na_rep="nan", lineterminator="\n")
        write_text(output / "metrics.csv", text)
        for ending, made in FORMATS.items():
            write_text(output / f"leaderboard.{ending}", made(self.table))
        for team, content in self.kit.items():
            if kit is not None:
                write_json(kit / f"{team}.json", content)

    def __str__(self) -> str:
        return to_text(self.table)


@dataclass(frozen=True)
class Registration:
    """A pair's field, the seconds it took, and rows of Dice and TRE before and after.

    `device` computed it, with the weights in the file `checkpoint`.
    """

    field: Field
    seconds: float
    accuracy: list[tuple[Row, Row]]
    device: str = "cpu"
    checkpoint: Path | None = None


def evaluate(
    dataset: str | Path,
    predictions: str | Path | None = None,
    *,
    teams: str | Path | None = None,
    split: str | None = None,
    layout: str = "voxel",
    masked: bool = False,
    follow_links: bool = False,
    landmarks_frame: str | None = None,
    trust_geometry: bool = False,
    cores: int = 1,
    catalog: Catalog | None = None,
) -> Evaluation:
    """Score a folder of displacement fields, or the teams of a challenge.

    A missing or bad field is a failed row. In a challenge it has the identity's values and the last
    rank.

    Args:
        dataset: the dataset JSON (Learn2Reg layout).
        predictions: a folder of `disp_<fixed>_<moving>.nii.gz` or `.npz`.
        teams: instead of it, a folder of such a folder or zip for each team.
        split: `training`, `validation` or `test`; default: the one that can be measured.
        layout: of the fields' numbers, see `regbench.spatial.transforms.read.LAYOUTS`.
        masked: for the kit, log J inside the fixed image's mask.
        follow_links: of the data set, out of its folder.
        landmarks_frame: of landmarks whose files do not state it: `voxel`, `ras` or `lps`.
        cores: processes that share the cases of a challenge.
        catalog: whose metrics are measured; default: the project's.

    Raises:
        BadInput: the data set or the folder cannot be used.
    """
    data = read_layout(Path(dataset)).with_frame(landmarks_frame)
    data = data.with_geometry("trust" if trust_geometry else "check")
    split = split or data.evaluation_split()
    cases = data.cases[split]
    if not data.labels:
        data = replace(data, labels=labels_of(data, cases, follow_links=follow_links))
    if not cases:
        raise BadInput(f"lists no {split} pairs", file=dataset)
    if (predictions is None) == (teams is None):
        raise BadInput("what is scored?", expected="either predictions or teams")
    known = (catalog or discover(find_root(), tolerant=True)).metrics.values()
    # Others are asked for by name, in a config: the terms of the training loss, say.
    metrics = [metric for metric in known if metric.default or metric.id in KIT_NAMES]
    folder = scoring.Folder(Path(predictions or teams or ""), layout, follow_links)
    warnings: list[str] = []
    scores: Iterable[dict[str, scoring.CaseScore]]
    if teams is None:
        if not folder.path.is_dir():
            raise BadInput("is not a folder", file=predictions, expected="disp_*.nii.gz in it")
        fields = scoring.find_fields(folder.path, cases)
        unused = scoring.unused_fields(folder.path, fields)
        warnings += [f"{name} belongs to no {split} pair" for name in unused]
        opened = ((case, scoring.open_case(case, data, folder, fields[case.id])) for case in cases)
        scores = ({"": scoring.score_case(c, data, f, metrics, masked=masked)} for c, f in opened)
    else:
        entered = scoring.find_teams(folder.path, cases)
        scores = scoring.score_teams(
            scoring.Scoring(data, entered, metrics, folder, masked), cases, cores
        )
    rows: dict[str, list[Row]] = {}
    results: dict[str, dict[str, Any]] = {}
    # On a terminal only: what is piped stays readable.
    shown = tqdm(scores, "evaluate", len(cases), disable=None)
    for key, of_case in zip(scoring.official_keys(cases), shown, strict=True):
        for name, score in of_case.items():
            rows.setdefault(name, []).extend(score.rows)
            results.setdefault(name, {})[key] = score.official
            warnings += score.warnings
    kit = {name: official(data.name, of_cases) for name, of_cases in results.items()}
    if teams is None:
        return Evaluation(rows, kit, summary(rows[""], metrics), warnings)
    return Evaluation(
        rows, kit, leaderboard(data.name, rows, kit, metrics, masked=masked), warnings
    )


def register(
    method: str,
    fixed: str | Path,
    moving: str | Path,
    output: str | Path | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    prealigned: bool = False,
    labels: tuple[str | Path, str | Path] | None = None,
    landmarks: tuple[str | Path, str | Path] | None = None,
    trust_geometry: bool = False,
    catalog: Catalog | None = None,
) -> Registration:
    """Register a pair in a worker of its own, within the method's limits.

    Args:
        method: its id.
        fixed, moving: image files of one shape.
        output: where the field is to be written, if anywhere.
        settings: those that differ from the method's own.
        checkpoint: weights of a learned method: a file, `reference`, or `reference:TASK`.
        device: `auto` is a GPU where there is one that the method can use; `cpu`; `cuda`.
        seed, prealigned: of a method with randomness; the pair is affinely aligned.
        labels, landmarks: files of the fixed and the moving image, for Dice and TRE.
        trust_geometry: what headers say of the place of images and labels is not compared.
        catalog: that has the method; default: the project's.

    Raises:
        BadInput: a file cannot be used, or the method failed.
    """
    catalog = catalog or discover(find_root(), tolerant=True)
    plugin = lookup(catalog.methods, method, "method", broken=catalog.broken)
    weights = _check_registers_alone(plugin, checkpoint)
    if device == "cuda" and not plugin.can_use_gpu:
        raise BadInput(f"method {plugin.id} cannot use a GPU", expected="device: auto or cpu")
    files = zip((fixed, moving), labels or ("", ""), landmarks or ("", ""), strict=True)
    one, two = (
        Entry(Path(image), Path(of) if of else None, landmarks=Path(points) if points else None)
        for image, of, points in files
    )
    if output is not None:
        given = [*one.by_kind.values(), *two.by_kind.values(), *filter(None, [weights])]
        check_output(Path(output), given)
    case = Case(one, two, trusted=trust_geometry)
    side, _ = read_pair(case, prepared=False)
    check_shape(case.moving.image, side.image.shape, "fixed and moving image differ in shape")
    limits = Limits(plugin.resources.time_limit_s, plugin.resources.memory_gb * 2**30)
    known = {**plugin.settings, **(settings or {})}
    asked = device if plugin.can_use_gpu else "cpu"
    with tempfile.TemporaryDirectory(prefix="regbench-") as folder, held_device(asked) as on:
        job = worker_job(plugin, known, seed, prealigned=prealigned, checkpoint=weights, device=on)
        place = Path(output or Path(folder, "field.nii.gz"))
        request = {"fixed": str(fixed), "moving": str(moving), "output": str(place)}
        log = place.parent / f".{place.name}.log"
        try:
            with closing(Worker(job, limits, log)) as worker:
                answer = worker.ask(request)
        except WorkerFailure as failure:
            if failure.outcome == INTERRUPTED:
                raise BadInput(failure.reason) from failure
            raise BadInput(f"{plugin.id} ended in {failure.outcome}: {failure.reason}") from failure
        finally:
            log.unlink(missing_ok=True)
        if not answer["ok"]:
            raise BadInput(f"{plugin.id} failed: {answer['reason']}")
        found = read_field(place, side.image.shape)
    values = [] if side.labels is None else pd.unique(side.labels.data[side.labels.data != 0])
    groups = {str(value): (int(value),) for value in sorted(values)}
    before = CaseFiles(case, Field.zero(found.shape, found.affine), groups, "nearest", False)
    metrics = [catalog.metrics[m] for m in (["dice"] * bool(labels) + ["tre"] * bool(landmarks))]
    rows = [
        [row for m in metrics for row in measure(files, m, load_metric(m))]
        for files in (before, before.with_field(found))
    ]
    return Registration(found, answer["register_s"], list(zip(*rows, strict=True)), on, weights)


def load_results(source: str | Path) -> Results:
    """The collected results of a workflow; `frame` is the table of all rows.

    Args:
        source: a config (its results as last collected), or a `metrics.parquet`.

    Raises:
        BadInput: there is no such file, or it holds no results.
    """
    file = Path(source)
    if file.suffix in (".yaml", ".yml"):
        name = read_yaml(file).get("name")
        if name is None:
            raise BadInput("is no config", file=file, expected="name: ...")
        project = nearest_project(file.resolve().parent)
        place = os.environ.get("REGBENCH_WORK") or project or Path()
        file = Path(place) / metrics_file(str(name))
    return read_results(file)


def _check_registers_alone(plugin: MethodPlugin, checkpoint: str | Path | None) -> Path | None:
    """The file of weights. Refuses a method that needs more, or less, than two images and these."""
    if plugin.needs:
        raise BadInput(
            f"method {plugin.id} cannot register a pair alone: it needs {', '.join(plugin.needs)}",
            expected="a data set that knows it (run the workflow)",
        )
    missing = plugin.missing()
    if missing:
        raise BadInput(f"method {plugin.id} needs {missing[0]}", expected=plugin.install)
    if plugin.environment is not None:
        build(plugin.environment)
    if checkpoint is not None and not plugin.has_weights:
        raise BadInput(f"method {plugin.id} takes no checkpoint", found=checkpoint)
    if plugin.kind == "pretrained":
        checkpoint = checkpoint or plugin.settings["checkpoint"] or fetched_weights(plugin)
        if trouble := no_weights(plugin, str(checkpoint)):
            raise BadInput(trouble[1])
    if checkpoint is None and plugin.learned:
        raise BadInput(f"method {plugin.id} is learned", expected="--checkpoint FILE or reference")
    word, _, task = str(checkpoint or "").partition(":")
    if word == REFERENCE:
        return reference_weights(plugin, task)
    return None if checkpoint is None else Path(checkpoint)
