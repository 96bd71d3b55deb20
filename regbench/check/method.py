"""All checks of one method. Each finding is yielded as soon as it is known."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.check import FAIL, NOTE, OK, SEE_LOG, WARNING, Finding, convention
from regbench.check.bench import SHIFT, Bench, Registration, ToyPair, bent, shifted
from regbench.check.hygiene import contents, described, inputs_finding, size, writes_findings
from regbench.check.training import training_findings
from regbench.execution.environment import build
from regbench.execution.protocol import WorkerFailure
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin
from regbench.plugins.weights import fetched_weights, no_weights
from regbench.spatial.field import Field
from regbench.spatial.nifti import write_array
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.warp import warp_image

#: A toy pair may take no longer than this, even if a real pair may.
TOY_LIMIT_S = 120.0
#: A smaller share of the difference between the images does not count as a gain.
GAIN = 0.05

#: Words in the reason of a failure, and its fix. The worker itself refuses implausible fields.
_HINTS = {
    "looks like positions": f"subtract the voxel indices: {convention.RULE}",
    "larger than the image": f"convert the displacements to voxels: {convention.RULE}",
    "float32": "end with .astype(np.float32)",
    "components first": "np.moveaxis(field, 0, -1)",
    "does not fit the fixed image": "the field has the fixed image's shape, axes in its order",
    "wrong shape": "return shape (X, Y, Z, 3): the fixed image's, components last",
    "not finite": "look for divisions by 0, and logarithms, in flat regions",
    "returned no field": "return Field(displacement, fixed.affine)",
    "ModuleNotFoundError": "name the package under requires: in method.yaml, and install it",
    "unexpected keyword": "the function takes each setting of method.yaml as a keyword",
    "missing 1 required keyword": "give the setting a default under settings: in method.yaml",
    "wrote no displacement": "write the field to the path that {output} stands for",
}


def check_method(
    plugin: MethodPlugin,
    *,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    time_limit_s: float | None = None,
    log: Path | None = None,
) -> Iterator[Finding]:
    """Check a method on toy pairs, in its own workers. Never raises for what a plugin does.

    Args:
        plugin: the method.
        settings: changes to its settings.
        seed: of its registrations.
        time_limit_s: of one registration; default: the method's own, at most TOY_LIMIT_S.
        log: a file that keeps what it prints.
    """
    yield from metadata_findings(plugin)
    missing = plugin.missing()
    if missing:
        fix = plugin.install or f"pip install {' '.join(missing)}"
        yield Finding("install", FAIL, f"{', '.join(missing)} not installed", fix)
        return
    names = ", ".join(plugin.requires)
    text = f"installed: {names}" if names else "requires no package"
    if (own := plugin.environment) is not None:
        text = f"its environment is {own.folder}"
        try:
            build(own)
        except BadInput as problem:
            yield Finding("install", FAIL, str(problem), f"mend {own.lock.name}")
            return
    yield Finding("install", OK, text)
    if plugin.needs:
        text = f"needs {', '.join(plugin.needs)}: here it is handed the toy pair's true field"
        yield Finding("needs", NOTE, text)
    settings = {**plugin.settings, **(settings or {})}
    asked = plugin.resources
    limits = Limits(time_limit_s or min(asked.time_limit_s, TOY_LIMIT_S), asked.memory_gb * 2**30)
    with tempfile.TemporaryDirectory(prefix="regbench-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        log = (log or folder / "printed.txt").resolve()
        before, printed = contents(plugin.folder), size(log)
        checkpoint = None
        if plugin.kind == "pretrained":
            checkpoint = Path(settings["checkpoint"] or fetched_weights(plugin)).resolve()
            if trouble := no_weights(plugin, str(checkpoint)):
                yield Finding("weights", FAIL, trouble[1], "docs/environments.md")
                return
        if plugin.learned:
            checkpoint = Path(
                settings["checkpoint"] or folder / "whole" / "checkpoint.pt"
            ).resolve()
            if not settings["checkpoint"]:
                yield from training_findings(plugin, settings, seed, limits, folder, log)
            elif not checkpoint.is_file():
                text = f"{checkpoint}: no such checkpoint"
                yield Finding("training", FAIL, text, "leave checkpoint: empty to train it here")
            if not checkpoint.is_file():
                return
        with closing(Bench(plugin, settings, limits, folder, log, checkpoint)) as bench:
            yield from _bench_findings(bench, seed)
            bench.close()
            yield from writes_findings(bench, before, printed)


_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_GIVEN = {"fixed", "moving", "output", "seed", "threads"}


def metadata_findings(plugin: MethodPlugin) -> Iterator[Finding]:
    """What is missing from the metadata, and names in them that nothing has."""
    good = Finding("metadata", OK, f"{plugin.title}: {plugin.kind}, {len(plugin.files)} files")
    yield from list(_metadata_troubles(plugin)) or [good]


def _metadata_troubles(plugin: MethodPlugin) -> Iterator[Finding]:
    yield from described(plugin, "method.yaml", needed=plugin.kind != "control")
    known = _GIVEN | set(plugin.settings)
    files = {str(path.relative_to(plugin.folder)) for path in plugin.files}
    for word in plugin.command:
        for name in _PLACEHOLDER.findall(word):
            if name not in known:
                text = f"{{{name}}} of the command is neither a placeholder nor a setting"
                yield Finding("metadata", FAIL, text, f"one of {', '.join(sorted(known))}")
        if "{" not in word and (plugin.folder / word).is_file() and word not in files:
            text = f"a change of {word} would not run the method again"
            yield Finding("metadata", WARNING, text, f"add files: [{word}] to method.yaml")
    if plugin.command and not any("{output}" in word for word in plugin.command):
        fix = "pass it to the program, which must write the field to that path"
        yield Finding("metadata", FAIL, "the command has no {output}", fix)


def _bench_findings(bench: Bench, seed: int) -> Iterator[Finding]:
    pair = bent()
    bench.put(pair)
    inputs = contents(bench.inputs)
    try:
        # The first registration pays for imports and caches.
        first = bench.register(pair, seed)
    except WorkerFailure as failure:
        yield _failure_finding(failure)
        return
    text = f"a float32 field {first.field.displacement.shape}, finite, from a worker of its own"
    yield Finding("run", OK, text)
    yield from _guarded(_convention_findings(bench, seed))
    yield gain_finding(bench.plugin, pair, first)
    yield _fold_finding(first)
    yield from _guarded(_cost_findings(bench, pair, seed))
    yield from _guarded(seed_findings(bench, pair, first, seed))
    yield inputs_finding(inputs, contents(bench.inputs))
    yield from bad_pair_findings(bench, pair)


def _guarded(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, up to a registration that fails; its failure is a finding, too."""
    try:
        yield from findings
    except WorkerFailure as failure:
        yield _failure_finding(failure)


