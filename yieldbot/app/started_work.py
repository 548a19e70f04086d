"""Use cases that callers of the server start, each in a worker process: plans, rehearsals, quotes, exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from yieldbot.app.serve_jobs import JOB_SECONDS
from yieldbot.app.workers import WorkerFailed, Workers
from yieldbot.config.load import chain_names
from yieldbot.errors import ConfigError
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import as_fields, one_line

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.context import Context
    from yieldbot.app.signer_link import SignerLink

FIELDS: Mapping[str, Mapping[str, str]] = {
    "decode": {"--to": "contract", "--typed -": "message", "--typed": "message", "CALLDATA": "data"},
    "export": {"--format": "kind"},
    "quote": {"AMOUNT": "amount", "FROM": "given", "TO": "wanted"},
}
"""For each worker's job the words of its command that have another name as fields of a request."""


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

    async def _started(self, job: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a worker, whose messages name fields where the command line has flags. Raises WorkerFailed."""
        names = FIELDS.get(job, {})
        try:
            found = await self.workers.run(job, asked, JOB_SECONDS)
        except WorkerFailed as failure:
            raise WorkerFailed(as_fields(str(failure), names), failure.kind, failure.code) from None
        return {name: value if name == "content" else _worded(value, names) for name, value in found.items()}

    async def plan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What would be done with other assumptions. Raises WorkerFailed."""
        return await self._started("plan", request)

    async def queue(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make plans that wait for a person. Raises WorkerFailed."""
        signer = {"signer": True} if self.signer is not None else {}
        return await self._started("queue", {**request, **signer})

    async def leave(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Order to leave a market (``market``, ``jobs``, ``by``); its plan waits for a person. Raises WorkerFailed."""
        signer = {"signer": True} if self.signer is not None else {}
        return await self._started("exit", {**request, **signer})

    async def rehearse(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a run would do, rehearsed on a fork; nothing is stored for approval. Raises WorkerFailed."""
        signer = {"signer": True} if self.signer is not None else {}
        return await self._started("rehearse", {**request, **signer})

    async def quote(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a swap would bring now: ``given``, ``wanted``, ``amount`` or ``out``, ``chain``. Raises WorkerFailed."""
        return await self._started("quote", asked)

    async def decode(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A call, transaction or message in words: ``chain``, ``data``, ``contract``, ``value``, or ``message``. Raises
        ConfigError for text that is no call, or a target that is not in the chain's file, and WorkerFailed."""
        data, known = asked.get("data"), chain_names(self.context.config)
        if (data is None) == (asked.get("message") is None):
            raise ConfigError("give data, or a message")
        if data is not None and data.startswith("0x") and not asked.get("contract"):
            raise ConfigError("contract: name the contract that is called")
        if asked["chain"] not in known:
            raise ConfigError(
                f"chain {one_line(asked['chain'], 60)} is not known: {did_you_mean(asked['chain'], known)}"
            )
        found = await self._started("decode", asked)
        parts = found.get("instructions", (found,))
        if not parts or not all(part["known"] for part in parts):
            raise ConfigError("its target is not in the registry: a person can decode it with `yieldbot decode`")
        return found

    async def export(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The transactions of accounts with their values: ``jobs``, ``format``, ``from``, ``to``, ``offline``. Raises
        WorkerFailed."""
        return await self._started("export", asked)


def _worded(value: Any, names: Mapping[str, str]) -> Any:
    """A document's value; in its texts fields in place of flags."""
    match value:
        case str():
            flags = {word: name for word, name in names.items() if word.startswith("--")}
            return as_fields(value, flags) if "--" in value else value
        case dict():
            return {name: _worded(one, names) for name, one in value.items()}
        case list() | tuple():
            return type(value)(_worded(one, names) for one in value)
    return value
