"""From an approved plan to confirmed transactions, with the journal as the memory that survives a crash.

What the cycle uses (nothing heavy is imported here; import from the modules named):

    from yieldbot.chains.evm.execution.account import Account, LegWork
    from yieldbot.chains.evm.execution.abi_calls import abi_functions  # abis/*.json -> what the policy can decode
    from yieldbot.chains.evm.execution.leg import execute_leg
    from yieldbot.chains.evm.execution.settle import settle
    from yieldbot.chains.evm.execution.rehearsal import (Rehearsal)
    from yieldbot.chains.evm.execution.rehearse import (rehearse)
    from yieldbot.chains.evm.node.fork import fork_of
    from yieldbot.chains.evm.signing.keystore import KeystoreSigner, create, import_key, list_keystores
    from yieldbot.execution.passphrases import passphrase
    from yieldbot.chains.evm.signing.kms import KmsSigner  # and ledger.LedgerSigner over ledger_hid.HidTransport
    from yieldbot.execution.approvals import Approval, Ask, Auto, DeclineAll, PreApproved, Proposal, Queue
    from yieldbot.execution.lock import run_lock
    from yieldbot.execution.results import LegResult
    from yieldbot.journal.store import Journal

    with run_lock(data_dir), Journal.open(data_dir / "journal.sqlite") as journal:
        account = Account(node=..., settings=ChainSettings, owner=..., journal=journal, signer=..., fork=..., ...)
        outcomes = await settle(account)                 # always first; raises PendingError while one is open
        ... observe, assess, allocate, plan (the cycle's other stages)
        works = [LegWork(index=i, leg=leg, market=..., calls=adapter's calls, share_token=..., targets=adapter.targets(
                 market), spenders=adapter.spenders(market)) for i, leg in enumerate(plan.legs)]
        rehearsal = await rehearse(account, works, snapshot.block)              # -> Rehearsal | Declined
        approval = await approver.approve(Proposal(plan, rehearsal))     # -> Approval | Declined
        result = await execute_leg(account, approval, work)                     # one leg; -> LegResult
        # LegResult(outcomes: tuple[Outcome, ...], declined: Declined | None); observe again, rebuild the next
        # LegWork from the fresh state (same index, amount <= planned), execute_leg again.

``fork`` is ``Callable[[BlockRef], AbstractAsyncContextManager[Node]]``; live, dry run and rehearsal differ only in
the approver and in the node that the Account is wired with.
"""
