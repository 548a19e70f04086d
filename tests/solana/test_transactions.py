"""How legs become transactions on the Solana sandbox: lookup tables, splitting, what repeats an expired one; and what
is refused when the nodes' simulations or the accounts of one snapshot do not agree."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.world import excluding, for_sol, world
from yieldbot.app import cycle
from yieldbot.chains.solana.execution import build, transact
from yieldbot.chains.solana.execution.judge import decode
from yieldbot.chains.solana.node.answers import AccountImage, Simulated
from yieldbot.chains.solana.node.client import Node, SlotSkew
from yieldbot.chains.solana.node.fork import Fork
from yieldbot.config.load import load
from yieldbot.errors import TransientError
from yieldbot.model.ids import Address, svm_chain
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.plan import Declined
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, key_bytes
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.node import SvmSandbox

TABLE_PROGRAM = Address("AddressLookupTab1e1111111111111111111111111")
TABLE = named("our lookup table")


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def put_table(sandbox: SvmSandbox, addresses: list[Address]) -> None:
    """A table as its program keeps it (address-lookup-table state.rs): never deactivated, extended long ago."""
    meta = struct.pack("<IQQB", 1, 2**64 - 1, 1, 0) + bytes(33) + bytes(2)
    data = meta + b"".join(key_bytes(address) for address in addresses)
    sandbox.rpc("svm_setAccount", TABLE, 10**9, TABLE_PROGRAM, base64.b64encode(data).decode())


def with_tables(sandbox: SvmSandbox) -> None:
    (path,) = (sandbox.config.parent / "chains").glob("*.toml")
    path.write_text(path.read_text().replace('finality = "', f'lookup_tables = ["{TABLE}"]\nfinality = "', 1))


async def test_addresses_of_a_configured_lookup_table_are_taken_from_it(sandbox: SvmSandbox) -> None:
    from solders.transaction import VersionedTransaction

    markets = [Address(sandbox.addresses[name]) for name in sandbox.addresses if "(double)" in name]
    usdc = Address(sandbox.addresses["usdc"])
    put_table(sandbox, [*markets, usdc, TOKEN_PROGRAM, SYSTEM_PROGRAM])
    with_tables(sandbox)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert report.declined is None and [type(o) for _, o in report.outcomes] == [Confirmed] * 3
        for tx in w.journal.transactions():
            message: Any = VersionedTransaction.from_bytes(tx.signed.raw).message
            (lookup,) = message.address_table_lookups
            assert str(lookup.account_key) == TABLE and len(lookup.readonly_indexes) >= 1
            static = {str(key) for key in message.account_keys}
            assert usdc not in static, "what the table holds is not written out"
            assert static & {*markets}, "but for where the money goes, which no node's word is taken for"
            raw = build.message_bytes(message)
            refused = decode(raw, job.wallet.address)
            assert isinstance(refused, Declined) and refused.code == "TABLE_NOT_ALLOWED"
            short = decode(raw, job.wallet.address, [build.LookupTable(TABLE, ())])
            assert isinstance(short, Declined) and short.code == "MESSAGE_MALFORMED"


async def test_a_leg_that_one_transaction_cannot_hold_is_split(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOL is wrapped, lent and unwrapped; with room for fewer bytes, in a transaction each."""
    settings = for_sol(sandbox)
    excluding(sandbox, settings, "Stake pool (double)", "Save turbo (double)")
    sizes: list[int] = []
    fits = build._fits

    def one_byte_less(instructions: Any, payer: Address, tables: Any) -> bool:
        whole = build.compiled((*build.budget(build.Bid(1, 0)), *instructions), payer, build.NO_BLOCKHASH, tables)
        sizes.append(len(build.message_bytes(whole)) + build.SIGNATURE_BYTES)
        monkeypatch.setattr(build, "LARGEST_TRANSACTION_BYTES", sizes[0])
        assert fits(instructions, payer, tables)
        monkeypatch.setattr(build, "LARGEST_TRANSACTION_BYTES", sizes[0] - 1)
        return fits(instructions, payer, tables)

    assert build.LARGEST_TRANSACTION_BYTES == 1232
    monkeypatch.setattr(build, "_fits", one_byte_less)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert report.declined is None, report.declined
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * 3
        words = [tx.signed.words for tx in w.journal.transactions()]
        assert words[0].startswith("open an account for SOL; open an account for cSOL; wrap 14.98")
        assert words[1].startswith("deposit ") and words[2] == "unwrap SOL"
        assert all(len(tx.signed.raw) < sizes[0] for tx in w.journal.transactions())
        held = report.after.states if report.after else {}
        assert sum(state.held.raw for state in held.values()) > 24 * 10**9, (
            "nothing stays behind in the wrapped account"
        )


