"""The data set PLUGIN_ID is what the engine asks of one. `regbench check` prints the same."""

from pathlib import Path

from regbench.check.dataset import check_dataset
from regbench.plugins.kinds import read_dataset

FOLDER = Path(__file__).parent / "PLUGIN_PATH"


def test_every_check_passes() -> None:
    found = list(check_dataset(read_dataset(FOLDER)))
    assert not [finding for finding in found if finding.outcome == "FAIL"]
    assert ("true field", "ok") in [(finding.check, finding.outcome) for finding in found]
