// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// Doubles: ERC-4626 vaults that behave as some real ones do and as no vault should. Each is OpenZeppelin's vault with
/// one thing changed. Deployed by the tests that need them, never by the sandbox itself.
abstract contract Trap is ERC4626 {
    constructor(IERC20 asset_, string memory symbol_) ERC20("Trap Vault", symbol_) ERC4626(asset_) {}
}

/// An honest vault of which anybody may raise the share price by giving (`IERC20.transfer`), as of many real ones.
contract PlainVault is Trap {
    constructor(IERC20 asset_) Trap(asset_, "plain") {}
}

/// Deposits are open, exits closed: `maxRedeem` and `previewRedeem` are of the whole position, `redeem` and `withdraw`
/// always revert (custody, lock-up, "use the other function").
contract LockedVault is Trap {
    error ExitsAreClosed();

    constructor(IERC20 asset_) Trap(asset_, "locked") {}

    function _withdraw(address, address, address, uint256, uint256) internal pure override {
        revert ExitsAreClosed();
    }
}

/// `maxRedeem` and `maxWithdraw` ignore the owner and name the money of everybody.
contract LyingVault is Trap {
    constructor(IERC20 asset_) Trap(asset_, "lying") {}

    function maxRedeem(address) public view override returns (uint256) {
        return totalSupply();
    }

    function maxWithdraw(address) public view override returns (uint256) {
        return totalAssets();
    }
}

/// Fees of entry and exit that stay in the vault's owner's hands: named by `previewDeposit` and `previewRedeem` alone,
/// not by `convertToAssets`, as EIP-4626 has it. Fees are taken of the assets that go in or out, in bps.
contract FeeVault is Trap {
    using Math for uint256;

    uint256 public immutable entryBps;
    uint256 public immutable exitBps;
    address public immutable collector;

    constructor(IERC20 asset_, uint256 entryBps_, uint256 exitBps_) Trap(asset_, "fee") {
        (entryBps, exitBps, collector) = (entryBps_, exitBps_, msg.sender);
    }

    function previewDeposit(uint256 assets) public view override returns (uint256) {
        return super.previewDeposit(assets - _fee(assets, entryBps));
    }

    function previewMint(uint256 shares) public view override returns (uint256) {
        return super.previewMint(shares).mulDiv(10_000, 10_000 - entryBps, Math.Rounding.Ceil);
    }

    function previewRedeem(uint256 shares) public view override returns (uint256) {
        uint256 assets = super.previewRedeem(shares);
        return assets - _fee(assets, exitBps);
    }

    function previewWithdraw(uint256 assets) public view override returns (uint256) {
        return super.previewWithdraw(assets.mulDiv(10_000, 10_000 - exitBps, Math.Rounding.Ceil));
    }

    function maxWithdraw(address owner) public view override returns (uint256) {
        return previewRedeem(balanceOf(owner));
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        super._deposit(caller, receiver, assets, shares);
        SafeERC20.safeTransfer(IERC20(asset()), collector, _fee(assets, entryBps));
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        uint256 worth = _convertToAssets(shares, Math.Rounding.Floor);
        super._withdraw(caller, receiver, owner, assets, shares);
        if (worth > assets) SafeERC20.safeTransfer(IERC20(asset()), collector, worth - assets);
    }

    function _fee(uint256 assets, uint256 bps) private pure returns (uint256) {
        return assets.mulDiv(bps, 10_000, Math.Rounding.Ceil);
    }
}

/// `max*` are 0 by design (or revert), and deposits and exits work: as Morpho Vault V2.
contract ZeroMaxVault is Trap {
    bool public immutable reverting;

    constructor(IERC20 asset_, bool reverting_) Trap(asset_, "zeromax") {
        reverting = reverting_;
    }

    function maxDeposit(address) public view override returns (uint256) {
        return _zero();
    }

    function maxMint(address) public view override returns (uint256) {
        return _zero();
    }

    function maxRedeem(address) public view override returns (uint256) {
        return _zero();
    }

    function maxWithdraw(address) public view override returns (uint256) {
        return _zero();
    }

    function deposit(uint256 assets, address receiver) public override returns (uint256 shares) {
        _deposit(msg.sender, receiver, assets, shares = previewDeposit(assets));
    }

    function mint(uint256 shares, address receiver) public override returns (uint256 assets) {
        _deposit(msg.sender, receiver, assets = previewMint(shares), shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) public override returns (uint256 shares) {
        _withdraw(msg.sender, receiver, owner, assets, shares = previewWithdraw(assets));
    }

    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256 assets) {
        _withdraw(msg.sender, receiver, owner, assets = previewRedeem(shares), shares);
    }

    function _zero() private view returns (uint256) {
        require(!reverting, "not implemented");
        return 0;
    }
}

