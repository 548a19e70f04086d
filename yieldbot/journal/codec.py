"""Values of the model to JSON documents and back, without loss: token amounts as decimal text, other integers and
floats as JSON numbers, a float that is not finite as text ("inf").

``x_from_doc(x_to_doc(x)) == x`` for every value. A document of another shape raises ValueError, which names the member.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, chain_id
from yieldbot.model.plan import Allocation, Certificate, Exchanged, Leg, LegKind, MarketReason, Move, Plan
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Replaced, Reverted

Doc = dict[str, Any]


def part(doc: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    """The member ``name`` of a document. Raises ValueError where it is missing or not of type ``kind``."""
    if not (type(doc) is dict or isinstance(doc, Mapping)) or name not in doc:
        raise ValueError(f"document lacks {name!r}")
    value = doc[name]
    if type(value) is kind or (kind is Mapping and type(value) is dict):  # checks of abstract types are slow
        return value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise ValueError(f"{name!r} is of another type")
    return value


def integer(doc: Any, name: str) -> int:
    """The member ``name``, an integer written as decimal text. Raises ValueError otherwise."""
    return int(part(doc, name, str))


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def _float(doc: Any, name: str) -> float:
    return float(part(doc, name, (int, float, str)))


def token_to_doc(token: Token) -> Doc:
    """A token as a JSON document."""
    return {"chain": token.chain, "address": token.address, "symbol": token.symbol, "decimals": token.decimals}


def token_from_doc(doc: Any) -> Token:
    """The token in a document. Raises ValueError when it holds none."""
    return _token(
        part(doc, "chain", str), part(doc, "address", str), part(doc, "symbol", str), part(doc, "decimals", int)
    )


@lru_cache(maxsize=1024)
def _token(chain: str, address: str, symbol: str, decimals: int) -> Token:
    """Few tokens occur, in many rows."""
    return Token(chain_id(chain), Address(address), symbol, decimals)


def amount_to_doc(amount: Amount) -> Doc:
    """An amount as a JSON document."""
    return {"token": token_to_doc(amount.token), "raw": str(amount.raw)}


def amount_from_doc(doc: Any) -> Amount:
    """The amount in a document. Raises ValueError when it holds none."""
    return Amount(token_from_doc(part(doc, "token", Mapping)), integer(doc, "raw"))


def block_to_doc(block: BlockRef) -> Doc:
    """A block as a JSON document."""
    return {"chain": block.chain, "height": block.height, "hash": block.hash, "timestamp": block.timestamp}


def block_from_doc(doc: Any) -> BlockRef:
    """The block in a document. Raises ValueError when it holds none."""
    return BlockRef(
        chain_id(part(doc, "chain", str)),
        part(doc, "height", int),
        part(doc, "hash", str),
        part(doc, "timestamp", int),
    )


def deltas_to_doc(deltas: tuple[Delta, ...]) -> list[Doc]:
    """Balance changes as a list of JSON documents."""
    return [
        {"token": token_to_doc(delta.token), "raw": str(delta.raw)}
        | ({} if delta.least is None else {"least": str(delta.least)})
        for delta in deltas
    ]


def deltas_from_doc(docs: Any) -> tuple[Delta, ...]:
    """The balance changes in a list of documents. Raises ValueError when it holds none."""
    return tuple(
        Delta(
            token_from_doc(part(doc, "token", Mapping)),
            integer(doc, "raw"),
            integer(doc, "least") if "least" in doc else None,
        )
        for doc in docs
    )


def _leg_to_doc(leg: Leg) -> Doc:
    return {
        "kind": leg.kind.value,
        "market_id": leg.market_id,
        "amount": amount_to_doc(leg.amount),
        "all": leg.all,
        "gets": None if leg.gets is None else amount_to_doc(leg.gets),
        "ticks": None if leg.ticks is None else list(leg.ticks),
        "gives": None if leg.gives is None else amount_to_doc(leg.gives),
    }


def _leg_from_doc(doc: Any) -> Leg:
    return Leg(
        LegKind(part(doc, "kind", str)),
        MarketId(part(doc, "market_id", str)),
        amount_from_doc(part(doc, "amount", Mapping)),
        part(doc, "all", bool),
        None if doc.get("gets") is None else amount_from_doc(doc["gets"]),  # older rows have no such member
        _ticks(doc.get("ticks")),
        None if doc.get("gives") is None else amount_from_doc(doc["gives"]),
    )


def _ticks(found: Any) -> tuple[int, int] | None:
    if found is None:
        return None
    low, high = found
    return int(low), int(high)


def _move_to_doc(move: Move) -> Doc:
    return {
        "source": move.source,
        "target": move.target,
        "amount": amount_to_doc(move.amount),
        "gain_per_year": _number(move.gain_per_year),
        "cost": _number(move.cost),
        "break_even_days": None if move.break_even_days is None else _number(move.break_even_days),
        "reason": move.reason,
    }


def _move_from_doc(doc: Any) -> Move:
    days = part(doc, "break_even_days", (int, float, str, type(None)))
    return Move(
        MarketId(part(doc, "source", str)),
        MarketId(part(doc, "target", str)),
        amount_from_doc(part(doc, "amount", Mapping)),
        _float(doc, "gain_per_year"),
        _float(doc, "cost"),
        None if days is None else float(days),
        part(doc, "reason", str),
    )


def _reason_to_doc(reason: MarketReason) -> Doc:
    return {
        "market_id": reason.market_id,
        "apr_quoted": _number(reason.apr_quoted),
        "apr_after": _number(reason.apr_after),
        "marginal_apr": _number(reason.marginal_apr),
        "binding": reason.binding,
    }


def _reason_from_doc(doc: Any) -> MarketReason:
    return MarketReason(
        MarketId(part(doc, "market_id", str)),
        _float(doc, "apr_quoted"),
        _float(doc, "apr_after"),
        _float(doc, "marginal_apr"),
        part(doc, "binding", str),
    )


def _swap_to_doc(swap: Exchanged) -> Doc:
    return {
        "given": amount_to_doc(swap.given),
        "gets": amount_to_doc(swap.gets),
        "least": amount_to_doc(swap.least),
        "gas": swap.gas,
    } | ({"parts": swap.parts} if swap.parts != 1 else {})


def _swap_from_doc(doc: Any) -> Exchanged:
    given, gets, least = (amount_from_doc(part(doc, name, Mapping)) for name in ("given", "gets", "least"))
    return Exchanged(given, gets, least, part(doc, "gas", int), part(doc, "parts", int) if "parts" in doc else 1)


def _allocation_to_doc(allocation: Allocation) -> Doc:
    proof = allocation.certificate
    return {
        "targets": _amounts_to_doc(allocation.targets),
        "income_per_year": _number(allocation.income_per_year),
        "cost": _number(allocation.cost),
        "certificate": {
            "objective": _number(proof.objective),
            "upper_bound": _number(proof.upper_bound),
            "gap_bps": _number(proof.gap_bps),
            **({"glanced": proof.glanced} if proof.glanced else {}),
        },
        "shadow_price": _number(allocation.shadow_price),
        "reasons": [_reason_to_doc(reason) for reason in allocation.reasons],
        "swaps": [_swap_to_doc(swap) for swap in allocation.swaps],
        "later": _amounts_to_doc(allocation.later),
    }


def _allocation_from_doc(doc: Any) -> Allocation:
    proof = part(doc, "certificate", Mapping)
    glanced = part(proof, "glanced", int) if "glanced" in proof else 0
    return Allocation(
        _amounts_from_doc(part(doc, "targets", Mapping)),
        _float(doc, "income_per_year"),
        _float(doc, "cost"),
        Certificate(_float(proof, "objective"), _float(proof, "upper_bound"), _float(proof, "gap_bps"), glanced),
        _float(doc, "shadow_price"),
        tuple(_reason_from_doc(reason) for reason in part(doc, "reasons", list)),
        tuple(_swap_from_doc(swap) for swap in part(doc, "swaps", list)) if "swaps" in doc else (),  # older rows
        _amounts_from_doc(part(doc, "later", Mapping)) if "later" in doc else {},
    )


def _amounts_to_doc(amounts: Mapping[MarketId, Amount]) -> Doc:
    return {market_id: amount_to_doc(amount) for market_id, amount in amounts.items()}


def _amounts_from_doc(doc: Mapping[str, Any]) -> dict[MarketId, Amount]:
    return {MarketId(key): amount_from_doc(value) for key, value in doc.items()}


def plan_to_doc(plan: Plan) -> Doc:
    """A plan as a JSON document, whose members are named as the fields of ``Plan``."""
    return {
        "id": plan.id,
        "block": block_to_doc(plan.block),
        "owner": plan.owner,
        "moves": [_move_to_doc(move) for move in plan.moves],
        "legs": [_leg_to_doc(leg) for leg in plan.legs],
        "allocation": _allocation_to_doc(plan.allocation),
        "gain_per_year": _number(plan.gain_per_year),
        "cost": _number(plan.cost),
        "grade": plan.grade,
        "expires_at": plan.expires_at,
        "sold": None if plan.sold is None else amount_to_doc(plan.sold),
        "why": list(plan.why),
        "counts": list(plan.counts),
    }


def plan_from_doc(doc: Any) -> Plan:
    """The plan in a document. Raises ValueError when it holds none."""
    return Plan(
        id=part(doc, "id", str),
        block=block_from_doc(part(doc, "block", Mapping)),
        owner=Address(part(doc, "owner", str)),
        moves=tuple(_move_from_doc(move) for move in part(doc, "moves", list)),
        legs=tuple(_leg_from_doc(leg) for leg in part(doc, "legs", list)),
        allocation=_allocation_from_doc(part(doc, "allocation", Mapping)),
        gain_per_year=_float(doc, "gain_per_year"),
        cost=_float(doc, "cost"),
        grade=part(doc, "grade", int),
        expires_at=part(doc, "expires_at", int),
        sold=None if doc.get("sold") is None else amount_from_doc(part(doc, "sold", Mapping)),  # not in older rows
        why=_lines(doc, "why"),
        counts=_lines(doc, "counts"),
    )


def _lines(doc: Any, name: str) -> tuple[str, ...]:
    """The lines of a member; none where an older row lacks it."""
    found: list[Any] = part(doc, name, list) if name in doc else []
    if not all(isinstance(line, str) for line in found):
        raise ValueError(f"'{name}' holds something that is no text")
    return tuple(found)


def outcome_to_doc(outcome: Outcome) -> Doc:
    """An outcome as a JSON document."""
    match outcome:
        case Confirmed(hash, block, gas_used, gas_price_wei, deltas, fee_raw, request_id):
            return {
                "result": "confirmed",
                "hash": hash,
                "block": block_to_doc(block),
                "gas_used": gas_used,
                "gas_price_wei": str(gas_price_wei),
                "deltas": deltas_to_doc(deltas),
                **_fee_to_doc(fee_raw),
                **({} if request_id is None else {"request_id": str(request_id)}),
            }
        case Reverted(hash, block, gas_used, reason, fee_raw):
            return {
                "result": "reverted",
                "hash": hash,
                "block": block_to_doc(block),
                "gas_used": gas_used,
                "reason": reason,
                **_fee_to_doc(fee_raw),
            }
        case Expired(hash, reason):
            return {"result": "expired", "hash": hash, "reason": reason}
        case Replaced(hash, by):
            return {"result": "replaced", "hash": hash, "by": by}


def _fee_to_doc(fee_raw: int | None) -> Doc:
    return {} if fee_raw is None else {"fee_raw": str(fee_raw)}


def _fee_from_doc(doc: Any) -> int | None:
    return integer(doc, "fee_raw") if "fee_raw" in doc else None  # older rows have no such member


def outcome_from_doc(doc: Any) -> Outcome:
    """The outcome in a document. Raises ValueError when it holds none."""
    tx_hash = part(doc, "hash", str)
    match part(doc, "result", str):
        case "confirmed":
            return Confirmed(
                tx_hash,
                block_from_doc(part(doc, "block", Mapping)),
                part(doc, "gas_used", int),
                integer(doc, "gas_price_wei"),
                deltas_from_doc(part(doc, "deltas", list)),
                _fee_from_doc(doc),
                integer(doc, "request_id") if "request_id" in doc else None,
            )
        case "reverted":
            return Reverted(
                tx_hash,
                block_from_doc(part(doc, "block", Mapping)),
                part(doc, "gas_used", int),
                part(doc, "reason", str),
                _fee_from_doc(doc),
            )
        case "expired":
            return Expired(tx_hash, part(doc, "reason", str))
        case "replaced":
            return Replaced(tx_hash, part(doc, "by", (str, type(None))))
        case other:
            raise ValueError(f"unknown outcome {other!r}")
