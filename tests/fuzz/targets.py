"""What is fuzzed: everything that reads bytes which somebody else made. A target takes any bytes and must end in a
value or in an error that it documents; whatever else it raises is a finding.

``seeds`` are real objects, so that the fuzzer starts from what is right.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz import controls
from yieldbot.errors import MarketError, YieldbotError

Target = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A target and what it starts from."""

    run: Target
    seeds: Callable[[], list[bytes]]


def _json_or_none(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


# -- calldata: `yieldbot decode`, and the signer's own reading of arguments


@cache
def _calls() -> tuple[Any, Any, Any, list[bytes]]:
    """The names of Ethereum's chain file, known functions, descriptors where recorded data lies, token addresses."""
    from yieldbot.chains.evm.execution.abi_calls import abi_functions
    from yieldbot.chains.evm.execution.clear import KnownNames
    from yieldbot.chains.evm.execution.erc7730 import descriptors
    from yieldbot.config.chain import load_chain
    from yieldbot.config.load import read_toml
    from yieldbot.model.native import native_token
    from yieldbot.resources import folder

    file = folder("chains") / "ethereum.toml"
    chain = load_chain(file, read_toml(file), {})
    recorded = Path(os.environ.get("YIELDBOT_DATA", "")) / "erc7730"
    described = descriptors(recorded) if "YIELDBOT_DATA" in os.environ and recorded.is_dir() else ()
    tokens = [bytes.fromhex(token.address[2:]) for token in chain.tokens.values()]
    there = [bytes.fromhex(at[2:]) for d in described for number, at in d.deployments if number == 1]
    return KnownNames.of(chain, native_token(chain)), abi_functions(folder("abis")), described, [*tokens, *there]


def calldata(data: bytes) -> None:
    """20 bytes of a target, then its calldata."""
    from yieldbot.chains.evm.execution.abi_calls import arguments
    from yieldbot.chains.evm.execution.clear import Call, lines, read
    from yieldbot.model.ids import Address

    if len(data) < 20:
        return
    from eth_utils.address import to_checksum_address

    book, known, described, _ = _calls()
    to, body = Address(to_checksum_address(data[:20])), data[20:]
    list(lines(read(Call(to, body, 0, None), book, known, described)))
    for function in known.get(body[:4], ()):
        arguments(function, body)


def _calldata_seeds() -> list[bytes]:
    _, known, described, addresses = _calls()
    selectors = [*known, *(selector for d in described for selector in d.formats)]
    calls = zip(itertools.cycle(addresses), selectors[:200], strict=False)
    return [to + selector + bytes(32 * words) for to, selector in calls for words in (0, 4)]


# -- Solana: messages that the signer decodes, accounts that adapters read


def message(data: bytes) -> None:
    """The signer's reading of a message's bytes."""
    from yieldbot.chains.solana.execution.judge import decode
    from yieldbot.model.ids import Address

    decode(data, Address("9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"))


def _message_seeds() -> list[bytes]:
    from solders.message import to_bytes_versioned

    from yieldbot.chains.solana.execution.build import NO_BLOCKHASH, Bid, budget, compiled
    from yieldbot.model.ids import Address

    payer = Address("9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM")
    return [bytes(to_bytes_versioned(compiled(budget(Bid(100_000, price)), payer, NO_BLOCKHASH))) for price in (0, 1)]


def accounts(data: bytes) -> None:
    """Reserves of Solana programs with bytes changed: a state that does not contradict itself, or a MarketError.

    Each three bytes change one byte of the reserve: (place, low and high; value); the first byte names the protocol.
    """
    from yieldbot.model.contradiction import contradiction
    from yieldbot.model.market import MarketState

    if not data:
        return
    worlds = _reserves()
    protocol = sorted(worlds)[data[0] % len(worlds)]
    adapter, market, images, owner, block = worlds[protocol]
    changed = bytearray(images[market.address].data)
    for at in range(1, len(data) - 2, 3):
        changed[int.from_bytes(data[at : at + 2], "little") % len(changed)] = data[at + 2]
    state = _told(adapter.observe(market, owner, block), {**images, market.address: bytes(changed)})
    assert isinstance(state, MarketState | MarketError)
    if isinstance(state, MarketState) and contradiction(state) is None:
        for x in (0.0, 1.0, 1e6):
            state.curve.apr(x, 30 * 86_400.0)


def _told(flow: Any, known: Mapping[str, Any]) -> Any:
    """What comes of a flow in the node's own driver, with accounts (or other data of theirs) as given."""
    from yieldbot.chains.solana.node.answers import AccountImage, answer_of
    from yieldbot.model.reads import SvmAccount
    from yieldbot.rpc.lockstep import run

    def image(read: Any) -> AccountImage | None:
        held = known.get(read.address)
        program = read.program if isinstance(read, SvmAccount) else ""
        return AccountImage(1, program, held) if isinstance(held, bytes) else held

    async def answer(reads: Any) -> Any:
        found = {read.address: image(read) for read in reads}
        return [answer_of(read, found) for read in reads]

    return asyncio.run(run([flow], answer))[0]


@cache
def _reserves() -> dict[str, Any]:
    from tests.kit.solana_bench import CHAIN, SLOT, Ledger
    from yieldbot.model.deployment import Deployment
    from yieldbot.protocols import svm_adapters
    from yieldbot.sandbox.solana.market import market

    ledger = Ledger()
    found = market(CHAIN, SLOT, ledger.now, ledger.me)
    ledger.set(found.images)
    from yieldbot.protocols.solana.layout import SYSVAR_CLOCK

    made: dict[str, Any] = {}
    for row in found.rows:
        protocol = str(row["protocol"])
        params = {key: value for key, value in row.items() if key not in ("protocol", "name", "assets")}
        adapter = svm_adapters()[protocol]
        deployment = Deployment(protocol, CHAIN, str(row["name"]), params, found.tokens)
        listed, *_ = ledger.run(adapter.discover(deployment))
        images = dict(found.images) | {SYSVAR_CLOCK: ledger.clock_image()}
        made[protocol] = (adapter, listed, images, ledger.me, ledger.block())
    return made


def _account_seeds() -> list[bytes]:
    return [bytes([number]) + bytes(3 * changes) for number in range(4) for changes in (0, 1, 4)]


# -- documents: problems, plans and outcomes of the journal, configuration


def problem(data: bytes) -> None:
    """A problem document's text: solved, or told by the path of its first bad field."""
    from yieldbot.allocator.answer import pose, solve
    from yieldbot.allocator.document import ProblemError, read

    document = _json_or_none(data)
    if document is None:
        return
    try:
        json.dumps(solve(pose(read(document))), default=str)
    except ProblemError:
        return


def _problem_seeds() -> list[bytes]:
    from tests.kit.allocator.documents import BANK, POOL
    from tests.kit.allocator.documents import problem as of

    groups = [{"name": "g", "members": ["pool"], "max_share": 0.5}]
    return [json.dumps(of(POOL, BANK)).encode(), json.dumps(of(POOL, BANK, groups=groups)).encode()]


def journal(data: bytes) -> None:
    """A row's body: an event's parts, or ValueError."""
    from yieldbot.journal.codec import outcome_from_doc, plan_from_doc

    document = _json_or_none(data)
    for read in (plan_from_doc, outcome_from_doc):
        try:
            read(document)
        except ValueError:
            continue


def _journal_seeds() -> list[bytes]:
    from tests.kit.journal.store import BLOCK, plan, signed
    from yieldbot.journal.codec import outcome_to_doc, plan_to_doc
    from yieldbot.model.tx import Confirmed, Delta, Expired

    done = Confirmed("0xaa", BLOCK, 90_000, 10**9, (Delta(signed().predicted[0].token, -5),))
    return [
        json.dumps(d).encode()
        for d in (plan_to_doc(plan()), outcome_to_doc(done), outcome_to_doc(Expired("0xaa", "x")))
    ]


def chain_file(data: bytes) -> None:
    """The text of a chains/*.toml."""
    from yieldbot.config.chain import load_chain

    try:
        tables = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return
    try:
        load_chain(Path("chains/any.toml"), tables, {"RPC_URL": "http://127.0.0.1:1"})
    except YieldbotError:
        return


def _chain_seeds() -> list[bytes]:
    from yieldbot.resources import folder

    return [file.read_bytes() for file in sorted(folder("chains").glob("*.toml"))]


def decision(data: bytes) -> None:
    """Random snapshots of several assets, dust and whales among them: decided, whatever they hold."""
    import random

    from tests.property.several import decided

    decided(random.Random(data))


def _decision_seeds() -> list[bytes]:
    return [bytes([k]) for k in range(4)]


TARGETS: dict[str, Fuzzed] = {
    "decision": Fuzzed(decision, _decision_seeds),
    "calldata": Fuzzed(calldata, _calldata_seeds),
    "message": Fuzzed(message, _message_seeds),
    "accounts": Fuzzed(accounts, _account_seeds),
    "problem": Fuzzed(problem, _problem_seeds),
    "journal": Fuzzed(journal, _journal_seeds),
    "chain-file": Fuzzed(chain_file, _chain_seeds),
    "control": Fuzzed(controls.control, controls.seeds),
}