/// The only borrower is dead: the debt accrues interest on paper that nobody pays, and whatever is deposited is gone.
/// `phantom` is how much it says to hold beyond its deposits at first; it grows by `perYearBps` of itself a year.
contract DeadVault is Trap {
    uint256 public immutable phantom;
    uint256 public immutable perYearBps;
    uint256 public immutable start;
    uint256 public lent;

    constructor(IERC20 asset_, uint256 phantom_, uint256 perYearBps_) Trap(asset_, "dead") {
        (phantom, perYearBps, start) = (phantom_, perYearBps_, block.timestamp);
        _mint(msg.sender, phantom_);
    }

    function totalAssets() public view override returns (uint256) {
        uint256 owed = phantom + lent;
        return owed + owed * perYearBps * (block.timestamp - start) / (10_000 * 365 days);
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        super._deposit(caller, receiver, assets, shares);
        lent += assets;
        SafeERC20.safeTransfer(IERC20(asset()), address(0xdead), assets);
    }
}

/// Shares of 18 decimals whatever the asset has, and a first price of `price` whole assets a whole share: as vaults of
/// a six-decimal dollar whose shares stand at 1,068.
contract WideVault is Trap {
    uint256 public immutable price;
    uint8 private immutable _assetDecimals;

    constructor(IERC20 asset_, uint8 assetDecimals_, uint256 price_) Trap(asset_, "wide") {
        (_assetDecimals, price) = (assetDecimals_, price_);
    }

    function decimals() public pure override returns (uint8) {
        return 18;
    }

    function _convertToShares(uint256 assets, Math.Rounding rounding) internal view override returns (uint256) {
        if (totalSupply() == 0) return assets * 10 ** (18 - _assetDecimals) / price;
        return Math.mulDiv(assets, totalSupply(), totalAssets(), rounding);
    }

    function _convertToAssets(uint256 shares, Math.Rounding rounding) internal view override returns (uint256) {
        if (totalSupply() == 0) return shares * price / 10 ** (18 - _assetDecimals);
        return Math.mulDiv(shares, totalAssets(), totalSupply(), rounding);
    }
}

/// A fungible vault with a cooldown, with sUSDe's interface (StakedUSDeV2): while `cooldownDuration` is not 0, `redeem`
/// and `withdraw` revert; `cooldownShares` burns shares and parks their assets, `unstake` pays them when it has ended.
/// `maxRedeem` and `maxWithdraw` name the whole position all the while.
contract CooldownVault is Trap {
    struct UserCooldown {
        uint104 cooldownEnd;
        uint152 underlyingAmount;
    }

    error OperationNotAllowed();
    error InvalidCooldown();

    address public immutable admin;
    Silo public immutable silo;
    uint24 public cooldownDuration;
    mapping(address => UserCooldown) public cooldowns;

    constructor(IERC20 asset_, uint24 seconds_) Trap(asset_, "cooldown") {
        (admin, cooldownDuration, silo) = (msg.sender, seconds_, new Silo(asset_));
    }

    function setCooldownDuration(uint24 seconds_) external {
        require(msg.sender == admin, "admin");
        cooldownDuration = seconds_;
    }

    function cooldownShares(uint256 shares) external returns (uint256 assets) {
        if (cooldownDuration == 0) revert OperationNotAllowed();
        assets = previewRedeem(shares);
        _cool(assets, shares);
    }

    function cooldownAssets(uint256 assets) external returns (uint256 shares) {
        if (cooldownDuration == 0) revert OperationNotAllowed();
        shares = previewWithdraw(assets);
        _cool(assets, shares);
    }

    function unstake(address receiver) external {
        UserCooldown storage mine = cooldowns[msg.sender];
        uint256 assets = mine.underlyingAmount;
        if (block.timestamp < mine.cooldownEnd && cooldownDuration != 0) revert InvalidCooldown();
        (mine.cooldownEnd, mine.underlyingAmount) = (0, 0);
        silo.withdraw(receiver, assets);
    }

    function withdraw(uint256 assets, address receiver, address owner) public override returns (uint256) {
        if (cooldownDuration != 0) revert OperationNotAllowed();
        return super.withdraw(assets, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256) {
        if (cooldownDuration != 0) revert OperationNotAllowed();
        return super.redeem(shares, receiver, owner);
    }

    function _cool(uint256 assets, uint256 shares) private {
        UserCooldown storage mine = cooldowns[msg.sender];
        mine.cooldownEnd = uint104(block.timestamp) + cooldownDuration;
        mine.underlyingAmount += uint152(assets);
        _withdraw(msg.sender, address(silo), msg.sender, assets, shares);
    }
}

/// Where a CooldownVault's assets wait.
contract Silo {
    address private immutable _vault;
    IERC20 private immutable _asset;

    constructor(IERC20 asset_) {
        (_vault, _asset) = (msg.sender, asset_);
    }

    function withdraw(address to, uint256 amount) external {
        require(msg.sender == _vault, "vault");
        SafeERC20.safeTransfer(_asset, to, amount);
    }
}

/// A Morpho oracle (MorphoChainlinkOracleV2's views) over a feed that last spoke when it was made: it is its own feed.
contract AgedOracle {
    uint256 public immutable price;
    uint256 public immutable spoke;

    constructor(uint256 price_) {
        (price, spoke) = (price_, block.timestamp);
    }

    function BASE_FEED_1() external view returns (address) {
        return address(this);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, 1e8, spoke, spoke, 1);
    }
}

