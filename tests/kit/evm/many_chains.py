"""Further chains beside the sandbox's: nodes that start from its state under numbers of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from yieldbot.chains.evm.node.anvil import spawn

FIRST_NUMBER = 700_000


@contextmanager
def more_chains(home: Path, url: str, count: int) -> Iterator[list[str]]:
    """The names of all chains: that of the sandbox at ``url``, and ``count`` more. Each has a file in ``home``,
    and its URL in .env."""
    text = (home / "chains" / "sandbox.toml").read_text()
    with ExitStack() as nodes:
        names = [f"chain{at}" for at in range(count)]
        for at, name in enumerate(names):
            number = str(FIRST_NUMBER + at)
            options = ["--fork-url", url, "--chain-id", number, "--no-storage-caching", "--max-persisted-states", "0"]
            node = spawn(options, log=home / f"{name}.log", temporary=True)
            nodes.callback(node.stop)
            chain = text.replace('"sandbox"', f'"{name}"', 1).replace("eip155:31337", f"eip155:{number}")
            written = chain.replace("SANDBOX_RPC_URL", f"{name.upper()}_RPC_URL")
            (home / "chains" / f"{name}.toml").write_text(written)
            with (home / ".env").open("a") as env:
                env.write(f"{name.upper()}_RPC_URL={node.url}\n")
        yield ["sandbox", *names]


def settings_of(settings: str, wallets: Sequence[str], chains: Sequence[str], data_dir: str = ".") -> str:
    """The settings (yieldbot.toml) with a job in USDC for each wallet on each chain."""
    rest = settings.split("[policy]", 1)[1]
    rows = [
        f'[[wallets]]\nname = "w{at}"\naddress = "{wallet}"\nkeystore = "keys/{at}.json"\n'
        for at, wallet in enumerate(wallets)
    ]
    rows += [
        f'[[jobs]]\nwallet = "w{at}"\nchain = "{chain}"\nasset = "USDC"\n'
        for at in range(len(wallets))
        for chain in chains
    ]
    return "\n".join([f'schema = 1\ndata_dir = "{data_dir}"\n', *rows, f"[policy]{rest}"])
