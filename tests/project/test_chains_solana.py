"""chains/solana.toml: it loads, and what its addresses derive is what they are known to derive."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.kit import ROOT
from yieldbot.config.chain import load_chain
from yieldbot.model.ids import Address
from yieldbot.protocols import svm_adapters
from yieldbot.protocols.solana.layout import ata, key_bytes, pda

FILE = ROOT / "chains" / "solana.toml"
ORCA_CONFIG = Address("2LecshUwdy9xi7meFgHtFJQNSKk4KdTrcpvaB56dP2NQ")
PYTH_PUSH = Address("pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT")
PYTH_IDS = {
    "SOL": "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d",
    "USDC": "eaa020c61cc479712813461ce153894a96a6c00b21ed0cfc2798d1f9a9e9c94a",
    "USDT": "2b89b9dc8fdf9f34709a5b106b472f0f39bb6ca9ce04b0fd7f2e971688e2e53b",
    "JitoSOL": "67be9f519b95cf24338801051f9a808eff0a578ccb388db73b7f6fe1de019ffb",
    "mSOL": "c2289a6a43d2ce91c6f55caec370f4acc38a2ed477f58813334c6d03749ff2a4",
}
"""Pyth's ids of the feeds against the US dollar, the same on every chain."""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text())


def test_it_loads() -> None:
    chain = load_chain(FILE, tomllib.loads(FILE.read_text()), {"SOLANA_RPC_URL": "http://127.0.0.1:9"})
    assert chain.chain == "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
    assert set(chain.tokens) == {"USDC", "USDT", "SOL", "JitoSOL", "mSOL"}
    assert {d.protocol for d in chain.deployments} >= set(svm_adapters()) - {"idle"}
    assert chain.svm is not None and chain.svm.keep_lamports == 20_000_000


def test_every_address_is_a_key_and_stands_once(described: dict[str, Any]) -> None:
    found = [
        address
        for row in described["protocols"]
        for key in ("reserves", "banks", "pools")
        for address in row.get(key, ())
    ]
    assert len(found) == len(set(found)) == 21
    assert all(len(key_bytes(Address(a))) == 32 for a in [*found, *(row["program"] for row in described["protocols"])])


def test_the_feeds_are_pyths_accounts_of_these_ids(described: dict[str, Any]) -> None:
    feeds = {symbol: row["feed"] for symbol, row in described["tokens"].items() if "feed" in row}
    feeds["SOL"] = described["native"]["feed"]
    assert feeds.keys() == PYTH_IDS.keys()
    for symbol, feed in feeds.items():
        assert feed == pda(PYTH_PUSH, b"\0\0", bytes.fromhex(PYTH_IDS[symbol])), symbol


def test_the_banks_vaults_are_those_that_are_known(described: dict[str, Any]) -> None:
    (row,) = (p for p in described["protocols"] if p["protocol"] == "marginfi")
    vaults = [pda(Address(row["program"]), b"liquidity_vault", key_bytes(Address(bank))) for bank in row["banks"]]
    assert vaults == [
        "7jaiZR5Sk8hdYN9MxTpczTcwbWpb5WEoxSANuUwveuat",
        "77t6Fi9qj4s4z22K1toufHtstM8rEy7Y3ytxik7mcsTy",
        "2eicbpitfJXDwqCuFAmPgDP7t2oUotnAzbGzRKLMgSLe",
        "38VGtXd2pDPq9FMh1z6AVjcHCoHgvWyMhdNyamDTeeks",
    ]


def test_jupiter_lends_accounts_are_those_that_its_programs_derive(described: dict[str, Any]) -> None:
    """The markets from program and mint; what an adapter derives from them, as public lists of its accounts have it."""
    (row,) = (p for p in described["protocols"] if p["protocol"] == "jupiter_lend")
    program, liquidity = Address(row["program"]), Address(row["liquidity_program"])
    mints = [key_bytes(Address(described["tokens"][symbol]["address"])) for symbol in row["assets"]]
    shares = [pda(program, b"f_token_mint", mint) for mint in mints]
    assert shares[0] == "9BEcn9aPEmhSPbPQeFGjidRiEKki46fVQDyPpSQXPA2D", "jlUSDC"
    assert row["reserves"] == [
        pda(program, b"lending", mint, key_bytes(share)) for mint, share in zip(mints, shares, strict=True)
    ]
    assert pda(program, b"lending_admin") == "5nmGjA4s7ATzpBQXC5RNceRpaJ7pYw2wKsNBWyuSAZV6"
    assert pda(liquidity, b"reserve", mints[0]) == "94vK29npVbyRHXH63rRcTiSr26SFhrQTzbpNJuhQEDu"
    of_usdc = pda(liquidity, b"user_supply_position", mints[0], key_bytes(Address(row["reserves"][0])))
    assert of_usdc == "Hf9gtkM4dpVBahVSzEXSVCAPpKzBsBcns3s8As3z77oF"
    assert pda(liquidity, b"rate_model", mints[0]) == "5pjzT5dFTsXcwixoab1QDLvZQvpYJxJeBphkyfHGn688"
    vault = ata(pda(liquidity, b"liquidity"), Address(described["tokens"]["USDC"]["address"]))
    assert vault == "BmkUoKMFYBxNSzWXyUjyMJjMAaVz4d8ZnxwwmhDCUXFB"


def test_the_pools_are_those_that_their_programs_derive(described: dict[str, Any]) -> None:
    """Orca's of its one configuration, by the ticks' spacing; Raydium's by the number of its own (big endian)."""
    mints = {symbol: key_bytes(Address(row["address"])) for symbol, row in described["tokens"].items()}

    def pair(one: str, other: str) -> tuple[bytes, bytes]:
        a, b = sorted((mints[one], mints[other]))
        return a, b

    (orca,) = described["exchanges"]
    made = ("SOL", "USDC", 4), ("USDC", "USDT", 1), ("SOL", "JitoSOL", 1), ("SOL", "mSOL", 1)
    assert orca["pools"] == [
        pda(Address(orca["program"]), b"whirlpool", key_bytes(ORCA_CONFIG), *pair(a, b), spacing.to_bytes(2, "little"))
        for a, b, spacing in made
    ]
    raydium, staked, _ = described["witnesses"]
    program = Address(raydium["program"])
    assert raydium["pools"] == [
        pda(program, b"pool", key_bytes(pda(program, b"amm_config", number.to_bytes(2, "big"))), *pair(a, b))
        for a, b, number in (("SOL", "USDC", 8), ("USDC", "USDT", 4))
    ]
    (pool,) = (row for row in described["protocols"] if row["name"] == "JitoSOL")
    assert (staked["program"], staked["pools"]) == (pool["program"], pool["pools"])
