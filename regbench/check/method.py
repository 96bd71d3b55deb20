"""All checks of one method, in order, each yielded as soon as it is known."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from regbench.check import convention
from regbench.check.bench import Answer, Bench
from regbench.check.finding import FAIL, NOTE, OK, UNEDITED_TITLES, WARNING, Finding
from regbench.check.hygiene import contents, inputs_finding, size, writes_findings
from regbench.check.toy import SHIFT, ToyPair, bent, shifted
from regbench.check.training import training_findings
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin
from regbench.spatial.field import Field
from regbench.spatial.jacobian import jacobian_determinant
from regbench.spatial.nifti import write_array
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_image

#: A toy pair takes no longer than this, whatever the method may take for a real one.
TOY_LIMIT_S = 120.0
#: A gain of less than this share of the difference between the images is none.
GAIN = 0.05

#: Words of a failure's reason, and its fix. The worker refuses implausible fields itself.
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
    """Check a method on toy pairs, in workers of their own. Never raises for what a plugin does.

    Args:
        plugin: the method.
        settings: changes of its settings.
        seed: that it is run with.
        time_limit_s: of a registration; else the method's own, at most TOY_LIMIT_S.
        log: file that keeps what it prints.

    Returns:
        the findings, as they come.
    """
    yield from metadata_findings(plugin)
    install = install_finding(plugin)
    yield install
    if install.outcome == FAIL:
        return
    needs = needs_finding(plugin)
    if needs is not None:
        yield needs
    own = {**plugin.settings, **(settings or {})}
    asked = plugin.resources
    limits = Limits(time_limit_s or min(asked.time_limit_s, TOY_LIMIT_S), asked.memory_gb * 2**30)
    with tempfile.TemporaryDirectory(prefix="regbench-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        before = contents(plugin.folder)
        log = (log or folder / "printed.txt").resolve()
        printed = size(log)
        checkpoint = None
        if plugin.learned:
            checkpoint = Path(own["checkpoint"]).resolve() if own["checkpoint"] else None
            if checkpoint is None:
                yield from training_findings(plugin, own, seed, limits, folder, log)
                checkpoint = folder / "whole" / "checkpoint.pt"
            elif not checkpoint.is_file():
                text = f"{checkpoint}: no such checkpoint"
                yield Finding("training", FAIL, text, "empty, checkpoint: trains it here")
            if not checkpoint.is_file():
                return
        with Bench(plugin, own, limits, folder, log, checkpoint).open() as bench:
            yield from _bench_findings(bench, seed)
            bench.end_workers()
            yield from writes_findings(bench, before, printed)


def _bench_findings(bench: Bench, seed: int) -> Iterator[Finding]:
    pair = bent()
    bench.put(pair)
    inputs = contents(bench.inputs)
    # The first registration pays for imports and caches.
    first = bench.register(pair, seed)
    yield _run_finding(first)
    if first.field is None:
        return
    yield _convention_finding(bench, seed)
    yield gain_finding(bench.plugin, pair, first)
    yield _fold_finding(first)
    again = bench.register(pair, seed)
    yield cost_finding(bench, again)
    yield from seed_findings(bench, pair, first, seed)
    yield inputs_finding(inputs, contents(bench.inputs))
    yield from bad_pair_findings(bench, pair)


def _run_finding(answer: Answer) -> Finding:
    if answer.field is not None:
        shape = answer.field.displacement.shape
        return Finding("run", OK, f"a float32 field {shape}, finite, from a worker of its own")
    fix = next((fix for words, fix in _HINTS.items() if words in answer.reason), "")
    if answer.outcome == "timeout":
        fix = "--time-limit SECONDS allows more; time_limit_s in method.yaml is its own"
    if answer.outcome == "out-of-memory":
        fix = "raise memory_gb under resources: in method.yaml, or use less"
    fix = fix or "`--log FILE` keeps what it printed"
    return Finding("run", FAIL, f"{answer.outcome}: {answer.reason}", fix)


def _convention_finding(bench: Bench, seed: int) -> Finding:
    pairs = [shifted(axis) for axis in range(3)]
    answers = [bench.register(pair, seed) for pair in pairs]
    for answer in answers:
        if answer.field is None:
            return _run_finding(answer)
    fields = [answer.field for answer in answers if answer.field is not None]
    found = convention.response(fields, [pair.inside for pair in pairs], SHIFT)
    return convention.judge(found, pairs[0].fixed.affine, pairs[0].fixed.shape)


def gain_finding(plugin: MethodPlugin, pair: ToyPair, answer: Answer) -> Finding:
    """Whether the warped image is nearer to the fixed one than the moving image was."""
    assert answer.field is not None
    warped = warp_image(pair.moving, answer.field).data
    before, after = (
        float(np.abs(image - pair.fixed.data).mean()) for image in (pair.moving.data, warped)
    )
    share = 1.0 - after / before
    way = "falls" if share >= 0 else "grows"
    text = f"the mean difference of the images {way} by {100 * abs(share):.0f} %"
    if share >= GAIN:
        return Finding("toy pair", OK, text)
    if plugin.learned:
        return Finding("toy pair", NOTE, f"{text}, after a training of a moment")
    if plugin.kind == "control":
        return Finding("toy pair", NOTE, f"{text}; a control need not register")
    return Finding("toy pair", WARNING, text, "does it look for moving(x + u(x)) = fixed(x)?")


def _fold_finding(answer: Answer) -> Finding:
    assert answer.field is not None
    jacobian = jacobian_determinant(answer.field.displacement)
    folds = int((jacobian <= 0).sum())
    if folds:
        text = f"{folds} of {jacobian.size} voxels have a Jacobian determinant <= 0"
        return Finding("folds", WARNING, text, "smooth the field more, or take smaller steps")
    return Finding("folds", OK, "none")


def cost_finding(bench: Bench, answer: Answer) -> Finding:
    asked = bench.plugin.resources
    if answer.field is None:
        return _run_finding(answer)
    text = f"{answer.seconds:.2f} s and {answer.peak_mb:.0f} MiB for {_size(answer)} voxels; "
    text += f"declares {asked.time_limit_s:g} s, {asked.memory_gb:g} GiB, {asked.threads} threads"
    cores = answer.cpu_s / max(answer.seconds, 1e-9)
    # Below a second the clocks are too coarse.
    if answer.seconds > 1.0 and cores > asked.threads + 0.5:
        text += f"; used {cores:.1f} cores"
        return Finding("cost", WARNING, text, "use context.threads, or declare more threads")
    if answer.seconds > 0.2 * asked.time_limit_s:
        return Finding("cost", WARNING, text, "real images are larger: raise time_limit_s")
    if answer.peak_mb > 0.7 * 1024 * asked.memory_gb:
        return Finding("cost", WARNING, text, "real images are larger: raise memory_gb")
    return Finding("cost", OK, text)


def _size(answer: Answer) -> str:
    assert answer.field is not None
    return "x".join(map(str, answer.field.shape))


def seed_findings(bench: Bench, pair: ToyPair, first: Answer, seed: int) -> Iterator[Finding]:
    """The same seed in a new process, and another seed."""
    bench.end_workers()
    again = bench.register(pair, seed)
    if again.field is None:
        yield _run_finding(again)
        return
    if again.sha != first.sha:
        text = "the same seed in a new process gives another field"
        fix = "draw every random number from self.context.seed; use fixed threads"
        yield Finding("determinism", FAIL, text, fix)
        return
    yield Finding("determinism", OK, "the same seed in a new process gives the same bytes")
    if bench.plugin.learned:
        return
    other = bench.register(pair, seed + 1)
    if other.field is None:
        yield _run_finding(other)
    elif bench.plugin.seeded and other.sha == first.sha:
        text = "seeded: true, but another seed gives the same field"
        yield Finding("seed", WARNING, text, "seeded: false runs it once instead of once a seed")
    elif not bench.plugin.seeded and other.sha != first.sha:
        text = "another seed gives another field, and seeded is false"
        fix = "as it is, it runs once, with the first seed; seeded: true shows the spread"
        yield Finding("seed", WARNING, text, fix)
    else:
        yield Finding("seed", OK, f"as seeded: {str(bench.plugin.seeded).lower()} says")


_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_GIVEN = {"fixed", "moving", "output", "seed", "threads"}


def metadata_findings(plugin: MethodPlugin) -> Iterator[Finding]:
    """What is missing, or names nothing."""
    troubles = list(_troubles(plugin))
    yield from troubles
    if not troubles:
        yield Finding("metadata", OK, f"{plugin.title}: {plugin.kind}, {len(plugin.files)} files")


def install_finding(plugin: MethodPlugin) -> Finding:
    """Whether the packages of `requires` are there."""
    missing = plugin.missing()
    if missing:
        command = plugin.install or f"pip install {' '.join(missing)}"
        return Finding("install", FAIL, f"{', '.join(missing)} not installed", command)
    names = ", ".join(plugin.requires)
    return Finding("install", OK, f"installed: {names}" if names else "requires no package")


def needs_finding(plugin: MethodPlugin) -> Finding | None:
    """A line for methods that are handed more than two images."""
    if not plugin.needs:
        return None
    text = f"needs {', '.join(plugin.needs)}: here it is handed the toy pair's true field"
    return Finding("needs", NOTE, text)


def _troubles(plugin: MethodPlugin) -> Iterator[Finding]:
    def trouble(outcome: str, text: str, fix: str) -> Finding:
        return Finding("metadata", outcome, text, fix)

    if plugin.title in UNEDITED_TITLES:
        yield trouble(WARNING, f"the title is {plugin.title!r}", "set title in method.yaml")
    if plugin.kind != "control" and not plugin.description:
        yield trouble(WARNING, "no description", "add a line description: to method.yaml")
    known = _GIVEN | set(plugin.settings)
    names = {str(path.relative_to(plugin.folder)) for path in plugin.files}
    for word in plugin.command:
        for name in _PLACEHOLDER.findall(word):
            if name not in known:
                text = f"{{{name}}} of the command is neither a placeholder nor a setting"
                yield trouble(FAIL, text, f"one of {', '.join(sorted(known))}")
        if "{" not in word and (plugin.folder / word).is_file() and word not in names:
            text = f"a change of {word} would not run the method again"
            yield trouble(WARNING, text, f"add files: [{word}] to method.yaml")
    if plugin.command and not any("{output}" in word for word in plugin.command):
        yield trouble(FAIL, "the command has no {output}", "hand it on: the field is read there")


#: The middle slices that a thin image keeps.
_THIN = slice(17, 19)


def bad_pair_findings(bench: Bench, pair: ToyPair) -> Iterator[Finding]:
    """A line for each kind of bad image."""
    constant = Volume(np.full_like(pair.fixed.data, 7.0), pair.fixed.affine)
    yield _finding(
        "a constant image",
        bench.register(ToyPair("constant", constant, constant, pair.field)),
        "it has no gradient and no spread: guard divisions by them",
    )
    thin = ToyPair("thin", _cut(pair.fixed), _cut(pair.moving), _cut_field(pair.field))
    yield _finding(
        "2 voxels thick",
        bench.register(thin),
        "check the shape first: raise regbench.base.errors.BadInput with what you need",
    )
    yield _finding(
        "a NaN voxel", bench.ask(_with_nan(bench, pair)), "the engine refuses it: tell us"
    )


def _finding(what: str, answer: Answer, fix: str) -> Finding:
    check = "bad input"
    if answer.outcome == "ok":
        return Finding(check, OK, f"{what}: a finite field")
    if answer.outcome != "failed" or "the process" in answer.reason:
        text = f"{what}: {answer.outcome}: {answer.reason}"
        return Finding(check, FAIL, text, fix)
    if "not finite" in answer.reason and what != "a NaN voxel":
        return Finding(check, WARNING, f"{what}: {answer.reason}; the case fails", fix)
    reason = answer.reason.rpartition(".nii.gz: ")[2]
    return Finding(check, OK, f"{what}: an error: {reason[:120]}")


def _cut(volume: Volume) -> Volume:
    return Volume(np.ascontiguousarray(volume.data[..., _THIN]), volume.affine)


def _cut_field(field: Field) -> Field:
    return Field(np.ascontiguousarray(field.displacement[:, :, _THIN]), field.affine)


def _with_nan(bench: Bench, pair: ToyPair) -> dict[str, Path]:
    """The pair with one voxel that is no number. The engine refuses it before the method."""
    paths = bench.put(pair)
    data = pair.fixed.data.copy()
    data[9, 9, 9] = np.nan
    place = bench.inputs / "nan" / "fixed.nii.gz"
    write_array(place, data, pair.fixed.affine)
    return {**paths, "fixed": place}
