"""Adapters without a chain: listing, parameters, words of reverts, capacity, what names from chains may do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from pydantic import ValidationError

from tests.kit import ROOT
from yieldbot.errors import MarketError
from yieldbot.math.aave import RAY, ReserveIndices
from yieldbot.math.comet import RateCurve
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, Market, Status
from yieldbot.model.reads import EthCall
from yieldbot.protocols import adapters, exchanges, liquidity, svm_adapters, svm_exchanges, svm_price_oracles
from yieldbot.protocols.evm.aave_v3 import Reserve
from yieldbot.protocols.evm.abi import abi, checksum, label

ABIS = sorted((ROOT / "abis").glob("*.json"))
CHAIN = ChainId("eip155:1")
USDC = Token(CHAIN, Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
ME = Address("0x1234567890AbcdEF1234567890aBcdef12345678")
BLOCK = BlockRef(CHAIN, 1, "0x" + "00" * 32, 1_700_000_000)
POOL, VAULT = (
    Address("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"),
    Address("0xBEEF01735c132Ada46AA9aA4c54623cAA92A64CB"),
)


def test_every_module_that_says_it_is_an_adapter_is_found() -> None:
    """By its file's text, so that one which the search leaves out is noticed."""
    rooms = {
        "evm": {"ADAPTER": adapters(), "EXCHANGE": exchanges(), "LIQUIDITY": liquidity()},
        "solana": {"ADAPTER": svm_adapters(), "EXCHANGE": svm_exchanges(), "PRICE_ORACLE": svm_price_oracles()},
    }
    for family, kinds in rooms.items():
        texts = [file.read_text() for file in (ROOT / "yieldbot/protocols" / family).glob("*.py")]
        for kind, known in kinds.items():
            said = [text for text in texts if re.search(rf"^.*\b{kind}\b.* = ", text, re.MULTILINE)]
            assert len(said) == len(known) > 0
            assert list(known) == sorted(known)


def test_listing_adapters_imports_nothing_heavy() -> None:
    code = "import sys; from yieldbot.protocols import adapters; adapters(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not [name for name in ("web3", "eth_abi", "pandas", "sqlalchemy", "numpy") if f"'{name}'" in done.stdout]


@pytest.mark.parametrize("file", ABIS, ids=lambda file: file.stem)
def test_an_abi_holds_only_what_is_called(file: Path) -> None:
    """Each function's name stands in the code; no function twice; each entry is in the standard form."""
    code = "".join(p.read_text() for p in (ROOT / "yieldbot").rglob("*.py"))
    entries = json.loads(file.read_text())
    if isinstance(entries, dict):  # a Solana program's layouts
        told = {"refresh_reserve"}  # never built by us; `decode` tells it of others' transactions
        assert [name for name in entries["instructions"] if f'"{name}"' not in code and name not in told] == []
        return
    functions = [entry["name"] for entry in entries if entry["type"] == "function"]
    assert len(functions) == len(set(functions))
    assert {entry["type"] for entry in entries} <= {"function", "error", "event"}
    assembled = ("Kink", "PerSecondInterestRate")  # Comet's names are put together from side and part
    unused = [
        f for f in functions if f'"{f}"' not in code and f"{f}(" not in code and not any(a in f for a in assembled)
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("name", "function", "signature"),
    [
        ("aave_v3", "supply", "supply(address,uint256,address,uint16)"),
        ("aave_v3", "withdraw", "withdraw(address,uint256,address)"),
        ("aave_v30", "OPTIMAL_USAGE_RATIO", "OPTIMAL_USAGE_RATIO()"),
        ("aave_v30", "getSupplyData", "getSupplyData()"),
        ("compound_v3", "withdraw", "withdraw(address,uint256)"),
        ("erc4626", "redeem", "redeem(uint256,address,address)"),
        (
            "morpho_blue",
            "supply",
            "supply((address,address,address,address,uint256),uint256,uint256,address,bytes)",
        ),
    ],
)
def test_selectors(name: str, function: str, signature: str) -> None:
    assert abi(name).selector(function) == keccak(text=signature)[:4]


