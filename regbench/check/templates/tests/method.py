"""The method PLUGIN_ID does what the engine asks of a method. `regbench check` prints the same."""

from pathlib import Path

import pytest

from regbench.check.method import check_method
from regbench.plugins.kinds import MethodPlugin, read_methods

FOLDER = Path(__file__).parent / "PLUGIN_PATH"


@pytest.mark.parametrize("method", read_methods(FOLDER), ids=lambda method: method.id)
def test_every_check_passes(method: MethodPlugin) -> None:
    found = list(check_method(method))
    assert not [finding for finding in found if finding.outcome == "FAIL"]
    # The toy pair comes closer; of a training of a moment, only the loss falls.
    gain = "training" if method.learned else "toy pair"
    assert (gain, "ok") in [(finding.check, finding.outcome) for finding in found]
