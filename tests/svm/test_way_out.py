"""The way out of a market of a cluster is rehearsed before the way in: programs that take and do not give."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.svm.test_main_job import wealth, world
from yieldbot import cycle
from yieldbot.model.ids import Address
from yieldbot.model.plan import LegKind, NoWayOut, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.protocols._svm import SYSVAR_CLOCK, Clock
from yieldbot.rpc.svm_fork import SvmFork
from yieldbot.rpc.svm_nodes import connect_svm
from yieldbot.sandbox.svm.compile import program
from yieldbot.sandbox.svm.images import program_image
from yieldbot.sandbox.svm.node import SvmSandbox, running
from yieldbot.sandbox.svm.save import named
from yieldbot.sessions.svm import svm_session

TRAP = "Save turbo (double)"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SvmSandbox]:
    with running(tmp_path) as found:
        yield found


def becomes(sandbox: SvmSandbox, trap: str) -> None:
    """The program of Save's turbo market is another from here on."""
    image = program_image(program("save", trap))
    code = base64.b64encode(image.data).decode()
    sandbox.rpc("svm_setAccount", named("turbo", "program"), image.lamports, image.program, code, True)


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("TRAP_STUCK", "go in, and nothing comes out: withdraw everything from Save turbo (double)"),
        ("TRAP_LESS", "come out where"),
    ],
)
async def test_a_program_that_keeps_what_it_takes_gets_nothing_and_the_rest_goes_on(
    sandbox: SvmSandbox, trap: str, said: str
) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        seen = await cycle.look(w, job)
        lines: list[str] = []
        w = replace(w, say=lines.append)
        becomes(sandbox, trap)
        report = await cycle.run_job(w, job)
        refused = [line for line in lines if line.startswith("nothing goes into save/")]
        assert len(refused) == 1 and said in refused[0], lines
        assert report.declined is None and report.outcomes, "the rest of the plan goes on"
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert report.after is not None
        held = {state.market.name: state.held.raw for state in report.after.states.values()}
        assert held[TRAP] == 0 and sum(raw > 0 for raw in held.values()) >= 2, held
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6
        assert any(state.market.name == TRAP for state in seen.states.values())


async def test_the_way_out_takes_an_hour_and_leaves_the_fork_as_it_was(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal of every leg is what it would be without one; only the trap itself is refused, by name."""
    waited: list[tuple[int, int]] = []
    wait, put_back = SvmFork.wait, SvmFork.put_back

    def clock(fork: SvmFork) -> Clock:
        image = fork.images([SYSVAR_CLOCK])[SYSVAR_CLOCK]
        assert image is not None
        return Clock.of(image.data)

    def longer(self: SvmFork, seconds: int) -> None:
        before = clock(self)
        wait(self, seconds)
        after = clock(self)
        assert after.epoch == before.epoch
        waited.append((after.timestamp - before.timestamp, after.slot - before.slot))

    def exactly(self: SvmFork) -> None:
        assert self._kept is not None and self._kept.images, "something was changed"
        kept, at = dict(self._kept.images), self._kept.clock
        assert any(self.images([address])[address] != image for address, image in kept.items())
        put_back(self)
        assert self.images(kept) == kept
        assert clock(self).slot == at.slot and clock(self).timestamp == at.unix_timestamp

    monkeypatch.setattr(SvmFork, "wait", longer)
    monkeypatch.setattr(SvmFork, "put_back", exactly)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with svm_session(w, job) as live:
            snapshot = await live.observe()
            plan = cycle.decide(snapshot, w.settings.policy, job, w.now()).outcome
            assert isinstance(plan, Plan)
            found = await live.rehearse(plan, snapshot)
            assert not isinstance(found, NoWayOut) and len(found.legs) == len(plan.legs) == len(waited)
            assert all(leg.kind is LegKind.DEPOSIT for leg in plan.legs)
            assert set(waited) == {(3600, 9000)}
            becomes(sandbox, "TRAP_STUCK")
            trap = await live.rehearse(plan, await live.observe())
            assert isinstance(trap, NoWayOut) and trap.code == "NO_WAY_OUT"
            assert snapshot.of(trap.market_id).market.name == TRAP


async def test_a_fork_that_is_put_back_forgets_new_accounts_and_keeps_what_was_cloned(sandbox: SvmSandbox) -> None:
    from yieldbot.execution.svm.build import NO_BLOCKHASH, compiled
    from yieldbot.model.tx import SvmInstruction, SvmMeta

    system, stranger = Address("11111111111111111111111111111111"), named("nobody yet")
    give = SvmInstruction(
        system,
        (SvmMeta(sandbox.wallet, signer=True, writable=True), SvmMeta(stranger, writable=True)),
        b"\x02\0\0\0" + (10**9).to_bytes(8, "little"),
        "",
    )
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with connect_svm(job.chain) as nodes:
            fork = SvmFork(nodes.first)
            await fork.clone((sandbox.wallet,))
            before = fork.images((sandbox.wallet, stranger))
            fork.keep()
            for _ in range(2):
                ran = await fork.send(compiled((give,), sandbox.wallet, NO_BLOCKHASH))
                assert ran.error is None
            given = fork.images((stranger,))[stranger]
            assert given is not None and given.lamports == 2 * 10**9
            fork.put_back()
            assert fork.images((sandbox.wallet, stranger)) == before
            with pytest.raises(RuntimeError, match="nothing was kept"):
                fork.put_back()