def _failure_finding(failure: WorkerFailure) -> Finding:
    fix = next((fix for words, fix in _HINTS.items() if words in failure.reason), SEE_LOG)
    if failure.outcome == "timeout":
        fix = "--time-limit SECONDS allows more; time_limit_s in method.yaml is its own"
    if failure.outcome == "out-of-memory":
        fix = "raise memory_gb under resources: in method.yaml, or use less"
    return Finding("run", FAIL, f"{failure.outcome}: {failure.reason}", fix)


def _convention_findings(bench: Bench, seed: int) -> Iterator[Finding]:
    pairs = [shifted(axis) for axis in range(3)]
    fields = [bench.register(pair, seed).field for pair in pairs]
    measured = convention.response(fields, [pair.inside for pair in pairs], SHIFT)
    yield convention.judge(measured, pairs[0].fixed.affine, pairs[0].fixed.shape)


def gain_finding(plugin: MethodPlugin, pair: ToyPair, made: Registration) -> Finding:
    """Whether the warped image is nearer to the fixed one than the moving image was."""
    warped = warp_image(pair.moving, made.field).data
    before, after = (
        float(np.abs(image - pair.fixed.data).mean()) for image in (pair.moving.data, warped)
    )
    share = 1.0 - after / before
    way = "falls" if share >= 0 else "grows"
    text = f"the mean difference of the images {way} by {100 * abs(share):.0f} %"
    if share >= GAIN:
        return Finding("toy pair", OK, text)
    if plugin.learned:
        return Finding("toy pair", NOTE, f"{text}, after a very short training")
    if plugin.kind == "control":
        return Finding("toy pair", NOTE, f"{text}; a control need not register")
    return Finding("toy pair", WARNING, text, "does it look for moving(x + u(x)) = fixed(x)?")


def _fold_finding(made: Registration) -> Finding:
    jacobian = jacobian_determinant(made.field.displacement)
    folds = int((jacobian <= 0).sum())
    if folds:
        text = f"{folds} of {jacobian.size} voxels have a Jacobian determinant <= 0"
        return Finding("folds", WARNING, text, "smooth the field more, or take smaller steps")
    return Finding("folds", OK, "none")


