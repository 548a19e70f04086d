"""Morpho market ids in chains/*.toml are hashes of their terms: computed anew with the chain's own USDC."""

import tomllib

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.kit import ROOT

LLTV_86 = 86 * 10**16
TERMS = {  # collateral and oracle of each market, in the order of the file
    "ethereum": [
        ("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599", "0xDddd770BADd886dF3864029e4B377B5F6a2B6b83"),  # WBTC
        ("0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0", "0x48F7E36EB6B826B2dF4B2E630B62Cd25e89E40e2"),  # wstETH
        ("0xcbB7C0000aB88B473b1f5aFd9ef808440eed33Bf", "0xA6D6950c9F177F1De7f7757FB33539e3Ec60182a"),  # cbBTC
    ],
    "base": [
        ("0xcbB7C0000aB88B473b1f5aFd9ef808440eed33Bf", "0x663BECd10daE6C4A3Dcd89F1d76c1174199639B9"),  # cbBTC
        ("0x4200000000000000000000000000000000000006", "0xFEa2D58cEfCb9fcb597723c6bAE66fFE4193aFE4"),  # WETH
    ],
}


@pytest.mark.parametrize("name", TERMS)
def test_ids_are_the_hashes_of_their_terms(name: str) -> None:
    chain = tomllib.loads((ROOT / "chains" / f"{name}.toml").read_text())
    (table,) = (p for p in chain["protocols"] if p["protocol"] == "morpho_blue")
    usdc = chain["tokens"]["USDC"]["address"]
    ids = [
        keccak(encode(["address"] * 4 + ["uint256"], [usdc, collateral, oracle, table["irm"], LLTV_86]))
        for collateral, oracle in TERMS[name]
    ]
    assert table["markets"] == ["0x" + market_id.hex() for market_id in ids]


def test_only_chains_with_known_terms_name_markets() -> None:
    named = [p.stem for p in (ROOT / "chains").glob("*.toml") if 'protocol = "morpho_blue"' in p.read_text()]
    assert sorted(named) == sorted(TERMS)
    assert all(to_checksum_address(a) == a for rows in TERMS.values() for row in rows for a in row)
