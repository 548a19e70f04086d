"""The cluster's answers about its past, as Agave gives them: landed transactions, the transactions that name an
account, and the largest accounts of a mint, for which Agave keeps an index."""

from __future__ import annotations

import base64
from typing import Any

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from yieldbot.sandbox.solana.cluster import Cluster, ExecutedTx

TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
DEPTH = {"processed": 0, "confirmed": 1, "finalized": 2}
MOST_SIGNATURES, MOST_LARGEST = 1000, 20
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def signatures(cluster: Cluster, address: Address, options: dict[str, Any]) -> list[Any]:
    """The transactions that name an account, the newest first."""
    wanted = DEPTH[options.get("commitment", "finalized")]
    mine = [tx for tx in reversed(cluster.landed.values()) if address in tx.keys]
    mine = [tx for tx in mine if DEPTH[cluster.commitment(tx)] >= wanted]
    names = [tx.signature for tx in mine]
    start = names.index(options["before"]) + 1 if options.get("before") in names else 0
    end = names.index(options["until"]) if options.get("until") in names else len(names)
    return [
        {
            "signature": tx.signature,
            "slot": tx.slot,
            "err": tx.error,
            "memo": None,
            "blockTime": tx.at,
            "confirmationStatus": cluster.commitment(tx),
        }
        for tx in mine[start:end][: options.get("limit", MOST_SIGNATURES)]
    ]


def transaction(cluster: Cluster, signature: str, options: dict[str, Any]) -> Any:
    """One landed transaction; None: there is none with this signature at the requested commitment."""
    tx = cluster.landed.get(signature)
    wanted = options.get("commitment", "finalized")
    if tx is None or DEPTH[cluster.commitment(tx)] < DEPTH[wanted]:
        return None
    loaded = [str(key) for key in tx.keys[tx.static_keys :]]
    return {
        "slot": tx.slot,
        "blockTime": tx.at,
        "transaction": [base64.b64encode(tx.raw).decode(), "base64"],
        "version": 0,
        "meta": {
            "err": tx.error,
            "fee": tx.fee,
            "preBalances": [_lamports(tx.before[key]) for key in tx.keys],
            "postBalances": [_lamports(tx.after[key]) for key in tx.keys],
            "preTokenBalances": _token_balances(tx, tx.before),
            "postTokenBalances": _token_balances(tx, tx.after),
            "logMessages": list(tx.logs),
            "computeUnitsConsumed": tx.units,
            "loadedAddresses": {"writable": loaded, "readonly": []},
            "innerInstructions": _inner(tx),
        },
    }


def largest_accounts(cluster: Cluster, mint: str) -> list[Any]:
    """The token accounts with the largest balances of a mint."""
    found = []
    for program in TOKEN_PROGRAMS:
        for key, image in cluster.program_accounts(program).items():
            token = token_of(image)
            if token and token[0] == mint:
                found.append((token[2], key))
    return [{"address": key, "amount": str(raw)} for raw, key in sorted(found, reverse=True)[:MOST_LARGEST]]


def token_of(image: AccountImage | None) -> tuple[str, str, int] | None:
    """(mint, owner, amount) of a token account."""
    if image is None or image.program not in TOKEN_PROGRAMS or len(image.data) < 165:
        return None
    from solders.pubkey import Pubkey

    mint, owner = (str(Pubkey(image.data[at : at + 32])) for at in (0, 32))
    return mint, owner, int.from_bytes(image.data[64:72], "little")


def _lamports(image: AccountImage | None) -> int:
    return image.lamports if image else 0


def _inner(tx: ExecutedTx) -> list[Any]:
    return [
        {
            "index": index,
            "instructions": [
                {
                    "programIdIndex": program,
                    "accounts": list(accounts),
                    "data": _base58(data),
                    "stackHeight": depth,
                }
                for depth, program, accounts, data in group
            ],
        }
        for index, group in enumerate(tx.inner)
        if group
    ]


def _token_balances(tx: ExecutedTx, images: dict[Address, AccountImage | None]) -> list[Any]:
    rows = []
    for index, key in enumerate(tx.keys):
        token = token_of(images[key])
        if token is not None:
            mint, owner, amount = token
            rows.append({"accountIndex": index, "mint": mint, "owner": owner, "uiTokenAmount": {"amount": str(amount)}})
    return rows


def _base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = ALPHABET[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text