async def test_a_call_that_no_transaction_holds_is_refused(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "LARGEST_TRANSACTION_BYTES", 400)
    assert await refused(sandbox) == "TOO_LARGE"


async def refused(sandbox: SvmSandbox, job: Job | None = None) -> str | None:
    with world(sandbox) as w:
        report = await cycle.run_job(w, job or w.settings.jobs[0])
        assert report.declined is None or not w.journal.transactions(), "nothing was signed"
        return report.declined.code if report.declined else None


async def test_nodes_that_simulate_otherwise_than_the_fork_are_not_signed_for(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Node.simulate
    liars: set[int] = set()
    how = ["fails"]

    async def simulate(self: Node, raw: bytes, addresses: Any, least_slot: int = 0) -> Simulated:
        said = await honest(self, raw, addresses, least_slot)
        number = nodes.setdefault(id(self), len(nodes))
        if number not in liars:
            return said
        if how[0] == "fails":
            return replace(said, error={"InstructionError": [2, {"Custom": 1}]})
        return replace(said, accounts=tuple(_richer(image, how[0]) for image in said.accounts))

    nodes: dict[int, int] = {}
    monkeypatch.setattr(Node, "simulate", simulate)
    liars.add(0)
    for lie in ("fails", "tokens", "lamports"):
        how[0] = lie
        nodes.clear()
        assert await refused(sandbox) == "SIMULATION_DIFFERS", lie
    with world(sandbox) as w:
        (job,) = w.settings.jobs
    three = replace(job, chain=replace(job.chain, rpc_urls=job.chain.rpc_urls * 3, quorum=2))
    nodes.clear()
    liars |= {1}
    assert await refused(sandbox, three) == "SIMULATION_DIFFERS", "two of three lie"
    nodes.clear()
    liars.discard(1)
    assert await refused(sandbox, three) is None, "one of three does"


def _richer(image: AccountImage | None, what: str) -> AccountImage | None:
    """The account with 2 % more tokens in it, or more lamports than any fee."""
    if image is None:
        return None
    if what == "lamports":
        return replace(image, lamports=image.lamports + 10**8)
    if len(image.data) != 165:
        return image
    (amount,) = struct.unpack_from("<Q", image.data, 64)
    data = image.data[:64] + struct.pack("<Q", amount + amount // 50) + image.data[72:]
    return replace(image, data=data)


async def test_what_repeats_an_expired_transaction_must_mean_the_same(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    made: list[Any] = []

    def other(step: Any, context: Any, bid: Any, *rest: Any) -> Any:
        made.append(build.unsigned(step, context, bid if not made else replace(bid, units=bid.units + 1), *rest))
        return made[-1]

    monkeypatch.setattr(transact, "unsigned", other)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        sandbox.rpc("svm_dropTransactions", 1)
        quick = replace(job, chain=replace(job.chain, poll_seconds=0.05, confirm_timeout_seconds=300))

        async def hurry() -> None:
            async with asyncio.timeout(300):
                while not w.journal.transactions():
                    await asyncio.sleep(0.05)
            sandbox.rpc("svm_warp", 200, 80)

        report, _ = await asyncio.gather(cycle.run_job(w, quick), hurry())
        assert report.declined is not None and report.declined.code == "NOT_THE_CALL"
        assert len(made) == 2 and len(w.journal.transactions()) == 1, "the second was never signed"


class Drifting(Node):
    """A node whose answers come from slots that somebody sets."""

    slots: list[int]

    async def request(self, method: str, params: list[Any]) -> Any:
        return {"context": {"slot": self.slots.pop(0)}, "value": [None] * len(params[0])}


@pytest.mark.parametrize(("slots", "fine"), [([100, 116], True), ([116, 100], True), ([100, 117], False)])
async def test_accounts_of_one_snapshot_lie_within_few_slots(slots: list[int], fine: bool) -> None:
    node = Drifting(svm_chain("x" * 32), "http://127.0.0.1:9", max_slot_skew=16)
    node.slots = slots
    many = [named(str(number)) for number in range(101)]  # two requests
    if fine:
        assert (await node.accounts_at(many))[0] == max(100, 116)
    else:
        with pytest.raises(SlotSkew, match="17 slots"):
            await node.accounts_at(many)


async def test_a_snapshot_that_drifted_is_read_again(sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, tries = Node.run, []

    async def run(self: Node, flows: Any, block: Any) -> Any:
        tries.append(block.height)
        if len(tries) == 1:
            raise SlotSkew("the first reads drift")
        return await honest(self, flows, block)

    monkeypatch.setattr(Node, "run", run)
    with world(sandbox) as w:
        seen = await cycle.observe_job(w, w.settings.jobs[0])
    assert len(tries) >= 3 and len(seen.states) == 5 and load(sandbox.config).jobs


async def test_the_fork_has_the_features_that_its_node_tells_of(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the cluster has; then a cluster that has not activated one of them, and one that has none at all."""
    from solders.litesvm import LiteSVM

    active = [Address(str(feature)) for feature in LiteSVM.mainnet_feature_set().active]
    real, lacks = Node.accounts, list[Address]()

    async def accounts(self: Node, addresses: list[Address]) -> dict[Address, AccountImage | None]:
        told = await real(self, addresses)
        return {address: None if address in lacks else image for address, image in told.items()}

    monkeypatch.setattr(Node, "accounts", accounts)
    for lacks[:], expected in (([], active), (active[:1], active[1:]), (active, active)):
        async with Node(load(sandbox.config).jobs[0].chain.chain, sandbox.rpc_url) as node:
            fork = Fork(node)
            await fork.clone([])
            images = fork.images(active)
            assert [address for address, image in images.items() if image is not None] == expected


def test_the_fork_has_the_features_that_the_main_cluster_has_activated() -> None:
    """LiteSVM comes with a list of them; what was activated since is what the nodes' own simulations are asked for."""
    from solders.litesvm import LiteSVM

    fork = Fork(Node(svm_chain("x" * 32), "http://127.0.0.1:9"))
    known = LiteSVM.mainnet_feature_set()
    active, inactive = list(known.active), list(known.inactive)
    assert len(active) > 200 and inactive
    images = fork.images([Address(str(feature)) for feature in active])
    assert all(image is not None and image.data[0] == 1 for image in images.values())
    assert all(image is None for image in fork.images([Address(str(feature)) for feature in inactive]).values())


async def test_code_that_a_node_tells_wrongly_ends_the_fork_in_words(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that tells something else for a program's code: the cycle is skipped, nothing crashes."""
    program = Address(load(sandbox.config).jobs[0].chain.deployments[0].params["program"])
    real = Node.accounts_at

    async def accounts_at(self: Node, addresses: list[Address], least_slot: int = 0) -> Any:
        slot, found = await real(self, addresses, least_slot)
        flipped = [
            replace(image, data=bytes(len(image.data))) if address == program and image else image
            for address, image in zip(addresses, found, strict=True)
        ]
        return slot, flipped

    monkeypatch.setattr(Node, "accounts_at", accounts_at)
    async with Node(load(sandbox.config).jobs[0].chain.chain, sandbox.rpc_url) as node:
        with pytest.raises(TransientError, match=f"account {program} cannot be forked"):
            await Fork(node).clone([program])


async def test_bytes_that_can_still_land_are_not_given_up_by_one_nodes_word(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that says its blockhash is over already: the leg would be signed again, and could land twice."""
    honest, true = Node.blockhash, list[int]()

    async def over_already(self: Node) -> Any:
        told = await honest(self)
        true.append(told.last_valid_height)
        return replace(told, last_valid_height=1)

    monkeypatch.setattr(Node, "blockhash", over_already)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert report.declined is None and [type(o) for _, o in report.outcomes] == [Confirmed] * 3
        for tx in w.journal.transactions():
            assert tx.signed.svm is not None and tx.signed.svm.last_valid_height >= min(true)
