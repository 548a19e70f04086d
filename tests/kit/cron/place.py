"""The sandbox of the passes: two chains, wallets with keys on both, and the program run in this process."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.control import Proxies, proxies
from tests.kit.cron.clock import CLOCK
from tests.kit.evm.many_chains import more_chains, settings_of
from yieldbot.app import run as use
from yieldbot.chains.evm.signing.keystore import create
from yieldbot.cli.main import main
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.node import Sandbox, _fund
from yieldbot.sandbox.files import SCRYPT_WORK

POLICY = """plan_ttl_seconds = {ttl}
limit_day = "90000"
cooldown_hours = 1.0
"""
TTL_SECONDS = 4 * 3600


@dataclass(frozen=True, slots=True)
class Ended:
    """One command of the program."""

    words: tuple[str, ...]
    code: int
    out: tuple[str, ...]
    err: tuple[str, ...]
    seconds: float
    """Processor seconds of this process."""
    document: Any = None
    """The document of a run, which was not printed; None: of another command, or it ended with an error."""


@dataclass(slots=True)
class Place:
    """A folder with the program's configuration, and the chains that it works on."""

    folder: Path
    chains: dict[str, Sandbox]
    """By name, each past its proxy."""
    ends: dict[str, Proxies]
    """The proxy of each chain, through which the program reads."""
    wallets: tuple[str, ...]
    answers: list[Any] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite"

    def run(self, *words: str) -> Ended:
        """Run one command in this process."""
        out, err = io.StringIO(), io.StringIO()
        self.answers.clear()
        began = time.process_time()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["--config", str(self.folder / "yieldbot.toml"), *words])
        seconds = time.process_time() - began
        lines = (tuple(text.getvalue().splitlines()) for text in (out, err))
        return Ended(words, code, *lines, seconds, self.answers[-1] if self.answers else None)

    def forward(self, seconds: float) -> None:
        """Let time pass on every chain and for the program; prices move by their last digit, as feeds that live do."""
        CLOCK.go_to(CLOCK.now() + seconds)
        for chain in self.chains.values():
            chain.rpc("evm_setNextBlockTimestamp", hex(int(CLOCK.now())))
            chain.rpc("evm_mine")


@contextmanager
def placed(folder: Path, wallets: int, chains: int) -> Iterator[Place]:
    """The sandbox with so many wallets, each with a job on each chain."""
    with running_sandbox(folder) as sandbox:
        secret = (folder / "passphrase").read_text().strip()
        owners = tuple(str(create(folder / "keys" / f"{at}.json", secret, SCRYPT_WORK)) for at in range(wallets))

        async def fund() -> None:
            async with sandbox.node() as node:
                for owner in owners:
                    await _fund(node, sandbox.addresses["usdc"], owner)  # type: ignore[arg-type]

        asyncio.run(fund())
        with more_chains(folder, sandbox.rpc_url, chains - 1) as names:
            text = settings_of(sandbox.config.read_text(), owners, names)
            text = text.replace('.json"\n', '.json"\npassphrase_file = "passphrase"\n')
            sandbox.config.write_text(text.replace("[policy]\n", "[policy]\n" + POLICY.format(ttl=TTL_SECONDS), 1))
            lines = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())
            urls = {name: lines[f"{name.upper()}_RPC_URL"] for name in names}
            with _fronts(urls) as ends:
                written = "".join(f"{name.upper()}_RPC_URL={end.urls[0]}\n" for name, end in ends.items())
                (folder / ".env").write_text(written)
                place = Place(folder, {name: replace(sandbox, rpc_url=url) for name, url in urls.items()}, ends, owners)
                CLOCK.go_to(sandbox.status().timestamp + 60)
                with _kept(place.answers):
                    yield place


@contextmanager
def _fronts(urls: dict[str, str]) -> Iterator[dict[str, Proxies]]:
    if not urls:
        yield {}
        return
    (name, url), *rest = urls.items()
    with proxies(url, 1) as end, _fronts(dict(rest)) as more:
        yield {name: end} | more


@contextmanager
def _kept(answers: list[Any]) -> Iterator[None]:
    """Keep the document of each run, whatever is printed of it."""
    whole = use.run

    def run(*given: Any, **named: Any) -> use.RunAnswer:
        done = whole(*given, **named)
        answers.append(done.document)
        return done

    use.run = run
    try:
        yield
    finally:
        use.run = whole
