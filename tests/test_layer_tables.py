"""The tables of the networks' layers in the docs, against the networks themselves."""

import pytest
from helpers import REPOSITORY

from regbench.learning.method import parameter_count
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> dict[str, MethodPlugin]:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import layer_tables

    folders = [REPOSITORY / "methods" / name for name in layer_tables.SHOWN]
    return {plugin.id: plugin for folder in folders for plugin in read_methods(folder)}


def test_every_parameter_is_in_a_row(plugins: dict[str, MethodPlugin]) -> None:
    from layer_tables import stages

    assert len(plugins) == 11
    for plugin in plugins.values():
        count = parameter_count(load_entry(plugin.folder, str(plugin.entry)), plugin.settings)
        assert sum(stage.parameters for stage in stages(plugin)) == count


def test_the_rows_say_what_the_paper_leaves_open(plugins: dict[str, MethodPlugin]) -> None:
    from layer_tables import stages

    rows = {stage.name: stage for stage in stages(plugins["f3rnet-mrb"])}
    blocks = {name: row.scales[-2] for name, row in rows.items() if name[:3] in ("mrb", "mor")}
    # The scale at which each MRB works; none of the decoder's is at 1/8.
    known = {"mrb1": "1/2", "mrb2": "1/4", "mrb3": "1/8", "more": "1/16"}
    assert blocks == {**known, "mrb4": "1/4", "mrb5": "1/2"}
    assert rows["more"].layers.count("concat 16+32") == 2
    assert rows["mrb2"].layers[:4] == [
        "max pool 2",
        "max pool 4",
        "concat 16+16",
        "conv 3x3x1 32→16",
    ]
    assert rows["mrb5"].layers[-3:] == ["conv 1x1x1 16→16", "nearest upsample 2", "add"]
    assert rows["flow"].layers == ["conv 3x3x3 16→3"]
    faim = {stage.name: stage for stage in stages(plugins["faim"])}
    assert faim["up1"].layers == ["add", "transposed conv 3x3x3 stride 2 32→32"]
    assert faim["back2"].layers[1:] == ["zero pad", "PReLU"]
