"""The sandbox: real protocols on a local node, and a wallet with play money.

Use (nothing heavy is imported before a function is called):

    from yieldbot.sandbox import compile_contracts, down, load, running_sandbox, up, warp

    sandbox = up(directory, say=print)      # compile (cached), start, deploy, write the files; leaves the node running
    sandbox = load(directory)               # the sandbox that runs from there; ConfigError if none does
    warp(directory, days=30.0)              # let time pass, in one block
    down(directory)                         # stop the node; True if one was running. The files stay.

    with running_sandbox(directory) as sandbox:     # the same, stopped at the end of the block, or with this process
        sandbox.rpc_url, sandbox.wallet, sandbox.addresses["usdc"], sandbox.config, sandbox.warp(30.0)

    sandbox.status() -> Status(height, timestamp, seconds_to_wall_clock)        # what `yieldbot sandbox status` shows
    sandbox.rpc("evm_snapshot"); sandbox.rpc("evm_revert", id)                 # any JSON-RPC method

Inside an event loop, of ``evm/node.py``: ``await start(directory, say)``; ``async with sandboxed(directory)``.

``directory`` then holds yieldbot.toml, .env (SANDBOX_RPC_URL), chains/sandbox.toml, keys/main.json, passphrase,
sandbox.json (process id, addresses) and anvil.log: `yieldbot --config <directory>/yieldbot.toml ...` works from there.
``say`` is called with a line as each long step starts or ends. Raises ConfigError (anvil, Node.js or an npm package is
missing, with the remedy), TransientError (the node does not start), InvariantError (a set-up transaction reverted).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.sandbox.evm.node import Sandbox

FOLDER = Path(".yieldbot/sandbox")
"""Where the program's commands keep a sandbox unless a folder is named."""


def _silent(line: str) -> None:
    """Ignore progress lines."""


def compile_contracts(say: Callable[[str], None] = _silent, more: Sequence[str] = ()) -> None:
    """Compile what the cache lacks, and ``more`` units of compile.cjs: some 25 s on 2 cores the first time, later
    nothing. Needs only Python's standard library."""
    from yieldbot.sandbox.evm.artifacts import UNITS, compiled

    compiled(say, (*UNITS, *more))


def up(directory: Path, say: Callable[[str], None] = _silent) -> Sandbox:
    """Start a new sandbox in ``directory`` and leave its node running; one that runs there is replaced."""
    import asyncio

    from yieldbot.sandbox.evm.node import start

    return asyncio.run(start(directory, say))


def load(directory: Path) -> Sandbox:
    """The sandbox that runs from ``directory``. Raises ConfigError if none does."""
    from yieldbot.errors import ConfigError
    from yieldbot.sandbox.evm.node import current

    sandbox = current(directory)
    if sandbox is None:
        raise ConfigError(f"no sandbox runs from {directory}: start one with `yieldbot sandbox up --dir {directory}`")
    return sandbox


def warp(directory: Path, days: float) -> Sandbox:
    """Let ``days`` pass in the sandbox of ``directory``, in one block, after which prices have moved a little. Raises
    ConfigError if none runs."""
    sandbox = load(directory)
    sandbox.warp(days)
    sandbox.publish()
    return sandbox


def down(directory: Path) -> bool:
    """Stop the node of ``directory``; returns whether one was running. Configuration, key and journal stay."""
    from yieldbot.sandbox.evm.node import current

    sandbox = current(directory)
    if sandbox is not None:
        sandbox.stop()
    return sandbox is not None


def running_sandbox(
    directory: Path,
    say: Callable[[str], None] = _silent,
    protocols: Sequence[str] = (),
    exchanges: Sequence[str] = (),
) -> AbstractContextManager[Sandbox]:
    """A sandbox that is stopped at the end of the block, or with this process. ``protocols``, ``exchanges``: names of
    modules in sandbox/evm/protocols and sandbox/evm/exchanges to deploy in addition to its own market."""
    from yieldbot.sandbox.evm.node import running

    return running(directory, say, protocols, exchanges)
