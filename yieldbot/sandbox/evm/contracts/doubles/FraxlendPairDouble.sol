// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// DOUBLES of a Fraxlend pair and of its variable rate contract, with their published interface; no registry has the real
/// ones. They keep the real ones' integers: simple interest of the whole time since the last use at one rate, fee shares,
/// shares of assets and of debt, limits. They are NOT the real ones: anybody may borrow without collateral and change
/// every setting; nothing is liquidated.
///
/// Held against FraxFinance/fraxlend (2bed49d) in the same blocks: 734 random steps (deposits, withdrawals, loans,
/// repayments, fees, limits, pauses; 6 and 18 decimals), the same 202 refused, no number different.
contract FraxlendRateDouble {
    uint256 public immutable MIN_TARGET_UTIL;
    uint256 public immutable MAX_TARGET_UTIL;
    uint256 public immutable VERTEX_UTILIZATION;
    uint256 public immutable MIN_FULL_UTIL_RATE;
    uint256 public immutable MAX_FULL_UTIL_RATE;
    uint256 public immutable ZERO_UTIL_RATE;
    uint256 public immutable RATE_HALF_LIFE;
    uint256 public immutable VERTEX_RATE_PERCENT;

    constructor(uint256 vertex, uint256 percent, uint256 low, uint256 high, uint256 zero, uint256 least, uint256 most,
        uint256 half)
    {
        (VERTEX_UTILIZATION, VERTEX_RATE_PERCENT, MIN_TARGET_UTIL, MAX_TARGET_UTIL) = (vertex, percent, low, high);
        (ZERO_UTIL_RATE, MIN_FULL_UTIL_RATE, MAX_FULL_UTIL_RATE, RATE_HALF_LIFE) = (zero, least, most, half);
    }

    function getNewRate(uint256 elapsed, uint256 used, uint64 full) external view returns (uint64, uint64) {
        uint256 scale = RATE_HALF_LIFE * 1e36;
        uint256 top = full;
        if (used < MIN_TARGET_UTIL) {
            uint256 off = (MIN_TARGET_UTIL - used) * 1e18 / MIN_TARGET_UTIL;
            top = top * scale / (scale + off * off * elapsed);
        } else if (used > MAX_TARGET_UTIL) {
            uint256 off = (used - MAX_TARGET_UTIL) * 1e18 / (1e5 - MAX_TARGET_UTIL);
            top = uint64(top * (scale + off * off * elapsed) / scale);
        }
        if (top > MAX_FULL_UTIL_RATE) top = MAX_FULL_UTIL_RATE;
        else if (top < MIN_FULL_UTIL_RATE) top = MIN_FULL_UTIL_RATE;
        uint256 kink = (top - ZERO_UTIL_RATE) * VERTEX_RATE_PERCENT / 1e18 + ZERO_UTIL_RATE;
        uint256 rate = used < VERTEX_UTILIZATION
            ? ZERO_UTIL_RATE + used * (kink - ZERO_UTIL_RATE) / VERTEX_UTILIZATION
            : kink + (used - VERTEX_UTILIZATION) * (top - kink) / (1e5 - VERTEX_UTILIZATION);
        return (uint64(rate), uint64(top));
    }
}

