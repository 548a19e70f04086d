"""The sandbox's protocols are found by their files, and each is an adapter's."""

from pathlib import Path

import pytest

from yieldbot.errors import ConfigError
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm import protocols
from yieldbot.sandbox.evm.protocols import found, sandbox_protocol


def test_each_file_is_a_protocol_that_has_an_adapter() -> None:
    files = {file.stem for file in Path(protocols.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(found()) == files and files <= set(adapters())
    assert all(sandbox_protocol(name).protocol == name for name in found())


def test_one_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=f"cannot deploy 'nothing'; it can deploy .*{found()[0]}"):
        sandbox_protocol("nothing")
