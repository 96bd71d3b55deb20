"""Folders of small images in the structures in which Learn2Reg's data sets are published."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers import box, make_affine, random_image

from regbench.base.files import write_json
from regbench.data.dataset_json import without_ending
from regbench.data.landmarks import write_landmarks
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

SHAPE = (8, 10, 12)
AFFINE = make_affine((2.0, 1.5, 1.0))
LABELS = 3
LISTS = ("training_paired_images", "registration_val", "registration_test")


def write_folder(root: Path, content: dict[str, Any], *absent: str) -> Path:
    """The dataset JSON and all files that it names, by their true endings.

    Args:
        root: folder to fill.
        content: of the JSON.
        absent: folders that are not published (`labelsTs`).
    """
    file = root / f"{content['name']}_dataset.json"
    write_json(file, content)
    entries = [e if isinstance(e, dict) else {"image": e} for e in listed(content)]
    entries += [
        {"image": image} for key in LISTS for p in content.get(key, []) for image in p.values()
    ]
    images = sorted({without_ending(entry["image"]) for entry in entries})
    for entry in entries:
        number = images.index(without_ending(entry["image"]))
        for kind, name in entry.items():
            place = root / without_ending(name)
            if place.parent.name in absent:
                continue
            if "point" in kind or "landmark" in kind:
                points = np.array([[2.0, 3.0, 4.0], [4.5, 5.0, 6.0]]) + number % 2
                write_landmarks(place.with_name(f"{place.name}.csv"), points)
                continue
            volume = random_image(number, SHAPE, AFFINE)
            if kind != "image":
                volume = Volume(parts(number, kind), AFFINE)
            write_volume(place.with_name(f"{place.name}.nii.gz"), volume)
    return file


def parts(number: int, kind: str) -> Any:
    """Boxes in a row, which lie elsewhere in every second image; of a mask one."""
    found = np.zeros(SHAPE, np.uint8)
    for label in range(1, 2 if kind == "mask" else LABELS + 1):
        found[box(SHAPE, (2 + number % 2, 2, 3 * label - 2), (4, 5, 3))] = label
    return found


def listed(content: dict[str, Any]) -> list[Any]:
    """All entries of `training` and `test`."""
    lists = [content.get("training", []), content.get("test", [])]
    parted = [part for x in lists for part in (x.values() if isinstance(x, dict) else [x])]
    return [entry for part in parted for entry in part]


def subset(file: Path, keep: dict[str, list[int]], more: tuple[str, ...] = ()) -> dict[str, Any]:
    """An official JSON with these pairs of each list, their images, and those named in `more`."""
    content = json.loads(file.read_text())
    for key in LISTS:
        content[key] = [content[key][position] for position in keep.get(key, [])]
    kept = {
        without_ending(image) for key in LISTS for pair in content[key] for image in pair.values()
    }

    def cut(entries: list[Any]) -> list[Any]:
        return [
            e
            for e in entries
            if without_ending(e["image"]) in kept or any(name in e["image"] for name in more)
        ]

    for key in ("training", "test"):
        entries = content[key]
        parted = isinstance(entries, dict)
        content[key] = {m: cut(x) for m, x in entries.items()} if parted else cut(entries)
    return content


def image(name: str, number: int, modality: int = 0, *, folder: str = "imagesTr") -> str:
    return f"./{folder}/{name}_{number:04d}_{modality:04d}.nii.gz"


def entry(path: str, **kinds: str) -> dict[str, str]:
    """An entry; every kind is named by its folder, and by the image's own file name and ending."""
    name = path.rsplit("/", 1)[1]
    suffix = path.split("/")[1].removeprefix("images")
    return {"image": path, **{k: f"./{folder}{suffix}/{name}" for k, folder in kinds.items()}}