@pytest.mark.parametrize(
    ("protocol", "data", "words"),
    [
        ("aave_v3", keccak(text="SupplyCapExceeded()")[:4], "SupplyCapExceeded"),
        ("compound_v3", keccak(text="Paused()")[:4], "Paused"),
        (
            "erc4626",
            keccak(text="ERC4626ExceededMaxDeposit(address,uint256,uint256)")[:4]
            + encode(["address", "uint256", "uint256"], [ME, 7, 5]),
            f"ERC4626ExceededMaxDeposit(receiver {ME.lower()}, assets 7, max 5)",
        ),
        (
            "morpho_blue",
            bytes.fromhex("08c379a0") + encode(["string"], ["insufficient liquidity"]),
            "insufficient liquidity",
        ),
        ("aave_v3", bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]), "panic 0x11"),
        ("aave_v3", bytes.fromhex("08c379a0") + encode(["string"], ["51"]), "SUPPLY_CAP_EXCEEDED (51)"),
        ("aave_v3", bytes.fromhex("08c379a0") + encode(["string"], ["510"]), "510"),
        ("aave_v3", b"", None),
        ("aave_v3", b"\xde\xad\xbe\xef", None),
        ("erc4626", bytes.fromhex("08c379a0") + b"\xff" * 7, None),
    ],
)
def test_reverts_in_words(protocol: str, data: bytes, words: str | None) -> None:
    assert adapters()[protocol].explain_revert(data) == words


@pytest.mark.parametrize(
    ("flavour", "given", "missing"),
    [("metamorpho", {"morpho": VAULT}, "irm"), ("stata", {}, "pool and data_provider"), ("other", {}, "flavour")],
)
def test_a_vault_without_its_parameters_is_refused(flavour: str, given: dict[str, str], missing: str) -> None:
    schema = adapters()["erc4626"].params
    with pytest.raises(ValidationError, match=missing):
        schema.model_validate({"flavour": flavour, "vaults": [VAULT], **given})
    with pytest.raises(ValidationError, match="lookback_blocks"):
        schema.model_validate({"flavour": "generic", "vaults": [VAULT], "lookback_blocks": 0})


def reserve(cap: int, *, treasury: int = 0, rate_ray: int = 0) -> Reserve:
    """A reserve of 1,000 USDC, 900 of them lent."""
    indices = ReserveIndices(RAY, RAY, rate_ray, rate_ray, 0, 1_000 * 10**6, 900 * 10**6, treasury, 1_000)
    return Reserve(indices, 100 * 10**6, 0, cap, ((0.0, 0.0), (0.8, 0.05), (1.0, 0.6)), Status.ACTIVE)


def test_aave_headroom_counts_the_treasury_and_an_hour_of_interest() -> None:
    assert reserve(0).capacity_raw(USDC) is None
    assert reserve(1_500).capacity_raw(USDC) == 500 * 10**6 - 1
    assert reserve(1_500, treasury=20 * 10**6).capacity_raw(USDC) == 480 * 10**6 - 1
    growing = reserve(1_500, rate_ray=RAY // 10).capacity_raw(USDC)
    hour = 1_000 * 10**6 * 0.1 * 3600 / 31_536_000
    assert growing is not None
    assert (
        1.0 <= (500 * 10**6 - 1 - growing) / hour <= 1.2
    )  # the treasury's tenth of the borrowers' interest comes on top
    assert reserve(1_000).capacity_raw(USDC) == 0


def test_aave_flags() -> None:
    assert reserve(0).flags(USDC) == ("above-kink",)
    assert reserve(1_000).flags(USDC) == ("above-kink", "at-cap")
    frozen = replace(reserve(0), status=Status.FROZEN, cash_raw=10 * 10**6, deficit_raw=5)
    assert frozen.flags(USDC) == ("above-kink", "frozen", "thin-liquidity", "deficit")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (encode(["string"], ["mmUSDC"]), "mmUSDC"),
        (b"MKR".ljust(32, b"\0"), "MKR"),
        (encode(["string"], ["\x1b[2Jevil\n" + "x" * 50]), "[2Jevil" + "x" * 17),
        (encode(["string"], ["中文"]), None),
        (b"", None),
        (b"\xff" * 64, None),
    ],
)
def test_names_that_contracts_give_themselves(answer: bytes, shown: str | None) -> None:
    assert label(answer) == shown


