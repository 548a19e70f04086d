"""The stake pool's decoder on an account recorded from mainnet."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kit.recorded import folder
from yieldbot.errors import MarketError
from yieldbot.protocols.solana.spl_stake_pool import decode


def test_picosol() -> None:
    document = json.loads((folder() / "solana" / "picosol-stake-pool.json").read_text())
    address, data = document["pubkey"], base64.b64decode(document["account"]["data"][0])
    pool = decode(address, data)
    assert pool.token_program == "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    assert pool.pool_mint == "picobAEvs6w7QEknPce34wAE4gknZA9v5tTonnmHYdX"
    numbers = pool.numbers
    assert (numbers.total_lamports, numbers.supply) == (128_350_525_083_404, 108_350_525_083_404)
    assert (numbers.deposit_fee, numbers.withdrawal_fee, numbers.epoch_fee) == ((1000, 1), (1000, 1), (100, 0))
    assert pool.last_update_epoch == 787 and pool.sol_deposit_authority is pool.sol_withdraw_authority is None
    with pytest.raises(MarketError, match="100 bytes"):
        decode(address, data[:100])
    with pytest.raises(MarketError, match="no stake pool"):
        decode(address, b"\x02" + data[1:])
