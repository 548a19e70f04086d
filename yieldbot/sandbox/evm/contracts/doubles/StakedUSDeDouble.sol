// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A DOUBLE of Ethena's StakedUSDeV2 (sUSDe) with its silo: rewards that vest, the cooldown that sets
/// assets aside, restricted accounts, and the real one's integers and custom errors. It is NOT the real one: anybody may
/// pay rewards, set the cooldown and restrict accounts; how long rewards vest (really eight hours) and the
/// least shares (really 1e18) are arguments, and shares have the decimals of the token (really 18, as USDe has), since tokens of
/// six decimals are staked here too. docs/protocols.md says what it was held against.
contract UsdeSiloDouble {
    address private immutable _vault = msg.sender;
    IERC20 private immutable _token;

    error OnlyStakingVault();

    constructor(IERC20 token) { _token = token; }

    function withdraw(address to, uint256 amount) external {
        if (msg.sender != _vault) revert OnlyStakingVault();
        _token.transfer(to, amount);
    }
}

contract StakedUSDeDouble is ERC4626 {
    struct UserCooldown { uint104 cooldownEnd; uint152 underlyingAmount; }

    uint256 private immutable VESTING_PERIOD;
    uint24 public constant MAX_COOLDOWN_DURATION = 90 days;
    bytes32 private constant SOFT = keccak256("SOFT_RESTRICTED_STAKER_ROLE");
    bytes32 private constant FULL = keccak256("FULL_RESTRICTED_STAKER_ROLE");
    uint256 private immutable _minShares;
    UsdeSiloDouble public immutable silo;
    uint24 public cooldownDuration = MAX_COOLDOWN_DURATION;
    uint256 public vestingAmount;
    uint256 public lastDistributionTimestamp;
    mapping(address => UserCooldown) public cooldowns;
    mapping(bytes32 => mapping(address => bool)) public hasRole;

    error InvalidAmount();
    error StillVesting();
    error OperationNotAllowed();
    error MinSharesViolation();
    error InvalidCooldown();
    error ExcessiveWithdrawAmount();
    error ExcessiveRedeemAmount();

    constructor(IERC20 token, uint256 minShares, uint256 vesting) ERC20("Staked USDe", "sUSDe") ERC4626(token) {
        (_minShares, VESTING_PERIOD, silo) = (minShares, vesting, new UsdeSiloDouble(token));
    }

    function setCooldownDuration(uint24 duration) external {
        if (duration > MAX_COOLDOWN_DURATION) revert InvalidCooldown();
        cooldownDuration = duration;
    }
    function addToBlacklist(address target, bool full) external { hasRole[full ? FULL : SOFT][target] = true; }
    function removeFromBlacklist(address target, bool full) external { hasRole[full ? FULL : SOFT][target] = false; }

    function transferInRewards(uint256 amount) external {
        if (amount == 0) revert InvalidAmount();
        if (getUnvestedAmount() > 0) revert StillVesting();
        (vestingAmount, lastDistributionTimestamp) = (amount, block.timestamp);
        IERC20(asset()).transferFrom(msg.sender, address(this), amount);
    }
    function getUnvestedAmount() public view returns (uint256) {
        uint256 since = block.timestamp - lastDistributionTimestamp;
        return since >= VESTING_PERIOD ? 0 : (VESTING_PERIOD - since) * vestingAmount / VESTING_PERIOD;
    }
    function totalAssets() public view override returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) - getUnvestedAmount();
    }

    function withdraw(uint256 assets, address to, address owner) public override returns (uint256 shares) {
        if (cooldownDuration != 0) revert OperationNotAllowed();
        require(assets <= maxWithdraw(owner), "ERC4626: withdraw more than max");
        shares = previewWithdraw(assets);
        _withdraw(msg.sender, to, owner, assets, shares);
    }
    function redeem(uint256 shares, address to, address owner) public override returns (uint256 assets) {
        if (cooldownDuration != 0) revert OperationNotAllowed();
        require(shares <= maxRedeem(owner), "ERC4626: redeem more than max");
        assets = previewRedeem(shares);
        _withdraw(msg.sender, to, owner, assets, shares);
    }
    function cooldownAssets(uint256 assets) external returns (uint256 shares) {
        if (cooldownDuration == 0) revert OperationNotAllowed();
        if (assets > maxWithdraw(msg.sender)) revert ExcessiveWithdrawAmount();
        shares = previewWithdraw(assets);
        _cool(assets, shares);
    }
    function cooldownShares(uint256 shares) external returns (uint256 assets) {
        if (cooldownDuration == 0) revert OperationNotAllowed();
        if (shares > maxRedeem(msg.sender)) revert ExcessiveRedeemAmount();
        assets = previewRedeem(shares);
        _cool(assets, shares);
    }
    function unstake(address to) external {
        UserCooldown memory mine = cooldowns[msg.sender];
        if (block.timestamp < mine.cooldownEnd && cooldownDuration != 0) revert InvalidCooldown();
        delete cooldowns[msg.sender];
        silo.withdraw(to, mine.underlyingAmount);
    }

    function _cool(uint256 assets, uint256 shares) private {
        cooldowns[msg.sender].cooldownEnd = uint104(block.timestamp) + cooldownDuration;
        cooldowns[msg.sender].underlyingAmount += uint152(assets);
        _withdraw(msg.sender, address(silo), msg.sender, assets, shares);
    }
    function _deposit(address caller, address to, uint256 assets, uint256 shares) internal override {
        if (assets == 0 || shares == 0) revert InvalidAmount();
        if (hasRole[SOFT][caller] || hasRole[SOFT][to]) revert OperationNotAllowed();
        super._deposit(caller, to, assets, shares);
        _enough();
    }
    function _withdraw(address caller, address to, address owner, uint256 assets, uint256 shares) internal override {
        if (assets == 0 || shares == 0) revert InvalidAmount();
        if (hasRole[FULL][caller] || hasRole[FULL][to] || hasRole[FULL][owner]) revert OperationNotAllowed();
        super._withdraw(caller, to, owner, assets, shares);
        _enough();
    }
    function _enough() private view {
        if (totalSupply() > 0 && totalSupply() < _minShares) revert MinSharesViolation();
    }
    function _update(address from, address to, uint256 value) internal override {
        if ((hasRole[FULL][from] && to != address(0)) || hasRole[FULL][to]) revert OperationNotAllowed();
        super._update(from, to, value);
    }
}
