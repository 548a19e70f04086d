"""What a sandbox has beside its own market, by name."""

from __future__ import annotations

import pytest

from yieldbot.errors import ConfigError
from yieldbot.sandbox.local import CHAINS, Further, known


def test_every_protocol_and_exchange_can_be_named() -> None:
    names = {chain: known(chain) for chain in CHAINS}
    assert set(names["both"]) == {*names["evm"], *names["solana"]}
    further = Further.of("both", names["both"])
    assert {*further.protocols, *further.exchanges, *further.solana} < {*names["both"]}
    assert "compound_v2" in further.protocols
    assert "curve_stableswap" in further.exchanges
    assert "kamino_vault" in further.solana
    assert "save" not in further.solana  # which its own market has


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match="--chain solana has no 'compound_v2': it has jupiter_lend, kamino_lend"):
        Further.of("solana", ("compound_v2",))