def abdomen_ct() -> dict[str, Any]:
    """AbdomenCTCT: one modality, unpaired training images, every pair of the validation scans."""
    name = "AbdomenCTCT"
    scans = [image(name, n) for n in range(1, 8)]
    tests = [image(name, n, folder="imagesTs") for n in (31, 32)]
    return {
        "name": name,
        "pairings": "unpaired",
        "provided_data": {"0": ["image", "label", "mask"]},
        "registration_direction": {"fixed": 0, "moving": 0},
        "modality": {"0": "CT"},
        "labels": {"0": {"0": "background", "1": "spleen", "2": "kidney", "3": "liver"}},
        "training": [entry(path, label="labels", mask="masks") for path in scans],
        "test": [entry(path, label="labels", mask="masks") for path in tests],
        "training_paired_images": [],
        "registration_val": [
            {"fixed": a, "moving": b} for k, a in enumerate(scans[4:]) for b in scans[4:][k + 1 :]
        ],
        "registration_test": [{"fixed": tests[0], "moving": tests[1]}],
    }


def lung_ct() -> dict[str, Any]:
    """LungCT: masks and keypoints of both phases, landmarks of the validation pairs apart."""
    name = "LungCT"
    pairs = [{"fixed": image(name, n), "moving": image(name, n, 1)} for n in range(1, 5)]
    scans = [path for pair in pairs for path in pair.values()]
    return {
        "name": name,
        "pairings": "paired",
        "registration_direction": {"fixed": 0, "moving": 1},
        "labels": {},
        "training": [entry(path, mask="masks", keypoints="keypoints") for path in scans],
        "test": [],
        "training_paired_images": pairs,
        "registration_val": pairs[2:],
        "registration_test": [],
    }


def nlst() -> dict[str, Any]:
    """NLST: as LungCT, with images by modality, and labels from names to numbers."""
    name = "NLST"
    pairs = [{"0": image(name, n), "1": image(name, n, 1)} for n in range(1, 4)]
    training = {
        m: [entry(pair[m], mask="masks", keypoints="keypoints") for pair in pairs] for m in "01"
    }
    return {
        "name": name,
        "pairings": "paired",
        "registration_direction": {"fixed": 0, "moving": 1},
        "labels": {"background": 0, "lung": 1},
        "training": training,
        "test": {},
        "training_paired_images": pairs[:2],
        "registration_val": [{"fixed": pairs[2]["0"], "moving": pairs[2]["1"]}],
    }


def thorax_cbct() -> dict[str, Any]:
    """ThoraxCBCT: three images a subject, a set of keypoints for each pair of training images."""
    name = "ThoraxCBCT"
    training = [
        entry(image(name, n, m), **{f"keypoints0{k}": f"keypoints0{k}" for k in sets})
        for n in (0, 1)
        for m, sets in ((0, (1, 2)), (1, (1,)), (2, (2,)))
    ]
    others = [entry(image(name, 11, m)) for m in (0, 1, 2)]
    return {
        "name": name,
        "pairings": "paired",
        "provided_data": {"0": ["image"], "1": ["image"], "2": ["image"]},
        "registration_direction": {"fixed": 1, "moving": 0},
        "labels": {},
        "training": [*training, *others],
        "training_paired_images": [
            {"fixed": image(name, n, m), "moving": image(name, n)} for n in (0, 1) for m in (1, 2)
        ],
        "registration_val": [
            {"fixed": image(name, 11, m), "moving": image(name, 11)} for m in (1, 2)
        ],
    }


def lumir() -> dict[str, Any]:
    """LUMIR: images alone; unpaired training images, validation pairs without annotations."""
    name = "LUMIR"
    scans = [image(name, n) for n in range(1, 7)]
    return {
        "name": name,
        "pairings": "unpaired",
        "registration_direction": {"fixed": 0, "moving": 0},
        "labels": {"0": {}},
        "training": [{"image": path} for path in scans],
        "registration_val": [{"fixed": scans[4], "moving": scans[5]}],
    }
