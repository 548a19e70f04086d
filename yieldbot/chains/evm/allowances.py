"""Lists the allowances that an account has given. Candidates are its Approval events, and every listed token with every
contract of the chain's file; each one is then read from the token.

EIP-20's ``Approval(address indexed owner, address indexed spender, uint256 value)``. Events prove nothing by themselves
(a token may spend an allowance without an event, or emit false ones), so only what ``allowance`` returns at one block
is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
from yieldbot.chains.evm.erc20 import DECIMALS, SYMBOL, text_of
from yieldbot.chains.evm.execution.balances import ALLOWANCE, APPROVAL_TOPIC, abi_word
from yieldbot.chains.evm.execution.erc7730 import clean
from yieldbot.chains.evm.logs import read_logs
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.settings import ChainSettings


async def find(
    node: Node,
    settings: ChainSettings,
    owner: Address,
    names: Mapping[str, str],
    *,
    since: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> AllowanceList:
    """Every allowance that is not zero. names: contracts' names by lower-case address.

    Raises TransientError when the node serves no events at all.
    """
    from eth_utils.address import to_checksum_address

    block = await node.block()
    approvals, complete, cut = await _approvals(node, owner, since, block.height, say)
    tokens = [token.address for token in settings.tokens.values()]
    contracts = [Address(str(to_checksum_address(name))) for name in names]
    listed_pairs = [(token, spender) for token in tokens for spender in contracts if spender not in tokens]
    pairs: dict[tuple[Address, Address], int | None] = dict.fromkeys(listed_pairs) | dict(approvals)
    flows = [_allowance(settings, token, owner, spender) for token, spender in pairs]
    given: list[GrantedAllowance] = []
    unread: list[tuple[Address, Address, str]] = []
    for ((token, spender), at), answer in zip(pairs.items(), await node.run(flows, block), strict=True):
        if isinstance(answer, MarketError):
            unread.append((token, spender, str(answer)))
        elif answer[1]:
            found, raw = answer
            listed = any(found == one for one in settings.tokens.values())
            given.append(GrantedAllowance(found, spender, raw, listed, names.get(spender.lower()), at))
    given.sort(key=lambda one: (not one.listed, one.token.address, one.spender))
    return AllowanceList(block, complete, tuple(given), tuple(unread), cut)


async def _approvals(
    node: Node, owner: Address, first: int, last: int, say: Callable[[str], None]
) -> tuple[dict[tuple[Address, Address], int], int, str | None]:
    """((token, spender) of each of our Approval events with its last height; the height from which they are complete;
    why they are not complete from ``first``, or None)."""
    mine = "0x" + abi_word(owner).hex()
    wanted = {"topics": [APPROVAL_TOPIC, mine]}
    read = await read_logs(node, [wanted], first, last, lambda line: say(f"{owner}: {line}"))
    return pairs_in(list(read.logs[0]), mine), read.since, read.cut


def pairs_in(logs: Any, owner_topic: str) -> dict[tuple[Address, Address], int]:
    """(token, spender) of well-formed EIP-20 Approval events, with their height. Others are skipped: an NFT's event has
    one more topic, a hostile contract's may have any shape. Pure."""
    from eth_utils.address import to_checksum_address

    found: dict[tuple[Address, Address], int] = {}
    for log in logs if isinstance(logs, list) else ():
        try:
            topics = [str(topic).lower() for topic in log["topics"]]
            if len(topics) != 3 or topics[:2] != [APPROVAL_TOPIC, owner_topic] or len(str(log["data"])) != 66:
                continue
            token = Address(str(to_checksum_address(log["address"])))
            spender = Address(str(to_checksum_address("0x" + topics[2][-40:])))
            found[token, spender] = max(int(log["blockNumber"], 16), found.get((token, spender), 0))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _allowance(settings: ChainSettings, address: Address, owner: Address, spender: Address) -> Flow[tuple[Token, int]]:
    """Reads one allowance: (the token, with its own symbol and decimals if chains/*.toml does not list it; base
    units)."""
    allowed, symbol, decimals = yield [
        EthCall(address, ALLOWANCE + abi_word(owner) + abi_word(spender)),
        EthCall(address, SYMBOL, optional=True),
        EthCall(address, DECIMALS, optional=True),
    ]
    raw = int.from_bytes(allowed[:32], "big")
    for token in settings.tokens.values():
        if token.address == address:
            return token, raw
    places = int.from_bytes(decimals[-32:], "big") if decimals else 0
    return Token(settings.chain, address, _name(symbol) or address, places if places <= 36 else 0), raw


def _name(data: bytes) -> str:
    """A token's own symbol, at most 16 characters of it: an unlisted token may return anything."""
    return clean(text_of(data))[:16].strip()