contract FraxlendPairDouble {
    error ExceedsDepositLimit();
    error WithdrawPaused();
    error InsufficientAssetsInContract(uint256 available, uint256 request);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    struct Account {
        uint128 amount;
        uint128 shares;
    }

    struct CurrentRateInfo {
        uint32 lastBlock;
        uint32 feeToProtocolRate;
        uint64 lastTimestamp;
        uint64 ratePerSec;
        uint64 fullUtilizationRate;
    }

    address public immutable asset;
    string public symbol;
    uint8 public immutable decimals;
    address public immutable collateralContract;
    address public immutable timelockAddress = address(this);
    FraxlendRateDouble public rateContract;
    CurrentRateInfo public currentRateInfo;
    uint256 public depositLimit = type(uint256).max;
    bool public isWithdrawPaused;
    bool public isInterestPaused;
    Account public totalAsset;
    Account public totalBorrow;
    mapping(address => uint256) public balanceOf;
    mapping(address => uint256) public userBorrowShares;

    constructor(address asset_, string memory symbol_, uint8 decimals_, FraxlendRateDouble rates, uint64 full,
        address collateral)
    {
        (asset, symbol, decimals, rateContract, collateralContract) = (asset_, symbol_, decimals_, rates, collateral);
        currentRateInfo = CurrentRateInfo(0, 0, uint64(block.timestamp - 1), 0, full);
        _accrue();
    }

    function totalSupply() external view returns (uint256) { return totalAsset.shares; }

    /// The oracle, how far its two prices may differ, when they were read, and both: they move with time.
    function exchangeRateInfo() external view returns (address, uint32, uint184, uint256, uint256) {
        return (address(this), 5000, uint184(block.timestamp), block.timestamp * 1e8, block.timestamp * 1e8 + 1);
    }

    function setDepositLimit(uint256 limit) external { depositLimit = limit; }
    function pauseWithdraw(bool stopped) external { isWithdrawPaused = stopped; }

    function pauseInterest(bool stopped) external {
        _accrue();
        if (!stopped) currentRateInfo.lastTimestamp = uint64(block.timestamp);
        isInterestPaused = stopped;
    }

    function setFee(uint32 fee) external {
        _accrue();
        currentRateInfo.feeToProtocolRate = fee;
    }

    function getPairAccounting() external view returns (uint128, uint128, uint128, uint128, uint256) {
        (Account memory a, Account memory b,,) = _next();
        return (a.amount, a.shares, b.amount, b.shares, 0);
    }

    function previewAddInterest()
        external
        view
        returns (uint256 interest, uint256 fees, uint256 shares, CurrentRateInfo memory info, Account memory a, Account memory b)
    {
        info = currentRateInfo;
        (a, b, info.ratePerSec, info.fullUtilizationRate) = _next();
        (interest, shares) = (a.amount - totalAsset.amount, a.shares - totalAsset.shares);
        fees = interest * info.feeToProtocolRate / 1e5;
    }

    function totalAssets() external view returns (uint256) {
        (Account memory a,,,) = _next();
        return a.amount;
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        (Account memory a,,,) = _next();
        return _amount(a, shares, false);
    }

    function addInterest() external { _accrue(); }

    function deposit(uint256 amount, address receiver) external returns (uint256 shares) {
        _accrue();
        if (depositLimit < totalAsset.amount + amount) revert ExceedsDepositLimit();
        shares = _shares(totalAsset, amount, false);
        (totalAsset.amount, totalAsset.shares) =
            (totalAsset.amount + uint128(amount), totalAsset.shares + uint128(shares));
        balanceOf[receiver] += shares;
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, amount, shares);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 amount) {
        if (isWithdrawPaused) revert WithdrawPaused();
        _accrue();
        amount = _amount(totalAsset, shares, false);
        _pay(amount, shares, receiver, owner);
    }

    function withdraw(uint256 amount, address receiver, address owner) external returns (uint256 shares) {
        if (isWithdrawPaused) revert WithdrawPaused();
        _accrue();
        shares = _shares(totalAsset, amount, true);
        _pay(amount, shares, receiver, owner);
    }

    function borrow(uint256 amount) external {
        _accrue();
        uint256 there = totalAsset.amount - totalBorrow.amount;
        if (there < amount) revert InsufficientAssetsInContract(there, amount);
        uint256 shares = _shares(totalBorrow, amount, true);
        (totalBorrow.amount, totalBorrow.shares) =
            (totalBorrow.amount + uint128(amount), totalBorrow.shares + uint128(shares));
        userBorrowShares[msg.sender] += shares;
        IERC20(asset).transfer(msg.sender, amount);
    }

    function repay(uint256 shares) external {
        _accrue();
        uint256 amount = _amount(totalBorrow, shares, true);
        (totalBorrow.amount, totalBorrow.shares) =
            (totalBorrow.amount - uint128(amount), totalBorrow.shares - uint128(shares));
        userBorrowShares[msg.sender] -= shares;
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
    }

    function _pay(uint256 amount, uint256 shares, address receiver, address owner) private {
        uint256 there = totalAsset.amount - totalBorrow.amount;
        if (there < amount) revert InsufficientAssetsInContract(there, amount);
        require(owner == msg.sender, "not the owner");
        (totalAsset.amount, totalAsset.shares) =
            (totalAsset.amount - uint128(amount), totalAsset.shares - uint128(shares));
        balanceOf[owner] -= shares;
        IERC20(asset).transfer(receiver, amount);
        emit Transfer(owner, address(0), shares);
        emit Withdraw(msg.sender, receiver, owner, amount, shares);
    }

    function _next() private view returns (Account memory a, Account memory b, uint64 rate, uint64 full) {
        (a, b) = (totalAsset, totalBorrow);
        CurrentRateInfo memory info = currentRateInfo;
        (rate, full) = (info.ratePerSec, info.fullUtilizationRate);
        if (info.lastTimestamp == block.timestamp || isInterestPaused) return (a, b, rate, full);
        uint256 elapsed = block.timestamp - info.lastTimestamp;
        uint256 used = a.amount == 0 ? 0 : 1e5 * uint256(b.amount) / a.amount;
        (rate, full) = rateContract.getNewRate(elapsed, used, full);
        uint256 interest = elapsed * b.amount * rate / 1e18;
        if (interest == 0) return (a, b, rate, full);
        (a.amount, b.amount) = (a.amount + uint128(interest), b.amount + uint128(interest));
        uint256 fee = interest * info.feeToProtocolRate / 1e5;
        if (info.feeToProtocolRate > 0) a.shares += uint128(fee * a.shares / (a.amount - fee));
    }

    function _accrue() private {
        if (currentRateInfo.lastTimestamp == block.timestamp || isInterestPaused) return;
        uint128 before = totalAsset.shares;
        (totalAsset, totalBorrow, currentRateInfo.ratePerSec, currentRateInfo.fullUtilizationRate) = _next();
        balanceOf[address(this)] += totalAsset.shares - before;
        currentRateInfo.lastTimestamp = uint64(block.timestamp);
    }

    function _shares(Account memory t, uint256 amount, bool up) private pure returns (uint256 shares) {
        if (t.amount == 0) return amount;
        shares = amount * t.shares / t.amount;
        if (up && shares * t.amount / t.shares < amount) shares++;
    }

    function _amount(Account memory t, uint256 shares, bool up) private pure returns (uint256 amount) {
        if (t.shares == 0) return shares;
        amount = shares * t.amount / t.shares;
        if (up && amount * t.shares / t.amount < shares) amount++;
    }
}
