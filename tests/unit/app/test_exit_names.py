"""Orders to leave markets are shown by name, and with more only where names are alike."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from yieldbot.app.exit_names import names_of


def test_an_id_is_shown_only_where_two_markets_share_the_name(tmp_path: Path) -> None:
    (tmp_path / "yieldbot.toml").touch()
    (tmp_path / "history").mkdir()
    markets = {"morpho/1/0xaa": "Vault USDC", "morpho/1/0xbb": "Vault USDC", "aave/1/0xcc": "Aave USDC"}
    (tmp_path / "history" / "names.json").write_text(json.dumps({"eip155:1": markets}))
    settings = SimpleNamespace(
        data_dir=tmp_path,
        chains={"ethereum": SimpleNamespace(chain="eip155:1"), "base": SimpleNamespace(chain="eip155:8453")},
        wallets={"hot": SimpleNamespace(address="0x1"), "cold": SimpleNamespace(address="0x2")},
    )
    context: Any = SimpleNamespace(settings=settings, config=tmp_path / "yieldbot.toml")

    def names(*orders: tuple[str, str, str, str]) -> list[str]:
        return names_of(orders, context)

    aave = ("eip155:1", "0x1", "aave/1/0xcc", "Aave USDC")
    assert names(aave, ("eip155:1", "0x1", "morpho/1/0xaa", "Vault USDC"), ("eip155:1", "0x1", "all/0xdd", "all")) == [
        "Aave USDC",
        "Vault USDC (morpho/1/0xaa)",
        "all markets",
    ]
    other = ("eip155:8453", "0x1", "aave/8453/0xcc", "Aave USDC")
    assert names(aave, other) == ["Aave USDC on ethereum", "Aave USDC on base"]
    assert names(aave, (aave[0], "0x2", *aave[2:])) == ["Aave USDC on ethereum of hot", "Aave USDC on ethereum of cold"]
    both = names((*aave[:2], "all/0xdd", "all"), (*aave[:2], "all/0xee", "all"))
    assert both == [f"all markets on ethereum of hot (all/{token})" for token in ("0xdd", "0xee")]
