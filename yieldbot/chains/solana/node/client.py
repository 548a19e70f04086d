"""One Solana node over JSON-RPC: accounts, transactions and their status, and running adapters' flows against it.

Solana cannot be read at a past slot as an EVM chain can at a past block. Each answer names its slot; the answers of one
snapshot must be of slots within the chain's ``max_slot_skew``, else everything is read again.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from yieldbot.chains.solana.node.answers import AccountImage, Blockhash, Landed, Simulated, answer_of
from yieldbot.chains.solana.node.transport import Provider
from yieldbot.errors import ConfigError, MarketError, NodeRefused, TransientError
from yieldbot.model import bounds
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, svm_chain
from yieldbot.model.reads import Flow, Read, SvmAccount, SvmLamports
from yieldbot.rpc.counting import OTHER
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.lockstep import Answer, run
from yieldbot.rpc.sizes import Size, size_of
from yieldbot.rpc.together import together

T = TypeVar("T")

ACCOUNTS_A_REQUEST = 100
"""Most accounts of one getMultipleAccounts; some providers' plans allow only 5 (rpc/sizes.py)."""
AT_ONCE = 8
"""Requests for accounts made at the same time. One after the other, their slots would be too far apart."""
REFUSED_ALONE = 8
"""Once this many single accounts are refused before any is answered, the node is assumed to serve none."""
MOST_U64 = 2**64
LONGEST_HASH = 44
"""Characters of 32 bytes in base58 at most."""
CLOCK = Address("SysvarC1ock11111111111111111111111111111111")
MIN_CONTEXT_SLOT_NOT_REACHED = -32016
"""The JSON-RPC error code of a node that has not reached the slot requested."""


class SlotSkew(TransientError):
    """The answers of one snapshot have slots that are too far apart; another try may succeed."""


