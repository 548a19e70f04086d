"""``check``: checks whether a run has everything that it needs; names the remedy for each fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from yieldbot.app.check_documents import Check, CheckDocument
from yieldbot.app.check_exits import no_way_out
from yieldbot.app.check_leftovers import left_over
from yieldbot.app.halt import stopped_accounts
from yieldbot.app.removed_jobs import check_removed
from yieldbot.app.wiring import OPENING, keyed_urls_in_env, passphrases_in_env, signers
from yieldbot.app.wrong_clock import check_clock
from yieldbot.chains.findings import FAILED, MISCONFIGURED, Finding
from yieldbot.chains.keystores import key_signer
from yieldbot.chains.open import chain_of, tools
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.execution.halt import halted
from yieldbot.execution.passphrases import is_given, passphrase
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import ChainSettings, Wallet

WRONG, AWAY = "found a wrong configuration", "failed for now"


def check(context: Context) -> CheckDocument:
    """Checks the configuration and every chain, keystore, device and Safe that it names. Signs and writes nothing.
    Raises ConfigError for a configuration that cannot be read."""
    settings = context.settings
    found = [Finding(str(settings.source), f"wallets: {len(settings.wallets)}, jobs: {len(settings.jobs)}")]
    found += [Finding("yieldbot.toml", warning, "correct it unless it is on purpose") for warning in settings.warnings]
    if not settings.jobs:
        found.append(Finding("jobs", "there is none", "add a [[jobs]] table: wallet, chain, asset", MISCONFIGURED))
    found += tools(settings.anvil)
    found += _stops(context)
    found += asyncio.run(check_clock(context))
    found += no_way_out(context)
    found += check_removed(context)
    found += _env(context)
    found += [_wallet(context, wallet) for wallet in settings.wallets.values()]
    found += asyncio.run(_chains(settings.chains.values()))
    found += asyncio.run(_accounts(context))
    found += asyncio.run(left_over(context))
    code = max(finding.code for finding in found)
    rows = (
        Check(what=one.what, ok=one.code == 0, warning=one.warns, said=one.result, remedy=one.remedy or None)
        for one in found
    )
    return CheckDocument(ok=code == 0, exit_code=code, verdict=_verdict(found), checks=tuple(rows))


def _verdict(found: Sequence[Finding]) -> str:
    """The whole in one line, with what to mend first: what is configured wrongly."""
    faults = sorted((finding for finding in found if finding.code), key=lambda finding: -finding.code)
    if not faults:
        warned = [finding for finding in found if finding.warns]
        first = f"; {counted(len(warned), 'warning')}, first: {warned[0].what}: {warned[0].result}" if warned else ""
        return f"ready: none of {len(found)} checks failed{first}"
    wrong = sum(finding.code == MISCONFIGURED for finding in faults)
    parts = [f"{count} {kind}" for count, kind in ((wrong, WRONG), (len(faults) - wrong, AWAY)) if count]
    return f"not ready: of {len(found)} checks {' and '.join(parts)}; begin with: {faults[0].what}"


def _stops(context: Context) -> list[Finding]:
    """Findings that keep a correctly configured bot from signing: a halt, stopped accounts, a damaged journal."""
    found = []
    if (reason := halted(context.settings.data_dir)) is not None:
        found.append(Finding("halt", f"nothing is signed or sent ({reason})", "`yieldbot resume` lifts it", FAILED))
    try:
        stopped = stopped_accounts(context)
    except YieldbotError as fault:
        return [*found, Finding("journal", str(fault), "nothing is signed meanwhile", FAILED)]
    clear = "look at it, then `yieldbot resume --clear`"
    found += [
        Finding(f"account {owner} on {chain}", f"it is stopped: {why}", clear, FAILED)
        for (chain, owner), why in stopped.items()
    ]
    return found


def _env(context: Context) -> list[Finding]:
    """A finding about .env, if it holds a passphrase or an RPC URL with a provider's key."""
    holds = "a passphrase"
    try:
        file = passphrases_in_env(context)
        if file is None:
            holds = "an RPC URL with a key"
            file = keyed_urls_in_env(context)
    except ConfigError as fault:
        return [Finding(".env", f"it holds {holds}", str(fault), MISCONFIGURED)]
    return [Finding(str(file), f"it holds {holds} and is private")] if file else []


def _wallet(context: Context, wallet: Wallet) -> Finding:
    """Whether the wallet's key can be used and has its address, in its keystore, AWS KMS or Ledger."""
    if wallet.kind == "safe":
        return Finding(f"wallet {wallet.name}", f"{wallet.address}, a Safe: checked with its chain")
    return _keystore(context, wallet) if wallet.held is None else _held(context, wallet)


def _held(context: Context, wallet: Wallet) -> Finding:
    """Whether AWS KMS, or the Ledger, has the key of the wallet's address."""
    what = f"wallet {wallet.name}"
    context.say(f"{OPENING[wallet.kind]} of {what}")
    try:
        signers(context)(wallet).open()
    except YieldbotError as fault:
        message, _, remedy = str(fault).partition(": ")
        return Finding(what, message, remedy, MISCONFIGURED if isinstance(fault, ConfigError) else FAILED)
    where = "AWS KMS has its key" if wallet.kind == "kms" else "the Ledger has its key and signs contract calls"
    return Finding(what, f"{wallet.address}, {where}")


def _keystore(context: Context, wallet: Wallet) -> Finding:
    """Whether the keystore exists, is private, belongs to the wallet's address, and (if a passphrase is configured)
    opens with it."""
    what = f"wallet {wallet.name}"
    environment = context.environment
    if context.settings.signer is not None and wallet.keystore is not None and not wallet.keystore.exists():
        return Finding(what, f"{wallet.address}: no key here; it is the signer's at {context.settings.signer}")
    try:
        signer = key_signer(wallet, passphrase(wallet, environment, None))
        if signer.address != wallet.address:
            remedy = f"correct address in yieldbot.toml, or name the keystore of {wallet.address}"
            return Finding(what, f"{wallet.keystore} has the key of {signer.address}", remedy, MISCONFIGURED)
        found = f"{signer.address}, {wallet.keystore} is private"
        if is_given(wallet, environment):
            context.say(f"opening the keystore of {what} (takes a second)")
            signer.open()
            return Finding(what, f"{found} and its passphrase opens it")
    except ConfigError as fault:
        return Finding(what, "its keystore cannot be used", str(fault), MISCONFIGURED)
    if wallet.passphrase_env is not None:
        remedy = f"set it in .env (mode 600), or remove passphrase_env of {what} to be asked for the passphrase"
        return Finding(what, f"passphrase_env: {wallet.passphrase_env} is not set", remedy, MISCONFIGURED)
    return Finding(what, f"{found}; its passphrase is asked for")


async def _accounts(context: Context) -> list[Finding]:
    """Findings about each job's account: a Safe and its owners."""
    found: list[Finding] = []
    for job in context.settings.jobs:
        if job.chain.rpc_urls:
            found += await chain_of(job.chain).check_account(job, context.settings.wallets)
    return found


async def _chains(chains: Iterable[ChainSettings]) -> list[Finding]:
    found = await asyncio.gather(*(_chain(chain) for chain in chains))
    return [finding for findings in found for finding in findings]


async def _chain(chain: ChainSettings) -> list[Finding]:
    if chain.rpc_urls:
        return await chain_of(chain).check()
    remedy = f"put the RPC URL of {chain.name} into .env as {chain.rpc_env}"
    return [Finding(f"chain {chain.name}", f"{chain.rpc_env} is not set", remedy, MISCONFIGURED)]
