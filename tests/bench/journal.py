"""What commands cost with a long journal, against a short one: forty wallets on one sandbox, a million rows against
SHORT_ROWS, with the same accounts, markets and holdings.

Wall time, CPU time and peak memory of ``yieldbot`` as a process of its own, the best of the rounds; journals in turn.
The rows are written directly (``tests/kit/journal/long.py``). Each command but the first has a checkpoint to begin
with; what it takes to make it is its own row.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.kit.journal.long import write
from yieldbot.app.past_prices import PastPrices
from yieldbot.app.wiring import JOURNAL
from yieldbot.books.chain_record import ChainRecord
from yieldbot.books.entries import from_journal, of_accounts
from yieldbot.books.ledger import PriceQuote
from yieldbot.config.load import load
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.native import native_token
from yieldbot.sandbox import running_sandbox

WALLETS = 40
COMMANDS = {
    "run": ("run", "--approve", "queue", "--quiet"),
    "plan": ("plan",),
    "positions": ("positions",),
    "history": ("history",),
    "history --waiting": ("history", "--waiting"),
    "history --verify": ("history", "--verify"),
    "export --offline": ("export", "--offline", "--force", "--output", "export.csv"),
}
SHORT_ROWS = 12_500
"""Rows of the short journal: three days."""
MOST = 1.3
"""The ratio of CPU times that ``run``, ``plan``, ``positions`` and ``history`` must not pass."""


def parser() -> ArgumentParser:
    """Its flags."""
    found = ArgumentParser(prog="scripts/bench journal", description=__doc__)
    found.add_argument("--rows", type=int, default=1_000_000, help="rows of the long journal")
    found.add_argument("--rounds", type=int, default=2, help="how often each command is run with each journal")
    return found


def compare(rows: int = 1_000_000, rounds: int = 2) -> dict[str, Any]:
    """A row for each command."""
    with tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as name:
        folder = Path(name)
        with running_sandbox(folder / "sandbox", _say) as sandbox:
            homes = {kind: _home(folder / kind, sandbox.config) for kind in ("short", "long")}
            settings = load(homes["long"])
            job = settings.jobs[0]
            accounts = [(one.chain.chain, one.wallet.address, one.wallet.name) for one in settings.jobs]
            markets = _markets(homes["short"])
            began = time.perf_counter()
            now = int(time.time())
            behind = now - sandbox.status().timestamp + 60
            write(homes["short"].parent / JOURNAL, accounts, job.asset, markets, min(SHORT_ROWS, rows), now, behind)
            sent = write(homes["long"].parent / JOURNAL, accounts, job.asset, markets, rows, now, behind)
            for config in homes.values():
                _remember_prices(config)
            _say(f"{rows} rows, {sent} transactions, written in {time.perf_counter() - began:.0f} s")
            first = _measured(homes["long"], ("history",))
            with_checkpoint = _measured(homes["long"], ("resume", "--clear"))
            _measured(homes["short"], ("resume", "--clear"))
            found: dict[str, dict[str, list[dict[str, float]]]] = {}
            for _ in range(rounds):
                for title, command in COMMANDS.items():
                    for kind, config in homes.items():
                        found.setdefault(title, {}).setdefault(kind, []).append(_measured(config, command))
    return {
        "rows": rows,
        "transactions": sent,
        "wallets": WALLETS,
        "most": MOST,
        "first_reading": first,
        "first_writing": with_checkpoint,
        "commands": {title: _row(kinds["short"], kinds["long"]) for title, kinds in found.items()},
    }


def _remember_prices(config: Path) -> None:
    """Feeds' prices at the blocks of the written transactions, as the first ``positions`` after each would have kept
    them: the sandbox's chain has no such blocks, and a real one is asked for each price once."""
    settings = load(config)
    chain, now = settings.jobs[0].chain, int(time.time())
    with Journal.read(config.parent / JOURNAL) as journal:
        entries = from_journal(journal.records())
    native = native_token(chain)
    quotes = {
        (chain.chain, entry.height, token.address): PriceQuote(Fraction(usd), f"feed at block {entry.height}")
        for entry in entries
        for token, usd in ((settings.jobs[0].asset, 1), (native, 3000))
    }
    block = BlockRef(chain.chain, 2**40, f"0x{0:064x}", now)
    past = PastPrices(config.parent)
    for account, own in of_accounts(entries).items():
        record = ChainRecord(account=account, block=block, since=0, entries=tuple(own), quotes=quotes, checks=())
        past.keep(chain, record)


def _markets(config: Path) -> list[MarketId]:
    """Two markets of the sandbox, which commands read: what the long journal's last entries hold there is gone."""
    script = [sys.executable, "-m", "yieldbot.cli.main", "--json", "--config", str(config), "markets", "--wallet", "w0"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    found = [row["id"] for job in json.loads(done.stdout)["jobs"] for row in job["markets"] if "idle/" not in row["id"]]
    return [MarketId(name) for name in found[:2]]


def _row(short: list[dict[str, float]], long: list[dict[str, float]]) -> dict[str, Any]:
    least = [{name: min(one[name] for one in each) for name in each[0]} for each in (short, long)]
    ratios = {f"{name}_ratio": round(least[1][name] / least[0][name], 2) for name in ("seconds", "cpu_seconds")}
    return {"short": least[0], "long": least[1]} | ratios


def _home(folder: Path, sandbox: Path) -> Path:
    """A configuration of many wallets on the sandbox's chain, with a data directory of its own."""
    shutil.copytree(sandbox.parent, folder, ignore=shutil.ignore_patterns("*.log", "sandbox.json"))
    text = (folder / sandbox.name).read_text()
    begin, end = text.index("[[wallets]]"), text.index("[policy]")
    parts = []
    for number in range(WALLETS):
        address = Address(f"0x{10**39 + number}")
        parts.append(f'[[wallets]]\nname = "w{number}"\naddress = "{address}"\nkeystore = "keys/main.json"\n')
        parts.append(f'[[jobs]]\nwallet = "w{number}"\nchain = "sandbox"\nasset = "USDC"\n')
    text = text[:begin] + "\n".join(parts) + "\n" + text[end:]
    (folder / sandbox.name).write_text(text.replace("[policy]\n", "[policy]\nstop_at_loss_bps = 10000\n", 1))
    return folder / sandbox.name


def _measured(config: Path, command: tuple[str, ...]) -> dict[str, float]:
    program = "import sys; from yieldbot.cli.start import main; sys.exit(main())"  # as the installed program begins
    script = [sys.executable, "-c", program, "--config", str(config), *command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    with (config.parent / "errors").open("wb") as errors:
        process = subprocess.Popen(script, env=environment, cwd=config.parent, stdout=subprocess.DEVNULL, stderr=errors)
        peak_kb, ended = 0, (0, 0, None)
        while ended[0] == 0:  # ru_maxrss would count this process, from which it was forked
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            time.sleep(0.01)
            ended = os.wait4(process.pid, os.WNOHANG)
        _, status, used = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode not in (0, 3):
        _say(f"{' '.join(command)}: {process.returncode}: {(config.parent / 'errors').read_text()[-500:]}")
    cpu = used.ru_utime + used.ru_stime
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mb": round(peak_kb / 1024)}


def _peak_kb(pid: int) -> int:
    """Peak memory of a running process since it began its program; 0 where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")), 0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