/// An income that drips, as the sandbox's own drip vault, and a way out that is shut (`keepsBps` 0) or keeps a part: with
/// `always_` for everybody, else on a chain alone. It takes a chain whose blocks nobody is paid for (`block.coinbase` of
/// 0, as on anvil's forks) for a rehearsal and behaves there. The double of vaults that look at block.basefee,
/// block.coinbase or the chain's age; in a test the chain is given a coinbase first.
contract ForkAwareVault is Trap {
    uint256 public perSecond;
    uint256 public start;
    uint256 public funded;
    bool public always;
    uint256 public keepsBps;

    constructor(IERC20 asset_, uint256 perSecond_, bool always_, uint256 keepsBps_) Trap(asset_, "forkaware") {
        (perSecond, start, always, keepsBps) = (perSecond_, block.timestamp, always_, keepsBps_);
    }

    function fund(uint256 amount) external {
        funded += amount;
        SafeERC20.safeTransferFrom(IERC20(asset()), msg.sender, address(this), amount);
    }

    function totalAssets() public view override returns (uint256) {
        uint256 dripped = perSecond * (block.timestamp - start);
        return IERC20(asset()).balanceOf(address(this)) - (dripped < funded ? funded - dripped : 0);
    }

    function trapped() public view virtual returns (bool) {
        return always || block.coinbase != address(0);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        uint256 kept;
        if (trapped()) {
            require(keepsBps != 0, "exits are closed");
            kept = assets * keepsBps / 10_000;
        }
        super._withdraw(caller, receiver, owner, assets - kept, shares);
    }
}

/// The same, mended: what it is upgraded to.
contract MendedVault is ForkAwareVault {
    constructor(IERC20 asset_) ForkAwareVault(asset_, 0, false, 0) {}

    function trapped() public pure override returns (bool) {
        return false;
    }
}

/// An honest vault whose money all lies elsewhere (a strategy) and comes back when it is asked for: its own balance of the
/// asset is 0, so that nobody sees its cash. `locked` of it are lent out and cannot come back now.
contract InvestedVault is Trap {
    Strategy public immutable strategy;
    uint256 public perSecond;
    uint256 public start;
    uint256 public funded;
    uint256 public locked;

    constructor(IERC20 asset_, uint256 perSecond_, uint256 locked_) Trap(asset_, "invested") {
        (strategy, perSecond, start, locked) = (new Strategy(asset_), perSecond_, block.timestamp, locked_);
    }

    function fund(uint256 amount) external {
        funded += amount;
        SafeERC20.safeTransferFrom(IERC20(asset()), msg.sender, address(strategy), amount);
    }

    function totalAssets() public view override returns (uint256) {
        uint256 dripped = perSecond * (block.timestamp - start);
        return IERC20(asset()).balanceOf(address(strategy)) - (dripped < funded ? funded - dripped : 0);
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        super._deposit(caller, receiver, assets, shares);
        SafeERC20.safeTransfer(IERC20(asset()), address(strategy), assets);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        strategy.back(assets, locked);
        super._withdraw(caller, receiver, owner, assets, shares);
    }
}

/// Where an InvestedVault's assets lie.
contract Strategy {
    address private immutable _vault;
    IERC20 private immutable _asset;

    constructor(IERC20 asset_) {
        (_vault, _asset) = (msg.sender, asset_);
    }

    function back(uint256 amount, uint256 locked) external {
        require(msg.sender == _vault, "vault");
        require(_asset.balanceOf(address(this)) >= amount + locked, "it is lent out");
        SafeERC20.safeTransfer(_asset, _vault, amount);
    }
}