def test_a_missing_reserve_is_said_plainly() -> None:
    deployment = Deployment("aave_v3", CHAIN, "Aave v3", {"pool": POOL, "data_provider": VAULT}, (USDC,))
    flow = adapters()["aave_v3"].discover(deployment)
    assert len(next(flow)) == 2
    zero = encode(["address"], ["0x" + "00" * 20])
    reads = flow.send([zero * 3, zero])
    assert [type(read) for read in reads] == [EthCall]
    with pytest.raises(MarketError, match="knows no reserve of USDC"):
        flow.send([encode(["uint256"] * 4, [0, 0, 0, 0])])


def test_a_comet_of_another_asset_is_refused() -> None:
    deployment = Deployment("compound_v3", CHAIN, "Compound v3", {"comet": POOL}, (USDC,))
    flow = adapters()["compound_v3"].discover(deployment)
    reads = next(flow)
    answers = [encode(["address"], [VAULT])] + [encode(["uint256"], [1])] * (len(reads) - 1)
    with pytest.raises(MarketError, match=f"lends {VAULT}"):
        flow.send(answers)


def comet_state(pause_flags: int) -> tuple[Status, tuple[str, ...]]:
    curve = (9 * 10**17, 0, 10**9, 10**10)
    market = Market(
        id=MarketId(f"compound_v3/1/{POOL.lower()}"),
        protocol="compound_v3",
        kind=Kind.LENDING,
        chain=CHAIN,
        name="Compound v3",
        asset=USDC,
        address=POOL,
        params={"supply_curve": curve, "borrow_curve": curve},
    )
    flow = adapters()["compound_v3"].observe(market, ME, BLOCK)
    next(flow)
    totals = encode(["uint256"] * 8, [10**15, 10**15, 0, 0, 10**12, 96 * 10**10, BLOCK.timestamp, pause_flags])
    with pytest.raises(StopIteration) as done:
        flow.send([totals, encode(["uint256"], [0]), encode(["uint256"], [4 * 10**10])])
    return done.value.value.status, done.value.value.flags


def test_comets_pause_flags() -> None:
    assert comet_state(0) == (Status.ACTIVE, ("above-kink", "thin-liquidity"))
    assert comet_state(0b1) == (Status.FROZEN, ("above-kink", "frozen", "thin-liquidity"))
    assert comet_state(0b101) == (Status.PAUSED, ("above-kink", "paused", "thin-liquidity"))
    assert comet_state(0b11010) == (Status.ACTIVE, ("above-kink", "thin-liquidity"))  # other actions' pauses


def test_addresses_are_given_in_checksum_form() -> None:
    assert checksum(USDC.address.lower()) == USDC.address
    assert Amount(USDC, 12_000 * 10**6).token == USDC


@pytest.mark.parametrize(
    ("utilisation", "rate"),
    [
        (0, 7),
        (5 * 10**17, 500_000_007),
        (9 * 10**17, 900_000_007),
        (95 * 10**16, 1_400_000_007),
        (10**18, 1_900_000_007),
    ],
)
def test_comets_rate_below_at_and_above_the_kink(utilisation: int, rate: int) -> None:
    assert RateCurve(kink=9 * 10**17, base=7, slope_low=10**9, slope_high=10**10).rate(utilisation) == rate
