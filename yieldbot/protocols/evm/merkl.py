"""Merkl's distributions: leaves from its API, which are believed only if they prove against the root on the chain.

Source: Merkl's Distributor (getMerkleRoot, claimed, claim): a leaf is keccak256(abi.encode(user, token, amount)), the
amount being all that was ever earned; pairs of nodes are hashed in ascending order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.gas import CLAIMS
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Proof, Reward
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.abi import abi, checksum, label, short
from yieldbot.protocols.reads import Reads

UNREAD, UNPROVEN = "merkl-not-read", "merkl-not-proven"
MOST_LEAVES = 32
MOST_SIBLINGS = 64
"""Most siblings in a proof: a tree of 2^64 leaves."""
MOST_RAW = 2**208
"""Largest amount that the Distributor can record as claimed."""

Found = tuple[tuple[Reward, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of Merkl's tree that the API states for our wallet."""

    token: Address
    """The token."""
    proof: Proof
    """Total amount ever earned, and the path to the root."""


def leaves(document: object, chain_number: int, owner: Address) -> tuple[Leaf, ...]:
    """The leaves of an API answer (v4/users/{address}/rewards) for one chain. Raises MarketError for a malformed one.

    Entries for other chains, or for another recipient, are left out. The leaves are not proven yet.
    """
    try:
        found = [
            leaf
            for entry in _list(document)
            if int(entry["chain"]["id"]) == chain_number
            for reward in _list(entry["rewards"])
            if (leaf := _leaf(reward, owner)) is not None
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise MarketError("Merkl's answer cannot be read: it does not have the expected form") from None
    if len(found) > MOST_LEAVES:
        raise MarketError(f"Merkl's answer has {len(found)} rewards")
    return tuple(found)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _leaf(reward: Any, owner: Address) -> Leaf | None:
    if str(reward.get("recipient", owner)).lower() != owner.lower():
        return None
    total_raw, siblings = int(reward["amount"]), [_bytes32(text) for text in reward["proofs"]]
    if not 0 < total_raw < MOST_RAW or len(siblings) > MOST_SIBLINGS:
        raise ValueError("an impossible amount or proof")
    return Leaf(checksum(reward["token"]["address"]), Proof(total_raw, tuple(siblings)))


def _bytes32(text: str) -> bytes:
    found = bytes.fromhex(text.removeprefix("0x"))
    if len(found) != 32:
        raise ValueError(f"{len(found)} bytes are no node")
    return found


def root_of(owner: Address, leaf: Leaf) -> bytes:
    """The root that the leaf's siblings lead to."""
    words = (bytes(12) + bytes.fromhex(owner[2:]), bytes(12) + bytes.fromhex(leaf.token[2:]))
    node = bytes(keccak(b"".join(words) + leaf.proof.total_raw.to_bytes(32, "big")))
    for sibling in leaf.proof.siblings:
        node = bytes(keccak(b"".join(sorted((node, sibling)))))
    return node


def merkl_rewards(chain: ChainId, distributor: Address, proofs: Sequence[Leaf], owner: Address) -> Flow[Found]:
    """What can be claimed now of the leaves that the Distributor's root proves, minus what was claimed already: one
    round.

    A leaf that no root proves, or a token without its standard functions, is flagged and left out.
    """
    merkl, erc20 = abi("merkl"), abi("erc20")
    reads = Reads()
    root = reads.add(merkl.read(distributor, "getMerkleRoot"))
    rows = [
        (
            leaf,
            reads.add(merkl.read(distributor, "claimed", owner, leaf.token, optional=True)),
            reads.add(erc20.read(leaf.token, "decimals", optional=True)),
            reads.add(erc20.read(leaf.token, "symbol", optional=True)),
            reads.add(erc20.read(leaf.token, "balanceOf", owner, optional=True)),
        )
        for leaf in proofs
    ]
    yield from reads.made()
    found: list[Reward] = []
    flags: set[str] = set()
    for leaf, paid, decimals, symbol, wallet in rows:
        if root_of(owner, leaf) != root.data:
            flags.add(UNPROVEN)
            continue
        try:
            places = erc20.one("decimals", decimals.data)
            token = Token(chain, leaf.token, label(symbol.data) or short(leaf.token), places)
            claimed_raw, in_wallet = merkl.one("claimed", paid.data), Amount(token, erc20.one("balanceOf", wallet.data))
        except Exception:  # a contract may answer anything
            flags.add(UNREAD)
            continue
        found.append(
            Reward(
                token=token,
                claimable=Amount(token, max(0, leaf.proof.total_raw - claimed_raw)),
                in_wallet=in_wallet,
                raw_per_second=0.0,
                ends_at=None,
                others=0.0,
                distributor=distributor,
                gas=CLAIMS["merkl"],
                proof=leaf.proof,
            )
        )
    return tuple(found), tuple(sorted(flags))


def merkl_claim(reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
    """The claim of one token's leaf; the Distributor pays the unpaid part to the user of the leaf."""
    if reward.proof is None:
        return ()
    data = abi("merkl").encode(
        "claim", [owner], [reward.token.address], [reward.proof.total_raw], [list(reward.proof.siblings)]
    )
    words = f"claim {reward.claimable} from Merkl's distributor for {short(owner)}"
    return (EvmCall(reward.distributor, data, 0, words),)


def merkl_targets(reward: Reward) -> dict[Address, frozenset[bytes]]:
    """The Distributor that the chain's file names, and only its ``claim``."""
    return {reward.distributor: frozenset({abi("merkl").selector("claim")})} if reward.proof is not None else {}