def _cost_findings(bench: Bench, pair: ToyPair, seed: int) -> Iterator[Finding]:
    yield cost_finding(bench.plugin, bench.register(pair, seed))


def cost_finding(plugin: MethodPlugin, made: Registration) -> Finding:
    """Seconds, memory and cores, against the resources that the method declares."""
    asked = plugin.resources
    shape = "x".join(map(str, made.field.shape))
    text = f"{made.seconds:.2f} s and {made.peak_mb:.0f} MiB for {shape} voxels; "
    text += f"declares {asked.time_limit_s:g} s, {asked.memory_gb:g} GiB, {asked.threads} threads"
    cores = made.cpu_s / max(made.seconds, 1e-9)
    # Below a second the clocks are too coarse.
    if made.seconds > 1.0 and cores > asked.threads + 0.5:
        text += f"; used {cores:.1f} cores"
        return Finding("cost", WARNING, text, "use context.threads, or declare more threads")
    if made.seconds > 0.2 * asked.time_limit_s:
        return Finding("cost", WARNING, text, "real images are larger: raise time_limit_s")
    if made.peak_mb > 0.7 * 1024 * asked.memory_gb:
        return Finding("cost", WARNING, text, "real images are larger: raise memory_gb")
    return Finding("cost", OK, text)


def seed_findings(bench: Bench, pair: ToyPair, first: Registration, seed: int) -> Iterator[Finding]:
    """Whether the same seed repeats in a new process, and whether `seeded` is true of others."""
    bench.close()
    if bench.register(pair, seed).sha != first.sha:
        text = "the same seed in a new process gives another field"
        fix = "draw every random number from self.context.seed; use fixed threads"
        yield Finding("determinism", FAIL, text, fix)
        return
    yield Finding("determinism", OK, "the same seed in a new process gives the same bytes")
    if bench.plugin.learned:
        return
    same = bench.register(pair, seed + 1).sha == first.sha
    if bench.plugin.seeded and same:
        text = "seeded: true, but another seed gives the same field"
        yield Finding("seed", WARNING, text, "seeded: false runs it once instead of once a seed")
    elif not bench.plugin.seeded and not same:
        text = "another seed gives another field, and seeded is false"
        fix = "as it is, it runs once, with the first seed; seeded: true shows the spread"
        yield Finding("seed", WARNING, text, fix)
    else:
        yield Finding("seed", OK, f"as seeded: {str(bench.plugin.seeded).lower()} says")


#: The middle slices that a thin image keeps.
_THIN = slice(17, 19)
_NAN = "a NaN voxel"


def bad_pair_findings(bench: Bench, pair: ToyPair) -> Iterator[Finding]:
    """A line for each kind of bad image."""
    constant = replace(pair.fixed, data=np.full_like(pair.fixed.data, 7.0))
    fix = "it has no gradient and no spread: guard divisions by them"
    files = bench.put(ToyPair("constant", constant, constant, pair.field))
    yield _bad_pair_finding(bench, "a constant image", files, fix)
    fixed, moving = (
        replace(image, data=np.ascontiguousarray(image.data[..., _THIN]))
        for image in (pair.fixed, pair.moving)
    )
    field = Field(np.ascontiguousarray(pair.field.displacement[:, :, _THIN]), pair.field.affine)
    fix = "check the shape first: raise regbench.base.errors.BadInput with what you need"
    files = bench.put(ToyPair("thin", fixed, moving, field))
    yield _bad_pair_finding(bench, "2 voxels thick", files, fix)
    # The engine refuses this one before the method sees it.
    data = pair.fixed.data.copy()
    data[9, 9, 9] = np.nan
    file = bench.inputs / "nan" / "fixed.nii.gz"
    write_array(file, data, pair.fixed.affine)
    files = {**bench.put(pair), "fixed": file}
    yield _bad_pair_finding(bench, _NAN, files, "the engine refuses it: tell us")


def _bad_pair_finding(bench: Bench, what: str, files: dict[str, Path], fix: str) -> Finding:
    try:
        bench.register_files(files)
    except WorkerFailure as failure:
        if failure.outcome != "failed" or "the process" in failure.reason:
            text = f"{what}: {failure.outcome}: {failure.reason}"
            return Finding("bad input", FAIL, text, fix)
        if "not finite" in failure.reason and what != _NAN:
            text = f"{what}: {failure.reason}; the case fails"
            return Finding("bad input", WARNING, text, fix)
        reason = failure.reason.rpartition(".nii.gz: ")[2]
        return Finding("bad input", OK, f"{what}: an error: {reason[:120]}")
    return Finding("bad input", OK, f"{what}: a finite field")
