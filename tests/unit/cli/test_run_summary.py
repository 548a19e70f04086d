"""``run --summary`` and ``--quiet``: one line a job, and nothing for a job in which nothing happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.app.cycle import IN_A, SEEN, SessionDouble
from tests.unit.app.test_run import REHEARSED, context
from yieldbot.app.context import Context
from yieldbot.cli.main import parser
from yieldbot.cli.screen import Screen
from yieldbot.errors import TransientError

__all__ = ["context"]


@pytest.fixture
def live() -> SessionDouble:
    return SessionDouble([SEEN], rehearsals=[REHEARSED])


def ran(context: Context, *flags: str, name: str = "run") -> int:
    args = parser([name]).parse_args([name, *flags])
    screen = Screen()
    screen.take(args)
    screen.replace(context.settings)
    return int(args.handler(args, screen))


def test_each_job_is_one_line_and_quiet_leaves_out_what_nobody_need_read(
    context: Context, live: SessionDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(context, "--quiet") == 3
    out, err = capsys.readouterr()
    assert err == "" and out.count("\n") == 1 and ": QUEUED: plan " in out and " waits: yieldbot" in out

    assert ran(context, "--quiet") == 3 and capsys.readouterr() == ("", ""), "it was reported"
    assert ran(context, "--summary") == 3 and ": QUEUED: plan " in capsys.readouterr().out

    live.views = [IN_A]
    assert ran(context, "--quiet") == 0 and capsys.readouterr() == ("", "")
    assert ran(context, "--summary") == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and ": nothing to do: " in out and "observing" in err

    live.fails = TransientError("no node answers")
    assert ran(context, "--quiet") == 1
    out, err = capsys.readouterr()
    assert " skipped: no node answers; " in out and err == ""
    assert ran(context, "--quiet") == 1 and capsys.readouterr() == ("", ""), "once a day is enough"
    assert ran(context, "--summary") == 1 and "no node answers" in capsys.readouterr().out
    live.fails = TransientError("another reason")
    assert ran(context, "--quiet") == 1 and "another reason" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "run --summary", "exit all"])
def test_a_chain_that_fails_is_one_line_for_all_its_jobs(
    context: Context, live: SessionDouble, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (job,) = context.settings.jobs
    other = replace(job, wallet=replace(job.wallet, name="other"))
    context._settings = replace(context.settings, jobs=(job, other))
    live.fails = TransientError("no node answers")
    name, *flags = command.split()
    assert ran(context, *flags, name=name) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("no node answers") == 1
    assert f"2 jobs ({job.wallet.name}: USDC, other: USDC) on {job.chain.name} skipped: no node" in out
    assert ("NOT ORDERED for 2 jobs" in out) == (name == "exit")
