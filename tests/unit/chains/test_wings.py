"""The two wings of ``chains/`` are alike: who knows one knows the other. What one alone has is listed, with reasons."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from yieldbot import chains

ROOT = Path(str(chains.__file__)).parent
EVM, SOLANA = "evm", "solana"

BOTH = {
    *(
        "account_history",
        "allowances",
        "chain",
        "check",
        "check_accounts",
        "controls",
        "decode",
        "discover",
        "exits",
        "exposure",
        "growth",
        "observe",
        "archive",
        "prices",
        "quotes",
        "session",
    ),
    *("swap_pools", "swap_work"),
    *(f"node/{name}" for name in ("beside", "client", "connect", "fork", "quorum")),
    *("signing/keystore",),
    *(f"execution/{name}" for name in ("account", "balances", "build", "clear", "confirm", "judge", "leg", "revoke")),
    *(
        f"execution/{name}"
        for name in ("rehearsal", "rehearse", "settle", "simulate", "submit", "swaps", "transact", "wayout")
    ),
}
"""What every family has to do, by the file that does it."""

ONLY = {
    EVM: {
        "cash": "a simulated holder shows the cash that a contract does not tell",
        "pegs": "the TWAPs of pools that swaps may use; on Solana other pools keep them, as the chain's file says",
        "supplies": "a token tells its supply by a call; a mint has it beside its decimals",
        "announced": "calls that timelocks, governors and vaults announce are decoded; Solana's multisigs state them",
        "controls_kept": "one look keeps much for the next: events of the past are searched for once",
        "glances": "only EVM chains have tables of thousands of markets; a Solana account is read in full as cheaply",
        "erc20": "tokens tell their symbols by a call",
        "leg_cost": "gas is known after the rehearsal alone",
        "logs": "events are asked for in parts that providers serve",
        "merkl": "rewards are told by a server, for EVM chains alone",
        "safe_queue": "a Safe's owners prepare transactions at a service",
        "rollups": "a rollup's transaction pays for its data too",
        "linea": "the least priority fee of one chain, which its blocks state",
        "tips": "a priority fee for gas; Solana's is chosen where its transactions are built",
        "check_registries": "registries of Solana are programs, which `check` knows from the deployments",
        "check_exchanges": "pools' factories and routers are contracts that the chain is asked about",
        "check_feeds": "a feed is a contract that says what it prices; Pyth's accounts are checked in check.py",
        "check_tables": "the contracts of one row name each other; Solana's rows name accounts of one program",
        "liquidity/*": "positions in pools are provided on EVM chains alone",
        "node/anvil": "the fork is a process of its own; LiteSVM runs inside ours",
        "node/submission": "transactions may be kept out of the public pool; Solana sends to every endpoint",
        "node/relay": "what that process reads goes through our quorum",
        "node/shared_forks": "starting that process costs more than putting it back; LiteSVM is cheap to start",
        "signing/kms": "AWS signs secp256k1 digests",
        "signing/ledger": "the Ethereum app",
        "signing/ledger_hid": "its wire",
        "signing/safe": "a Safe is a contract of EVM chains",
        "signing/safe_tx": "the bytes of its transactions",
        "signing/typed": "persons approve by EIP-712 signatures",
        "signing/sign": "three kinds of signers share the encoding of a transaction",
        "execution/abi_calls": "a contract's functions are known by its ABI; Solana's programs by their roles",
        "execution/calldata_rules": "the same, for judging",
        "execution/clear_bytes": "bytes inside of bytes",
        "execution/clear_code": "EIP-7702 hands an account to code",
        "execution/clear_control": "owners and roles of contracts",
        "execution/clear_grants": "allowances by signature and by call",
        "execution/clear_router": "the Universal Router's commands",
        "execution/clear_typed": "EIP-712 messages",
        "execution/clear_v4": "Uniswap v4's actions",
        "execution/erc7730/*": "descriptors of contracts, EVM's standard",
        "execution/fees": "EIP-1559 fees are fetched; Solana's bids come from recent transactions",
        "execution/holder": "a simulated holder of shares",
        "execution/nonces": "Solana's transactions have no nonce",
        "execution/on_fork": "a fork is asked by JSON-RPC",
        "execution/permit2": "an allowance's allowance",
        "execution/replace": "what is stuck is outbid; on Solana it expires",
        "execution/reverts": "revert data in words",
        "execution/rollup": "a rollup's fee for data",
        "execution/swaps_aerodrome": "another router's bytes",
        "execution/swaps_psm": "another router's bytes",
        "execution/swaps_balancer": "another router's bytes",
        "execution/swaps_v4": "another router's bytes",
    },
    SOLANA: {
        "issuers": "a token's issuer is in its mint's account; on EVM chains among the look's contracts",
        "reward_ends": "yields count no rewards on Solana; on EVM chains adapters read their ends",
        "multisigs": "who may exchange a program lies in accounts of other programs",
        "node/answers": "accounts as they lie, and what is told of a transaction",
        "node/transport": "solana-py's client needs its own bounds; EVM's is rpc/provider.py",
        "execution/roles": "which account of an instruction is whose",
        "execution/clear_call": "an instruction's accounts and bytes",
        "execution/clear_own": "the system program's and the loader's instructions",
        "execution/clear_tokens": "the token programs' instructions",
    },
}
"""Files that one family alone needs, with the reason."""

ONLY_VERBS = {
    ("account_history", EVM): ("each quotes_at", "feeds are read at past blocks"),
    ("account_history", SOLANA): ("Balances balances_in", "the past is in each transaction's own record"),
    ("allowances", EVM): ("pairs_in", "allowances are found by their events"),
    ("check_accounts", EVM): ("given_up safe", "Safes, and what was given up and can still be mined"),
    ("controls", SOLANA): (
        "authority authority_of data_of facts_of image_data",
        "what controls a program lies in accounts as they are",
    ),
    ("node/beside", EVM): ("creation creation_of_past head_of logs_of", "code is read by creations, events by parts"),
    ("node/beside", SOLANA): (
        "landing_of run_beside",
        "transactions are records, read beside a slot",
    ),
    ("decode", EVM): (
        "decode_message describer message_chain",
        "messages (EIP-712), descriptors (ERC-7730)",
    ),
    ("exposure", EVM): ("ExposureLook", "its reads run in the rounds of the look's other flows"),
    ("exposure", SOLANA): (
        "with_exposure with_flows",
        "reserves and transactions are listed, then read, after the look",
    ),
    ("execution/account", SOLANA): ("SvmSigner", "one kind of signer; EVM's is in signing/sign.py"),
    ("execution/balances", EVM): (
        "abi_word allowances_touched changes_in fetch_allowance fetch_balances given given_fault log_changes"
        " nfts_sent request_of tokens_sent",
        "balances and allowances are calls, effects are events",
    ),
    ("execution/balances", SOLANA): (
        "TokenAccount changes of_ours sol_change token_account trespass",
        "balances and effects are accounts, before and after",
    ),
    ("execution/build", EVM): (
        "Fees allowance_call bumped cancellation gas_limit price spender_names with_allowances",
        "gas has a price and a limit, spenders their allowances",
    ),
    ("execution/build", SOLANA): (
        "Bid LookupTable TxStep associated bid_for budget close_account compiled create_account meaning_of"
        " message_bytes own_accounts steps too_large without wrap written_out",
        "messages of instructions, within a size, with accounts that are made and closed",
    ),
    ("execution/clear", EVM): ("Call own_token tail within", "calls within calls"),
    ("execution/clear", SOLANA): ("InstructionReading", "a transaction is several instructions"),
    ("execution/confirm", EVM): ("Inclusion fetch_inclusion finality_seconds gas_used_of", "blocks and their depth"),
    ("execution/confirm", SOLANA): ("changes_in_meta finality", "commitments, and the record of what changed"),
    ("execution/judge", EVM): (
        "bounds judge_batch judge_cancellation judge_replacement",
        "Safes' batches, and what is done about a nonce",
    ),
    ("execution/judge", SOLANA): ("as_built budget_fault decode", "instructions are read from the final bytes"),
    ("execution/revoke", SOLANA): ("authority_of effect_fault", "a right is taken back by who has it"),
    ("execution/rehearse", EVM): (
        "leg_calls note_request run_steps still_allowed",
        "allowances are left or not, requests have ids, liquidity goes step by step",
    ),
    ("execution/rehearse", SOLANA): ("ran_step", "a leg is steps, each one transaction"),
    ("execution/simulate", EVM): ("stray_fault", "what leaves is read from event logs"),
    ("execution/simulate", SOLANA): (
        "reason simulate_bytes tables_of watched_of with_least would_fail",
        "lookup tables, and what a program says of its failure",
    ),
    ("execution/submit", EVM): ("in_pool sign", "a pool of transactions, and devices that refuse"),
    ("execution/submit", SOLANA): ("may_send", "the same bytes are sent many times"),
    ("execution/swaps", EVM): ("amount_fault deadline_fault least_fault unpacked", "shared by several routers"),
    ("exits", SOLANA): ("print_of", "of programs, which are data"),
    ("growth", EVM): ("token_growth", "contracts are asked at two blocks; a stake pool states both"),
    ("node/client", EVM): ("number", "hexadecimal answers"),
    ("node/client", SOLANA): ("SlotSkew", "slots that drift"),
    ("node/fork", EVM): ("fork_of fork_of_newest forks", "a process, for as long as a context"),
    ("node/fork", SOLANA): ("Fork Ran SavedState features table_addresses", "LiteSVM in this process"),
    ("observe", SOLANA): ("difference", "nodes are observed each at its own slot and compared"),
    ("prices", EVM): ("Surroundings decimals_of gas_feeds native_balance priced", "gas and rewards have prices"),
    ("signing/keystore", EVM): ("named_address nameless", "a keystore of version 3 may name nobody"),
    ("signing/keystore", SOLANA): ("is_solana_key", "ours has a type"),
    ("swap_pools", EVM): ("pools_with", "factories list pools; those of a cluster are named by its file"),
    ("swap_pools", SOLANA): (
        "add_oracles apart",
        "a peg is held against pools that an oracle keeps; nodes are compared",
    ),
    ("swap_work", EVM): ("lasting", "each transaction of a swap has a deadline in its bytes"),
}
"""Public names that one wing alone has in a file of both, with the reason."""

OTHER_ARGUMENTS = {
    "controls.look": "an EVM chain tells events since the last look, of what its file names",
    "execution/clear.read": "a call is read with its ABI, a message as it is",
    "execution/confirm.confirm": "transactions with one nonce are one group",
    "execution/build.unsigned": "a call with its nonce, a step with its blockhash",
    "execution/swaps.swap_fault": "a router's arguments, or decoded instructions",
    "execution/simulate.simulate_tx": "allowances that must be gone, or the slot",
    "execution/wayout.rehearse_exit": "what gas costs, or the lookup tables",
    "execution/transact.transact": "a call with its gas, or a step with its bid",
}
"""Functions of both whose arguments differ, with the reason. Else those of one begin with those of the other."""


def public(wing: str, module: str) -> dict[str, list[str] | None]:
    """Public names of a file; of a function its arguments. A Solana quorum is many nodes, an EVM one acts as one."""
    found: dict[str, list[str] | None] = {}
    for one in ast.parse((ROOT / wing / f"{module}.py").read_text()).body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            found[one.name] = ["node" if a.arg == "nodes" else a.arg for a in one.args.args]
        elif isinstance(one, ast.ClassDef):
            found[one.name] = None
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def modules(wing: str) -> set[str]:
    files = (file.relative_to(ROOT / wing).with_suffix("") for file in (ROOT / wing).rglob("*.py"))
    return {file.as_posix() for file in files if file.name != "__init__"}


@pytest.mark.parametrize("wing", [EVM, SOLANA])
def test_each_wing_has_the_files_of_both_and_what_is_listed_for_it(wing: str) -> None:
    folders = tuple(name.removesuffix("*") for name in ONLY[wing] if name.endswith("/*"))
    found = {name for name in modules(wing) if not (folders and name.startswith(folders))}
    assert found == BOTH | {name for name in ONLY[wing] if not name.endswith("/*")}


@pytest.mark.parametrize("module", sorted(BOTH))
def test_a_file_of_both_has_the_same_names_and_what_is_listed(module: str) -> None:
    evm, solana = public(EVM, module), public(SOLANA, module)
    for wing, has, other in ((EVM, evm, solana), (SOLANA, solana, evm)):
        listed = ONLY_VERBS.get((module, wing), ("", ""))[0].split()
        assert sorted(has.keys() - other.keys()) == sorted(listed), f"{wing}/{module}.py"


@pytest.mark.parametrize("module", sorted(BOTH))
def test_what_both_do_takes_the_same_arguments_in_the_same_order(module: str) -> None:
    evm, solana = public(EVM, module), public(SOLANA, module)
    for name in evm.keys() & solana.keys():
        one, other = evm[name] or [], solana[name] or []
        shared = min(len(one), len(other))
        needs_reason = one[:shared] != other[:shared]
        assert needs_reason == (f"{module}.{name}" in OTHER_ARGUMENTS), f"{module}.{name}: {one}, {other}"
