"""The Solana sandbox's node, a process of its own: starts, finds and stops it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from yieldbot.chains.solana.signing.keystore import create
from yieldbot.errors import ConfigError, NodeRefused
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, svm_chain
from yieldbot.model.units import DAY_SECONDS
from yieldbot.sandbox.files import write_private, write_wallet
from yieldbot.sandbox.local_node import LocalNode
from yieldbot.sandbox.solana.market import PLACES, STANDARD, chain_toml, market

NAME, RPC_ENV = "solana-sandbox", "SOLANA_SANDBOX_RPC_URL"
START_SECONDS = 60.0
SLOTS_PER_DAY = DAY_SECONDS * 10 // 4
PAST_SECONDS = 90 * DAY_SECONDS
"""The cluster starts this far in the past, so that warping forward does not overtake the wall clock."""


@dataclass(frozen=True, slots=True)
class SvmSandbox(LocalNode):
    """A running Solana sandbox."""

    STATE: ClassVar[str] = "solana-sandbox.json"
    """The file that records process, addresses and wallet, in the folder."""
    LOG: ClassVar[str] = "solana.log"
    """The node's log file, in the folder."""

    token: str
    """A word on the node's command line that identifies the process."""
    chain: ChainId
    """The cluster's identifier."""
    wallet: Address
    """The account that has play money."""
    addresses: dict[str, str]
    """Accounts by a short name."""

    @property
    def alive(self) -> bool:
        """Whether its node still runs, and its process id was not reused."""
        try:
            return self.token.encode() in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False

    def refused(self, method: str, error: dict[str, Any]) -> NodeRefused:
        return NodeRefused(method, error["code"], error["message"], details=error.get("data"))

    def warp(self, days: float) -> None:
        """Let ``days`` pass."""
        self.rpc("svm_warp", round(days * SLOTS_PER_DAY))

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while self.alive and time.monotonic() < deadline:
            _reap(self.pid)
            time.sleep(0.02)


def current(directory: Path) -> SvmSandbox | None:
    """The Solana sandbox that runs from a folder, or None."""
    return SvmSandbox.current(directory)


def start(
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    temporary: bool = False,
    auto: bool = True,
    protocols: Sequence[str] = (),
    at: int | None = None,
) -> SvmSandbox:
    """Start a node with the market and write the folder; a Solana sandbox that runs there is stopped.

    The files of an EVM sandbox in the folder are kept: one configuration with two chains. ``temporary``: the node dies
    with this process. ``auto``: slots follow the wall clock. ``protocols``: names in ``protocols.found()`` of what
    it has in addition to its own market. ``at``: its clock's time in unix seconds; None: some months ago.
    """
    directory = directory.absolute()
    if (running := current(directory)) is not None:
        running.stop()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = (directory / "chains" / "sandbox.toml").exists()
    if not beside:
        for old in directory.glob("journal.sqlite*"):
            old.unlink()  # the journal of a cluster that no longer exists would only confuse
    say("compiling Solana programs and starting a cluster of one")
    wallet = write_wallet(directory, create, "solana.json", "solana-passphrase")
    genesis = _random_hash()
    born = int(time.time()) - PAST_SECONDS if at is None else at
    process, url, token = _spawn(directory, genesis, wallet, born, temporary, auto, protocols)
    try:
        chain = svm_chain(genesis)
        found = market(chain, 0, 0, wallet, (*STANDARD, *protocols))
        _write_configuration(directory, url, wallet, chain_toml(NAME, RPC_ENV, chain, found), beside)
        addresses: dict[str, str] = {token.symbol.lower(): token.address for token in found.tokens}
        addresses |= {f"{symbol.lower()}_feed": feed for symbol, feed in found.feeds.items()}
        addresses |= found.addresses
        for row in found.rows:
            places = next((row[key] for key in PLACES if key in row), None)
            if isinstance(places, list):
                addresses[str(row["name"])] = str(places[0])
        sandbox = SvmSandbox(directory, url, process.pid, token, chain, wallet, addresses)
        sandbox.remember()
        return sandbox
    except BaseException:
        process.terminate()
        raise


@contextmanager
def running(
    directory: Path, say: Callable[[str], None] = lambda line: None, *, auto: bool = True, protocols: Sequence[str] = ()
) -> Iterator[SvmSandbox]:
    """A Solana sandbox that is stopped at the end of the block."""
    sandbox = start(directory, say, temporary=True, auto=auto, protocols=protocols)
    try:
        yield sandbox
    finally:
        sandbox.stop()


def _spawn(
    directory: Path, genesis: str, wallet: Address, born: int, temporary: bool, auto: bool, protocols: Sequence[str]
) -> tuple[subprocess.Popen[str], str, str]:
    """(the node's process, its URL, a word of its command line that no other process has)."""
    token = secrets.token_hex(8)
    options = [genesis, wallet, str(born), token]
    log = (directory / "solana.log").open("w")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "yieldbot.sandbox.solana.run", *options, *(["--auto"] if auto else []), *protocols],
            stdin=subprocess.PIPE if temporary else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=os.environ | {"YIELDBOT_DIES_WITH_STDIN": "1" if temporary else ""},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("http://"):
        process.terminate()
        lines = (directory / "solana.log").read_text().strip().splitlines() or ["no message"]
        raise ConfigError(f"the Solana sandbox does not start: {lines[-1][:300]}")
    return process, line.strip(), token


def _write_configuration(directory: Path, url: str, wallet: Address, chain: str, beside: bool) -> None:
    (directory / "chains").mkdir(exist_ok=True)
    (directory / "chains" / f"{NAME}.toml").write_text(chain)
    env, settings = directory / ".env", directory / "yieldbot.toml"
    kept = [line for line in env.read_text().splitlines() if not line.startswith(RPC_ENV)] if beside else []
    write_private(env, "\n".join([*kept, f"{RPC_ENV}={url}"]) + "\n")
    text = settings.read_text() if beside else HEAD + POLICY
    head, policy, rest = text.partition("\n[policy]\n")
    head = head.split("\n# Solana\n")[0]
    settings.write_text(head + "\n# Solana\n" + TABLES.format(wallet=wallet) + policy + rest)


def _random_hash() -> str:
    from solders.hash import Hash

    return str(Hash(secrets.token_bytes(32)))


def _reap(pid: int) -> None:
    """Reap a child process that has ended, so that its id does not remain as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        return


HEAD = """# A sandbox: doubles of Solana programs on a local cluster, play money, throw-away key.
schema = 1
data_dir = "."
"""
TABLES = """[[wallets]]
name = "solana"
address = "{wallet}"
keystore = "keys/solana.json"
passphrase_file = "solana-passphrase"

[[jobs]]
wallet = "solana"
chain = "solana-sandbox"
asset = "USDC"
"""
POLICY = """
[policy]
# Both alike: rates have no history here, and what is said of this market (docs, tests) is over 30 days.
move_horizon_days = 30
enter_horizon_days = 30
max_gas_share_of_gain = 0.5
idle_buffer = "500"
min_position = "1000"
min_move = "100"
max_share_market = 0.6
auto_max_move = "80000"
auto_max_total = "200000"

# Own figures in place of the expected loss that grades state: contracts of three days that one key can change have a
# grade that keeps all money out. Remove this table to see what grades alone do.
[policy.haircut_bps]
save = 15
kamino_lend = 10
marginfi = 10
"""
