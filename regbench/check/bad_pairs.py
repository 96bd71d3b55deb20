"""Images that no method can register: it must say so or return a finite field, and not hang."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from regbench.check.bench import Answer, Bench
from regbench.check.finding import FAIL, OK, WARNING, Finding
from regbench.check.toy import ToyPair
from regbench.spatial.field import Field
from regbench.spatial.nifti import write_array
from regbench.spatial.volume import Volume

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
