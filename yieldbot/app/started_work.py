"""Use cases that callers of the server start, each in a worker process: plans, rehearsals, quotes, exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from yieldbot.app.serve_jobs import JOB_SECONDS
from yieldbot.app.workers import WorkerFailed, Workers
from yieldbot.config.load import chain_names
from yieldbot.errors import ConfigError
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.context import Context
    from yieldbot.app.signer_link import SignerLink


class StartedWork:
    """The part of ``Service`` that starts workers for callers."""

    __slots__ = ()
    context: Context
    workers: Workers
    signer: SignerLink | None

    def jobs_of(self, caller: Caller, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The jobs requested, limited to one of the caller's own wallets if the caller may see only certain accounts.

        Raises ConfigError for a wallet that is not the caller's, or where several are and none is named.
        """
        if caller.accounts is None:
            return dict(wanted)
        wallets = self.context.settings.wallets
        own = [name for name, wallet in wallets.items() if caller.sees(wallet.address)]
        name = wanted.get("wallet") or (own[0] if len(own) == 1 else None)
        if name not in own:
            raise ConfigError(f"jobs.wallet: name one of this key's own: {', '.join(own)}")
        return {**wanted, "wallet": name}

    def chain_of(self, caller: Caller, name: str | None) -> str | None:
        """The chain requested; for a caller that sees certain accounts alone, one that such an account has jobs on.
        Raises ConfigError for another, or where several are and none is named."""
        if caller.accounts is None:
            return name
        own = {job.chain.name for job in self.context.settings.jobs if caller.sees(job.wallet.address)}
        name = name or (next(iter(own)) if len(own) == 1 else None)
        if name not in own:
            raise ConfigError(f"chain: name one of this key's own: {', '.join(sorted(own))}")
        return name

    async def plan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What would be done with other assumptions. Raises WorkerFailed."""
        return await self.workers.run("plan", request, JOB_SECONDS)

    async def queue(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make plans that wait for a person. Raises WorkerFailed."""
        signer = {"signer": True} if self.signer is not None else {}
        return await self.workers.run("queue", {**request, **signer}, JOB_SECONDS)

    async def rehearse(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a run would do, rehearsed on a fork; nothing is stored for approval. Raises WorkerFailed."""
        signer = {"signer": True} if self.signer is not None else {}
        return await self.workers.run("rehearse", {**request, **signer}, JOB_SECONDS)

    async def quote(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a swap would bring now: ``given``, ``wanted``, ``amount`` or ``out``, ``chain``. Raises WorkerFailed."""
        return await self.workers.run("quote", asked, JOB_SECONDS)

    async def decode(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A call, transaction or message in words: ``chain``, ``data``, ``contract``, ``value``, or ``message``. Raises
        ConfigError for text that is no call, or a target that is not in the chain's file, and WorkerFailed."""
        data, known = asked.get("data"), chain_names(self.context.config)
        if (data is None) == (asked.get("message") is None):
            raise ConfigError("give data, or a message")
        if data is not None and data.startswith("0x") and not asked.get("contract"):
            raise ConfigError("contract: name the contract that is called")
        if asked["chain"] not in known:
            raise ConfigError(f"chain {one_line(asked['chain'], 60)} is not known: {', '.join(sorted(known))}")
        try:
            found = await self.workers.run("decode", asked, JOB_SECONDS)
        except WorkerFailed as failure:
            words = str(failure).replace("--to", "contract").replace("--typed -", "message")
            raise WorkerFailed(words, failure.kind, failure.code) from None
        parts = found.get("instructions", (found,))
        if not parts or not all(part["known"] for part in parts):
            raise ConfigError("its target is not in the registry: a person can decode it with `yieldbot decode`")
        return found

    async def export(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The transactions of accounts with their values: ``jobs``, ``format``, ``from``, ``to``, ``offline``. Raises
        WorkerFailed."""
        return await self.workers.run("export", asked, JOB_SECONDS)
