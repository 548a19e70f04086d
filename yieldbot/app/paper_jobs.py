"""The job that a paper wallet manages: a configured one, or one made from a chain and a coin without a real wallet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.app.paper_state import PaperState
from yieldbot.app.wiring import needs_node
from yieldbot.config.load import chain_named, sale_of
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.settings import Job, Wallet
from yieldbot.model.spelling import did_you_mean, intended

if TYPE_CHECKING:
    from yieldbot.app.context import Context

NOBODY = "nobody"
"""The wallet's name in the job of a paper wallet that takes the place of no real wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a job must match to be chosen. An empty field matches every job."""

    wallet: str = ""
    """A configured wallet's name."""
    chain: str = ""
    """A chain's name."""
    coin: str = ""
    """A token's symbol."""


def job_for(wanted: Wanted, context: Context) -> Job:
    """The job of a new paper wallet. Raises ConfigError if none or several match."""
    settings = context.settings
    found = [
        job
        for job in settings.jobs
        if (not wanted.wallet or intended(wanted.wallet, (job.wallet.name,)))
        and (not wanted.chain or intended(wanted.chain, (job.chain.name,)))
        and (not wanted.coin or intended(wanted.coin, (token.symbol for token in job.assets)))
    ]
    if len(found) > 1:
        names = ", ".join(f"{job.wallet.name} on {job.chain.name} ({job.title})" for job in found)
        raise ConfigError(f"several jobs match: {names}: narrow them by --chain, --wallet and --coin")
    if found:
        needs_node(found[0], context)
        return found[0]
    if wanted.wallet:
        hint = did_you_mean(wanted.wallet, {job.wallet.name for job in settings.jobs})
        raise ConfigError(f"--wallet {wanted.wallet}: no job has it with this chain and coin: {hint}")
    if not wanted.chain or not wanted.coin:
        raise ConfigError("no job matches: say which market by --chain and --coin, as --chain base --coin USDC")
    return _for_nobody(wanted.chain, wanted.coin, context)


def job_of(state: PaperState, context: Context) -> Job:
    """The job of an existing paper wallet. Raises ConfigError if it is no longer configured."""
    assets = set(state.assets)
    for job in context.settings.jobs:
        same = job.chain.name == state.chain and {str(token.address) for token in job.assets} == assets
        if same and state.owner in (None, str(job.wallet.address)):
            needs_node(job, context)
            return job if state.owner is not None else _without_wallet(job)
    if state.owner is None and len(assets) == 1:
        return _for_nobody(state.chain, state.coin, context)
    raise ConfigError(
        f"the job of this paper wallet is gone: {state.coin} on {state.chain} for {state.owner or 'nobody'}: configure "
        "it again, or begin another paper wallet by --name"
    )


def owner_of(job: Job) -> str | None:
    """The address of the real wallet behind a job; None: there is none."""
    return None if job.wallet.address == job.chain.family.nobody else str(job.wallet.address)


def _without_wallet(job: Job) -> Job:
    return Job(wallet=_nobody(job), chain=job.chain, asset=job.asset, others=job.others, base=job.base, sale=job.sale)


def _nobody(job: Job) -> Wallet:
    return Wallet(name=NOBODY, address=job.chain.family.nobody)


def _for_nobody(chain: str, coin: str, context: Context) -> Job:
    settings = context.settings
    found = settings.chains.get(chain) or chain_named(settings.source, "--chain", chain)
    symbol = intended(coin, found.tokens)
    if symbol is None:
        raise ConfigError(f"--coin {coin}: no token of {found.name}: {did_you_mean(coin, found.tokens)}")
    job = Job(wallet=Wallet(name=NOBODY, address=found.family.nobody), chain=found, asset=found.tokens[symbol])
    job = replace(job, sale=sale_of(settings.policy, job))
    needs_node(job, context)
    return job
