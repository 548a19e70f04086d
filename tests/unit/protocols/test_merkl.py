"""Merkl's answers, made by hand after its documentation: read strictly, and believed only where the root on the chain
proves them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.kit import incentives
from tests.kit.market_builder import CHAIN, OWNER, snapshot
from yieldbot.chains.evm.merkl import with_rewards
from yieldbot.errors import MarketError
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.merkl import Leaf, leaves, merkl_claim, merkl_rewards, merkl_targets, root_of

TOKEN = "0x58D97B57BB95320F9a05dC918Aef65434969c2B2"
DISTRIBUTOR = Address("0x3Ef3D8bA38EBe18DB133cEc108f4D14CE00Dd9Ae")
TOTAL = 123_456_789_000_000_000_000
OTHERS = [incentives.leaf("0x" + f"{i:040x}", TOKEN, i * 10**18) for i in range(1, 6)]
ROOT, PROOFS = incentives.tree([*OTHERS[:2], incentives.leaf(OWNER, TOKEN, TOTAL), *OTHERS[2:]])


def entry(**changes: Any) -> dict[str, Any]:
    said = {
        "root": "0x" + ROOT.hex(),
        "recipient": OWNER,
        "amount": str(TOTAL),
        "claimed": "0",
        "pending": "5",
        "proofs": ["0x" + node.hex() for node in PROOFS[2]],
        "token": {"address": TOKEN.lower(), "chainId": 1, "symbol": "MORPHO", "decimals": 18, "price": 1.9},
        "breakdowns": [],
    }
    return said | changes


def told(*rewards: dict[str, Any], chain: int = 1) -> tuple[Leaf, ...]:
    return leaves(incentives.answer(chain, list(rewards)), 1, OWNER)


def test_a_leaf_leads_to_the_root_as_the_distributor_computes_it() -> None:
    (leaf,) = told(entry())
    assert leaf.token == TOKEN and leaf.proof.total_raw == TOTAL
    assert keccak(encode(["address", "address", "uint256"], [OWNER, TOKEN, TOTAL])) == incentives.leaf(
        OWNER, TOKEN, TOTAL
    )
    assert root_of(OWNER, leaf) == ROOT
    for wrong in (told(entry(amount=str(TOTAL + 1))), told(entry(proofs=entry()["proofs"][:-1]))):
        assert root_of(OWNER, wrong[0]) != ROOT


def test_what_is_of_another_chain_or_recipient_is_left_out() -> None:
    assert told(entry(), chain=8453) == ()
    assert told(entry(recipient="0x" + "12" * 20)) == ()
    assert leaves([], 1, OWNER) == ()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        "text",
        {"error": "x"},
        [3],
        [{"chain": {"id": 1}}],
        [{"chain": {"id": "x"}, "rewards": []}],
        *(
            incentives.answer(1, [entry(**changes)])
            for changes in (
                {"amount": "-1"},
                {"amount": "0"},
                {"amount": "x"},
                {"amount": str(2**208)},
                {"proofs": ["0x12"]},
                {"proofs": None},
                {"proofs": ["0x" + "00" * 32] * 65},
                {"token": {}},
                {"token": {"address": "0x12"}},
            )
        ),
        incentives.answer(1, [entry()] * 33),
    ],
)
def test_any_other_shape_is_an_error_in_words(answer: object) -> None:
    with pytest.raises(MarketError, match="Merkl's answer"):
        leaves(answer, 1, OWNER)


def run(found: tuple[Leaf, ...], root: bytes, claimed: int = 0, decimals: bytes = (18).to_bytes(32, "big")) -> Any:
    flow = merkl_rewards(CHAIN, DISTRIBUTOR, found, OWNER)
    reads = next(flow)
    assert len(reads) == 1 + 4 * len(found)
    paid = claimed.to_bytes(32, "big") + bytes(64)
    about = [paid, decimals, encode(["string"], ["MORPHO"]), (7).to_bytes(32, "big")]
    with pytest.raises(StopIteration) as done:
        flow.send([root, *(about * len(found))])
    return done.value.value


def test_what_the_root_proves_less_what_was_paid_can_be_claimed() -> None:
    (reward,), flags = run(told(entry()), ROOT, claimed=TOTAL - 5)
    assert flags == () and reward.claimable.raw == 5 and reward.in_wallet.raw == 7
    assert (reward.token.symbol, reward.token.decimals, reward.raw_per_second) == ("MORPHO", 18, 0.0)
    (call,) = merkl_claim(reward, OWNER)
    assert call.data[:4] in merkl_targets(reward)[call.to] and call.to == DISTRIBUTOR and call.allowance is None
    assert call.data == abi("merkl").encode("claim", [OWNER], [TOKEN], [TOTAL], [PROOFS[2]])
    (paid,), _ = run(told(entry()), ROOT, claimed=TOTAL)
    assert paid.claimable.raw == 0


def test_what_no_root_proves_is_flagged_and_counts_nothing() -> None:
    assert run(told(entry(amount=str(TOTAL * 2))), ROOT) == ((), ("merkl-not-proven",))
    assert run(told(entry()), bytes(32)) == ((), ("merkl-not-proven",))
    assert run(told(entry()), ROOT, decimals=b"") == ((), ("merkl-not-read",))


def test_no_answer_flags_the_wallet_and_nothing_else() -> None:
    idle = next(iter(snapshot(5.0).states.values()))
    for none in (None, MarketError("no contract")):
        flagged = with_rewards(idle, none)
        assert flagged.flags == ("merkl-not-read",) and replace(flagged, flags=()) == idle
    assert with_rewards(idle, ((), ())) == idle
