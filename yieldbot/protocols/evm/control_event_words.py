"""The events that ``control_events.py`` decodes, each with a text for people; and which of them announce a change or
end an announcement.

Sources: OpenZeppelin (Ownable, Ownable2Step, AccessControl, ERC1967Utils, TimelockController, Governor), Safe,
Compound's Timelock, Governor Alpha and Bravo, Comptroller, cToken and Comet's Configurator, Aave's PoolConfigurator,
PoolAddressesProvider, AaveOracle and PayloadsController, Morpho Blue, MetaMorpho and Vault V2, Maple's Globals and
GovernorTimelock.
"""

from __future__ import annotations

EVENTS = {
    "OwnershipTransferred(address indexed before, address indexed after)": "its owner is now {after}, it was {before}",
    "OwnershipTransferStarted(address indexed before, address indexed after)": "{after} may become its owner",
    "OwnershipHandoverRequested(address indexed after)": "{after} may become its owner",
    "SetOwner(address indexed after)": "its owner is now {after}",
    "GovernorTransferred(address indexed before, address indexed after)": (
        "its governor is now {after}, it was {before}"
    ),
    "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)": (
        "{account} gets the role {role}"
    ),
    "RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)": (
        "{account} loses the role {role}"
    ),
    "RoleGranted(uint64 indexed role, address indexed account, uint32 delay, uint48 since, bool after)": (
        "{account} gets the role {role}, acts {delay} s after it said so"
    ),
    "RoleRevoked(uint64 indexed role, address indexed account)": "{account} loses the role {role}",
    "AuthorityUpdated(address after)": "{after} now says who may do what",
    "DefaultAdminTransferScheduled(address indexed after, uint48 due)": "{after} may become its admin",
    "RoleAdminChanged(bytes32 indexed role, bytes32 indexed before, bytes32 indexed after)": (
        "the role {role} is given by {after}, it was by {before}"
    ),
    "Upgraded(address indexed after)": "its code is now that of {after}",
    "AdminChanged(address before, address after)": "its proxy's admin is now {after}, it was {before}",
    "BeaconUpgraded(address indexed after)": "its beacon is now {after}",
    "NewImplementation(address before, address after)": "its code is now that of {after}, it was that of {before}",
    "NewPendingImplementation(address before, address after)": "its code may become that of {after}",
    "NewAdmin(address before, address after)": "its admin is now {after}, it was {before}",
    "NewPendingAdmin(address before, address after)": "{after} may become its admin",
    "NewAdmin(address indexed after)": "its admin is now {after}",
    "NewPendingAdmin(address indexed after)": "{after} may become its admin",
    "NewDelay(uint256 indexed after)": "its delay is now {after} s",
    "MinDelayChange(uint256 before, uint256 after)": "its delay is now {after} s, it was {before} s",
    "CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, "
    "bytes32 predecessor, uint256 delay)": "a call of {target} is scheduled, in {delay} s",
    "CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data)": (
        "a scheduled call of {target} was made"
    ),
    "Cancelled(bytes32 indexed id)": "a scheduled call was cancelled",
    "QueueTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a call of {target} {signature} is queued",
    "ExecuteTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a queued call of {target} {signature} was made",
    "CancelTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a queued call of {target} {signature} was cancelled",
    "ProposalQueued(uint256 id, uint256 eta)": "proposal {id} is queued",
    "ProposalExecuted(uint256 id)": "proposal {id} was carried out",
    "ProposalCanceled(uint256 id)": "proposal {id} was cancelled",
    "OperationScheduled(bytes32 indexed id, uint32 indexed nonce, uint48 eta, address caller, address target, "
    "bytes data)": "a call of {target} is scheduled",
    "OperationExecuted(bytes32 indexed id, uint32 indexed nonce)": "a scheduled call was made",
    "OperationCanceled(bytes32 indexed id, uint32 indexed nonce)": "a scheduled call was cancelled",
    "PayloadQueued(uint40 id)": "payload {id} is queued",
    "PayloadExecuted(uint40 id)": "payload {id} was carried out",
    "PayloadCancelled(uint40 id)": "payload {id} was cancelled",
    "AddedOwner(address after)": "{after} is a signer now",
    "RemovedOwner(address before)": "{before} is no signer any more",
    "ChangedThreshold(uint256 after)": "it needs {after} signatures now",
    "EnabledModule(address after)": "module {after} may act without signatures",
    "DisabledModule(address before)": "module {before} may not act any more",
    "ChangedMasterCopy(address after)": "its code is now that of {after}",
    "ChangedGuard(address after)": "its guard is now {after}",
    "SubmitTimelock(uint256 after)": "its timelock may become {after} s",
    "SetTimelock(address indexed caller, uint256 after)": "its timelock is now {after} s",
    "SubmitGuardian(address indexed after)": "{after} may become its guardian",
    "SetGuardian(address indexed caller, address indexed after)": "its guardian is now {after}",
    "SetCurator(address indexed after)": "its curator is now {after}",
    "SetIsAllocator(address indexed account, bool after)": "{account} allocates: {after}",
    "SubmitCap(address indexed caller, bytes32 indexed market, uint256 after)": (
        "its cap of {market} may become {after}"
    ),
    "SetCap(address indexed caller, bytes32 indexed market, uint256 after)": "its cap of {market} is now {after}",
    "SubmitMarketRemoval(address indexed caller, bytes32 indexed market)": "market {market} may be removed with a loss",
    "RevokePendingTimelock(address indexed caller)": "its timelock stays",
    "RevokePendingGuardian(address indexed caller)": "its guardian stays",
    "RevokePendingCap(address indexed caller, bytes32 indexed market)": "its cap of {market} stays",
    "RevokePendingMarketRemoval(address indexed caller, bytes32 indexed market)": "market {market} stays",
    "SetFee(address indexed caller, uint256 after)": "its fee is now {after} (1e18 is all)",
    "SetFee(bytes32 indexed market, uint256 after)": "the fee of market {market} is now {after} (1e18 is all)",
    "EnableIrm(address indexed after)": "rate model {after} may be used",
    "PauseAction(bool supply, bool transfer, bool withdraw, bool absorb, bool buy)": (
        "paused are: supply {supply}, withdrawals {withdraw}, liquidations {absorb}"
    ),
    "SetBaseTokenPriceFeed(address indexed comet, address indexed before, address indexed after)": (
        "the oracle of {comet}'s asset becomes {after}, it was {before}"
    ),
    "UpdateAssetPriceFeed(address indexed comet, address indexed asset, address before, address after)": (
        "the oracle of collateral {asset} of {comet} becomes {after}, it was {before}"
    ),
    "UpdateAssetSupplyCap(address indexed comet, address indexed asset, uint128 before, uint128 after)": (
        "the cap of collateral {asset} of {comet} becomes {after}, it was {before}"
    ),
    "SetSupplyKink(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s kink becomes {after}, it was {before}"
    ),
    "SetSupplyPerYearInterestRateSlopeHigh(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s supply rate above the kink becomes {after}, it was {before}"
    ),
    "SetBorrowPerYearInterestRateSlopeHigh(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s borrow rate above the kink becomes {after}, it was {before}"
    ),
    "CometDeployed(address indexed comet, address indexed after)": "new code for {comet} is deployed: {after}",
    "NewPriceOracle(address before, address after)": "its oracle is now {after}, it was {before}",
    "NewMarketInterestRateModel(address before, address after)": "its rate model is now {after}, it was {before}",
    "NewReserveFactor(uint256 before, uint256 after)": (
        "its reserve factor is now {after}, it was {before} (1e18 is all)"
    ),
    "NewCollateralFactor(address market, uint256 before, uint256 after)": (
        "the collateral factor of {market} is now {after}, it was {before} (1e18 is all)"
    ),
    "NewPauseGuardian(address before, address after)": "its pause guardian is now {after}, it was {before}",
    "NewSupplyCap(address indexed market, uint256 after)": "the supply cap of {market} is now {after}",
    "NewBorrowCap(address indexed market, uint256 after)": "the borrow cap of {market} is now {after}",
    "ActionPaused(address market, string action, bool after)": "{action} of {market} is paused: {after}",
    "SupplyCapChanged(address indexed asset, uint256 before, uint256 after)": (
        "the supply cap of {asset} is now {after}, it was {before}"
    ),
    "BorrowCapChanged(address indexed asset, uint256 before, uint256 after)": (
        "the borrow cap of {asset} is now {after}, it was {before}"
    ),
    "ReserveInterestRateDataChanged(address indexed asset, address indexed strategy, bytes data)": (
        "the rates of {asset} change: optimum, base, slope 1, slope 2 in bp are {data}"
    ),
    "ReserveInterestRateStrategyChanged(address indexed asset, address before, address after)": (
        "the rate model of {asset} is now {after}, it was {before}"
    ),
    "CollateralConfigurationChanged(address indexed asset, uint256 ltv, uint256 threshold, uint256 bonus)": (
        "{asset} as collateral: {ltv} bp are lent against it, liquidated from {threshold} bp"
    ),
    "ReserveFactorChanged(address indexed asset, uint256 before, uint256 after)": (
        "the reserve factor of {asset} is now {after} bp, it was {before} bp"
    ),
    "ReserveFrozen(address indexed asset, bool after)": "{asset} is frozen: {after}",
    "ReservePaused(address indexed asset, bool after)": "{asset} is paused: {after}",
    "ATokenUpgraded(address indexed asset, address indexed proxy, address indexed after)": (
        "the aToken of {asset} runs the code of {after} now"
    ),
    "AssetSourceUpdated(address indexed asset, address indexed after)": "the oracle of {asset} is now {after}",
    "PriceOracleUpdated(address indexed before, address indexed after)": "its oracle is now {after}, it was {before}",
    "PoolUpdated(address indexed before, address indexed after)": "its pool's code is now {after}, it was {before}",
    "PoolConfiguratorUpdated(address indexed before, address indexed after)": (
        "its configurator's code is now {after}, it was {before}"
    ),
    "ACLManagerUpdated(address indexed before, address indexed after)": (
        "its role manager is now {after}, it was {before}"
    ),
    "ACLAdminUpdated(address indexed before, address indexed after)": "who gives roles is now {after}, it was {before}",
    "ProposalCreated(uint256 id, address proposer, address[] targets, uint256[] values, string[] signatures, "
    "bytes[] calldatas, uint256 start, uint256 end, string description)": "proposal {id} of {proposer}",
    "MapleProposalScheduled(uint256 indexed id, bytes32 hash, bool revocable, uint32 since, uint32 eta, "
    "uint32 until)": "proposal {id} is scheduled",
    "ProposalUnscheduled(uint256 indexed id)": "proposal {id} was cancelled",
    "MapleCallScheduled(address indexed caller, address indexed target, bytes32 indexed name, bytes32 hash, "
    "uint256 since)": "{caller} schedules {name} of {target}",
    "CallUnscheduled(address indexed caller, address indexed target, bytes32 indexed name, bytes32 hash, "
    "uint256 since)": "{name} of {target}, which {caller} scheduled, was made or cancelled",
    "ConfigurationUpdated(uint256 indexed id, uint64 cycle, uint64 eta, uint64 length, uint64 window)": (
        "from cycle {cycle} on requests are paid once in {length} s, for {window} s"
    ),
    "DefaultTimelockSet(uint32 after, uint32 window)": "its delay is now {after} s",
    "FunctionTimelockSet(address indexed target, bytes4 indexed selector, uint32 after, uint32 window)": (
        "the delay of {selector} of {target} is now {after} s (0: that of all others)"
    ),
    "RoleUpdated(bytes32 indexed role, address indexed account, bool after)": "{account} has the role {role}: {after}",
    "Submit(bytes4 indexed selector, bytes data, uint256 eta)": "{selector} may be called",
    "Accept(bytes4 indexed selector, bytes data)": "{selector} was called, as was announced",
    "Revoke(address indexed sender, bytes4 indexed selector, bytes data)": "{selector} will not be called",
    "SetIsSentinel(address indexed account, bool after)": "{account} is a sentinel, who may lower caps: {after}",
    "SetReceiveSharesGate(address indexed after)": "who may receive shares is now said by {after}",
    "SetSendSharesGate(address indexed after)": "who may send shares is now said by {after}",
    "SetReceiveAssetsGate(address indexed after)": "who may withdraw is now said by {after}",
    "SetSendAssetsGate(address indexed after)": "who may deposit is now said by {after}",
    "SetAdapterRegistry(address indexed after)": "which adapters may be added is now said by {after}",
    "AddAdapter(address indexed after)": "its money may go to adapter {after} now",
    "RemoveAdapter(address indexed before)": "its money may not go to adapter {before} any more",
    "SetLiquidityAdapterAndData(address indexed sender, address indexed after, bytes32 indexed hash)": (
        "deposits now go to adapter {after}, and withdrawals come from it"
    ),
    "DecreaseTimelock(bytes4 indexed selector, uint256 after)": "{selector} waits only {after} s now",
    "IncreaseTimelock(bytes4 indexed selector, uint256 after)": "{selector} waits {after} s now",
    "Abdicate(bytes4 indexed selector)": "{selector} can never be called again",
    "SetPerformanceFee(uint256 after)": "its performance fee is now {after} (1e18 is all)",
    "SetManagementFee(uint256 after)": "its management fee is now {after} a second (1e18 is all)",
    "IncreaseAbsoluteCap(bytes32 indexed market, bytes data, uint256 after)": "its cap of {market} is now {after}",
    "DecreaseAbsoluteCap(address indexed sender, bytes32 indexed market, bytes data, uint256 after)": (
        "its cap of {market} is now {after}"
    ),
    "IncreaseRelativeCap(bytes32 indexed market, bytes data, uint256 after)": (
        "its cap of {market} is now {after} of its money (1e18 is all)"
    ),
    "DecreaseRelativeCap(address indexed sender, bytes32 indexed market, bytes data, uint256 after)": (
        "its cap of {market} is now {after} of its money (1e18 is all)"
    ),
    "SetForceDeallocatePenalty(address indexed adapter, uint256 after)": (
        "who takes out of adapter {adapter} pays {after} (1e18 is all)"
    ),
}
"""A text for people by event signature, with the arguments' names in braces."""
SIGNATURES = {
    "MapleCallScheduled": "CallScheduled(address,address,bytes32,bytes32,uint256)",
    "MapleProposalScheduled": "ProposalScheduled(uint256,(bytes32,bool,uint32,uint32,uint32))",
    "SetLiquidityAdapterAndData": "SetLiquidityAdapterAndData(address,address,bytes)",
}
"""Signatures on chain of events that have another name above, or arguments of other types."""
OPENS = (
    *("CallScheduled", "QueueTransaction", "ProposalQueued", "OperationScheduled", "ProposalCreated"),
    *("Submit", "MapleCallScheduled", "MapleProposalScheduled"),
    *("SubmitMarketRemoval", "NewPendingImplementation", "ConfigurationUpdated"),
)
"""Events that announce a change which no view function of the contract shows."""
BY_ITSELF = ("ConfigurationUpdated",)
"""Those of OPENS whose change takes effect at its time without a further call: Maple's windows of withdrawal
(withdrawal-manager-cyclical, setExitConfig: after the present cycle and two more)."""
CLOSES = (
    *("CallExecuted", "Cancelled", "ExecuteTransaction", "CancelTransaction", "ProposalExecuted", "ProposalCanceled"),
    *("RevokePendingMarketRemoval", "NewImplementation", "OperationExecuted", "OperationCanceled"),
    *("Accept", "Revoke", "CallUnscheduled", "ProposalUnscheduled"),
)
"""Events by which an announced change is made, cancelled or revoked."""