class Node:
    """One JSON-RPC endpoint of a Solana cluster."""

    def __init__(
        self,
        chain: ChainId,
        url: str,
        *,
        commitment: str = "confirmed",
        max_slot_skew: int = 16,
        timeout_seconds: float = 10.0,
        setting: str = "the RPC address",
        name: str = OTHER,
    ) -> None:
        self.chain = chain
        self.commitment = commitment
        self.max_slot_skew = max_slot_skew
        self.features: Any = None
        """The runtime features that the cluster has activated (node/fork.py, ``features``); None until they are
        fetched."""
        self.endpoint = Endpoint(url, timeout_seconds=timeout_seconds, setting=setting, name=name, provider=Provider)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.chain}, {self.host})"

    @property
    def host(self) -> str:
        """The endpoint's host, for messages."""
        return self.endpoint.host

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the node can be used again afterwards."""
        await self.endpoint.aclose()

    def size(self, what: str, most: int) -> Size:
        """How many items of the kind ``what`` the endpoint accepts in one request (rpc/sizes.py), ``most`` at first."""
        return size_of((self.endpoint,), what, most)

    async def request(self, method: str, params: list[Any]) -> Any:
        """The result of one JSON-RPC request. Raises as ``Endpoint.request``, and SlotSkew if the node has not reached
        the slot requested."""
        try:
            return await self.endpoint.request(method, params)
        except NodeRefused as refusal:
            if refusal.code == MIN_CONTEXT_SLOT_NOT_REACHED:
                raise SlotSkew(f"{self.host} is behind a slot that was observed before") from None
            raise

    async def verify_chain(self) -> None:
        """Raise ConfigError when the node serves another cluster than ours."""
        genesis = str(await self.request("getGenesisHash", []))
        if svm_chain(genesis) != self.chain:
            raise ConfigError(
                f"{self.endpoint.setting}: the node at {self.host} serves {svm_chain(genesis)}, not {self.chain}: "
                "put the right cluster's URL there"
            )

    async def block(self) -> BlockRef:
        """The newest slot at our commitment, with its blockhash and the time of the chain's clock."""
        newest = await self.blockhash()
        ((slot, (clock,)),) = (await self.accounts_at([CLOCK], newest.slot),)
        if clock is None or len(clock.data) < 40:
            raise TransientError(f"{self.host} has no clock")
        (written,) = struct.unpack_from("<q", clock.data, 32)
        if not 0 < written < bounds.LATEST_TIME:
            raise TransientError(f"{self.host} has a clock that says {written}, which is no time")
        return BlockRef(self.chain, slot, newest.hash, written)

    async def blockhash(self) -> Blockhash:
        """The newest blockhash at our commitment."""
        slot, answer = self._context(
            await self.request("getLatestBlockhash", [{"commitment": self.commitment}]), "getLatestBlockhash"
        )
        try:
            height = self._integer(answer["lastValidBlockHeight"], "getLatestBlockhash")
            return Blockhash(str(answer["blockhash"])[:LONGEST_HASH], height, slot)
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("getLatestBlockhash") from None

    async def height(self, commitment: str | None = None) -> int:
        """The block height (which is not the slot) at a commitment, by default ours."""
        return self._integer(
            await self.request("getBlockHeight", [{"commitment": commitment or self.commitment}]), "getBlockHeight"
        )

    async def accounts_at(
        self, addresses: Sequence[Address], least_slot: int = 0
    ) -> tuple[int, list[AccountImage | None]]:
        """(newest slot among the answers, accounts in the order of ``addresses``, None for a missing one).

        least_slot: the node must have reached it. Raises SlotSkew if the answers' slots are too far apart.
        """
        newest, found = await self._images(addresses, least_slot)
        for one in found:
            if isinstance(one, NodeRefused):
                raise one
        return newest, [one for one in found if not isinstance(one, NodeRefused)]

    async def _images(
        self, addresses: Sequence[Address], least_slot: int
    ) -> tuple[int, list[AccountImage | NodeRefused | None]]:
        """``accounts_at``, with the node's refusal instead of a single account that it refuses. Raises NodeRefused if
        REFUSED_ALONE are refused before any is answered."""
        size = self.size("getMultipleAccounts", ACCOUNTS_A_REQUEST)
        found: list[AccountImage | NodeRefused | None] = []
        slots: list[int] = []
        while len(found) < len(addresses):
            width = size.now
            rest = addresses[len(found) :]
            parts = [rest[start : start + width] for start in range(0, len(rest), width)]
            if not slots and size.refused is not None and size.works == 0:
                parts = parts[:1]  # no size is known to work yet: try one request
            answers = await together([partial(self._answered, part, least_slot) for part in parts], AT_ONCE)
            for part, answer in zip(parts, answers, strict=True):
                if isinstance(answer, NodeRefused):
                    if len(part) > 1:
                        size.refuse(len(part))
                        break  # request the rest again, in smaller parts
                    size.not_for_its_size()
                    if not slots and len(found) >= REFUSED_ALONE:
                        raise answer
                    found.append(answer)
                    continue
                if size.refused is not None:
                    size.worked(len(part))
                slots.append(answer[0])
                found += answer[1]
        if slots and (skew := max(slots) - min(*slots, least_slot or slots[0])) > self.max_slot_skew:
            raise SlotSkew(f"{self.host}: {skew} slots lie between the accounts of one snapshot")
        return max(slots, default=least_slot), found

    async def heads(self, addresses: Sequence[Address], length: int) -> dict[Address, AccountImage | None]:
        """Accounts by address, with only the first ``length`` bytes of their data: the code of programs is long."""
        answers = await together([partial(self._answered, (one,), 0, length) for one in addresses], AT_ONCE)
        found: dict[Address, AccountImage | None] = {}
        for address, answer in zip(addresses, answers, strict=True):
            if isinstance(answer, NodeRefused):
                raise answer
            found[address] = answer[1][0]
        return found

    async def _answered(
        self, part: Sequence[Address], least_slot: int, length: int | None = None
    ) -> tuple[int, list[AccountImage | None]] | NodeRefused:
        """One request for accounts: (slot, accounts), or the node's refusal. length: bytes of each account's data;
        None: all."""
        options: dict[str, Any] = {"encoding": "base64", "commitment": self.commitment, "minContextSlot": least_slot}
        if length is not None:
            options["dataSlice"] = {"offset": 0, "length": length}
        try:
            answer = await self.request("getMultipleAccounts", [list(part), options])
        except NodeRefused as refusal:
            return refusal
        slot, images = self._context(answer, "getMultipleAccounts")
        if not isinstance(images, list) or len(images) != len(part):
            raise self._nonsense("getMultipleAccounts")
        return slot, [self._image(one) for one in images]

    async def accounts(self, addresses: Sequence[Address]) -> dict[Address, AccountImage | None]:
        """Accounts by address, at slots within ``max_slot_skew``."""
        _, found = await self.accounts_at(addresses)
        return dict(zip(addresses, found, strict=True))

    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        """Run all flows in lockstep from slot ``block`` on; each account of a round is fetched once.

        Returns each flow's return value, or the MarketError that ended it, in the flows' order. Raises TransientError
        when the node fails, SlotSkew when the rounds are too many slots after ``block``: then no flow has a result.
        """

        served = False

        async def answer(reads: Sequence[Read]) -> Sequence[Answer]:
            nonlocal served
            wanted = list(dict.fromkeys(read.address for read in reads if isinstance(read, SvmAccount | SvmLamports)))
            slot, images = await self._images(wanted, block.height)
            if slot - block.height > self.max_slot_skew:
                raise SlotSkew(f"{self.host}: {slot - block.height} slots passed while one snapshot was read")
            refused = [one for one in images if isinstance(one, NodeRefused)]
            if refused and not served and len(refused) == len(images):
                raise refused[0]  # not one account is refused, but all: the node serves none
            served = True
            known = dict(zip(wanted, images, strict=True))
            return [answer_of(read, known) for read in reads]

        return await run(flows, answer)

    async def send(self, raw: bytes) -> str:
        """Send signed bytes; the signature in the node's answer. The request turns off the node's own simulation and
        resending: we do both. Raises NodeRefused, TransientError."""
        options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
        return str(await self.request("sendTransaction", [base64.b64encode(raw).decode(), options]))

    async def landed(self, signature: str, *, history: bool = False) -> Landed | None:
        """The status of a signature; None if the node knows none. history: search everything that the node keeps, not
        only recent transactions."""
        _, answer = self._context(
            await self.request("getSignatureStatuses", [[signature], {"searchTransactionHistory": history}]),
            "getSignatureStatuses",
        )
        if not isinstance(answer, list) or len(answer) != 1:
            raise self._nonsense("getSignatureStatuses")
        (one,) = answer
        if one is None:
            return None
        try:
            slot = self._integer(one["slot"], "getSignatureStatuses")
            return Landed(slot, one["err"], str(one["confirmationStatus"]))
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("getSignatureStatuses") from None

    async def transaction(self, signature: str, commitment: str) -> Mapping[str, Any] | None:
        """A landed transaction's slot, blockTime and meta (fee, balances before and after, logs), as ``getTransaction``
        returns them; None if the node does not know it at that commitment."""
        options = {"encoding": "base64", "commitment": commitment, "maxSupportedTransactionVersion": 0}
        answer = await self.request("getTransaction", [signature, options])
        if answer is None:
            return None
        if not isinstance(answer, Mapping) or not isinstance(answer.get("meta"), Mapping):
            raise self._nonsense("getTransaction")
        return answer

    async def simulate(self, raw: bytes, addresses: Sequence[Address], least_slot: int = 0) -> Simulated:
        """The node's own simulation of a transaction, without checking signatures. addresses: accounts to return as
        they would be afterwards. least_slot: the node must have reached it."""
        options = {
            "encoding": "base64",
            "commitment": self.commitment,
            "sigVerify": False,
            "replaceRecentBlockhash": True,
            "minContextSlot": least_slot,
            "accounts": {"encoding": "base64", "addresses": list(addresses)},
        }
        slot, answer = self._context(
            await self.request("simulateTransaction", [base64.b64encode(raw).decode(), options]), "simulateTransaction"
        )
        try:
            images = tuple(self._image(one) for one in answer.get("accounts") or [None] * len(addresses))
            logs = tuple(str(line) for line in answer.get("logs") or ())
            units = self._integer(answer.get("unitsConsumed") or 0, "simulateTransaction")
            return Simulated(slot, answer["err"], logs, units, images)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._nonsense("simulateTransaction") from None

    async def recent_unit_prices(self, writable: Sequence[Address]) -> list[int]:
        """Prices in micro-lamports a compute unit that transactions which write these accounts paid in recent slots."""
        answer = await self.request("getRecentPrioritizationFees", [list(writable)[:128]])
        if not isinstance(answer, list):
            raise self._nonsense("getRecentPrioritizationFees")
        return [self._integer(one.get("prioritizationFee"), "a fee") for one in answer if isinstance(one, Mapping)]

    def _context(self, answer: Any, method: str) -> tuple[int, Any]:
        try:
            return self._integer(answer["context"]["slot"], method), answer["value"]
        except (KeyError, TypeError):
            raise self._nonsense(method) from None

    def _integer(self, value: Any, method: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_U64:
            raise self._nonsense(method)
        return value

    def _image(self, answer: Any) -> AccountImage | None:
        if answer is None:
            return None
        try:
            data = base64.b64decode(answer["data"][0], validate=True)
            return AccountImage(
                self._integer(answer["lamports"], "lamports"),
                Address(str(answer["owner"])),
                data,
                bool(answer["executable"]),
            )
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._nonsense("getMultipleAccounts") from None

    def _nonsense(self, method: str) -> TransientError:
        return TransientError(f"{self.host} answered {method} with something that cannot be read")
