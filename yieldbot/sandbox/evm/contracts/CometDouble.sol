// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// A DOUBLE of Compound v3 (Comet), whose contracts no registry offers. It keeps Comet's published interface and its
/// integer rate arithmetic for the base asset (kinked supply and borrow curves, 1e15 indices, principal rounding). It is
/// NOT Comet: there is no collateral and no liquidation; anybody may borrow without any security, pause it, and set how
/// fast supplying is rewarded (a constant in Comet). Borrowing is never rewarded.
contract CometDouble {
    struct TotalsBasic {
        uint64 baseSupplyIndex;
        uint64 baseBorrowIndex;
        uint64 trackingSupplyIndex;
        uint64 trackingBorrowIndex;
        uint104 totalSupplyBase;
        uint104 totalBorrowBase;
        uint40 lastAccrualTime;
        uint8 pauseFlags;
    }

    error Paused();
    error BadAsset();
    error InvalidUInt64();

    string public constant name = "Compound USDC (double)";
    string public constant symbol = "cUSDCv3";
    uint64 private constant FACTOR_SCALE = 1e18;
    uint64 private constant BASE_INDEX_SCALE = 1e15;
    uint256 private constant SECONDS_PER_YEAR = 31_536_000;

    address public immutable baseToken;
    uint8 public constant decimals = 6;
    uint256 public constant baseScale = 1e6;
    uint256 public constant baseIndexScale = 1e15;
    uint256 public constant factorScale = 1e18;
    uint256 public constant trackingIndexScale = 1e15;
    uint64 public constant baseAccrualScale = 1e6;
    uint256 public baseTrackingSupplySpeed;
    uint256 public baseMinForRewards;
    uint256 public immutable supplyKink;
    uint256 public immutable supplyPerSecondInterestRateBase;
    uint256 public immutable supplyPerSecondInterestRateSlopeLow;
    uint256 public immutable supplyPerSecondInterestRateSlopeHigh;
    uint256 public immutable borrowKink;
    uint256 public immutable borrowPerSecondInterestRateBase;
    uint256 public immutable borrowPerSecondInterestRateSlopeLow;
    uint256 public immutable borrowPerSecondInterestRateSlopeHigh;

    uint64 private _supplyIndex = BASE_INDEX_SCALE;
    uint64 private _borrowIndex = BASE_INDEX_SCALE;
    uint104 private _totalSupply;
    uint104 private _totalBorrow;
    uint40 private _lastAccrual;
    bool public isSupplyPaused;
    bool public isWithdrawPaused;
    mapping(address => int104) private _principal;
    uint64 private _trackingSupplyIndex;
    mapping(address => uint64) private _trackingIndex;
    mapping(address => uint64) public baseTrackingAccrued;

    event Supply(address indexed from, address indexed dst, uint256 amount);
    event Withdraw(address indexed src, address indexed to, uint256 amount);
    event Transfer(address indexed from, address indexed to, uint256 amount);

    /// curve: kink, base, slopeLow, slopeHigh, each a year and scaled by 1e18; supply side first, then borrow side.
    constructor(address baseToken_, uint256[4] memory supplyCurve, uint256[4] memory borrowCurve) {
        baseToken = baseToken_;
        supplyKink = supplyCurve[0];
        supplyPerSecondInterestRateBase = supplyCurve[1] / SECONDS_PER_YEAR;
        supplyPerSecondInterestRateSlopeLow = supplyCurve[2] / SECONDS_PER_YEAR;
        supplyPerSecondInterestRateSlopeHigh = supplyCurve[3] / SECONDS_PER_YEAR;
        borrowKink = borrowCurve[0];
        borrowPerSecondInterestRateBase = borrowCurve[1] / SECONDS_PER_YEAR;
        borrowPerSecondInterestRateSlopeLow = borrowCurve[2] / SECONDS_PER_YEAR;
        borrowPerSecondInterestRateSlopeHigh = borrowCurve[3] / SECONDS_PER_YEAR;
        _lastAccrual = uint40(block.timestamp);
    }

    function pause(bool supplyPaused, bool withdrawPaused) external {
        isSupplyPaused = supplyPaused;
        isWithdrawPaused = withdrawPaused;
    }

    /// speed: of trackingIndexScale, a second, to all suppliers together; least: principal below which nobody is rewarded.
    function setTracking(uint256 speed, uint256 least) external {
        _accrue();
        (baseTrackingSupplySpeed, baseMinForRewards) = (speed, least);
    }

    /// Of the indices at the last accrual, as in Comet: it does not move between two transactions.
    function getUtilization() public view returns (uint256) {
        uint256 supplied = _present(_supplyIndex, _totalSupply);
        uint256 borrowed = _present(_borrowIndex, _totalBorrow);
        return supplied == 0 ? 0 : borrowed * FACTOR_SCALE / supplied;
    }

    function getSupplyRate(uint256 utilization) public view returns (uint64) {
        return _safe64(_rate(utilization, supplyKink, supplyPerSecondInterestRateBase,
            supplyPerSecondInterestRateSlopeLow, supplyPerSecondInterestRateSlopeHigh));
    }

    function getBorrowRate(uint256 utilization) public view returns (uint64) {
        return _safe64(_rate(utilization, borrowKink, borrowPerSecondInterestRateBase,
            borrowPerSecondInterestRateSlopeLow, borrowPerSecondInterestRateSlopeHigh));
    }

    function totalsBasic() external view returns (TotalsBasic memory) {
        return TotalsBasic(_supplyIndex, _borrowIndex, _trackingSupplyIndex, 0, _totalSupply, _totalBorrow, _lastAccrual,
            (isSupplyPaused ? 1 : 0) | (isWithdrawPaused ? 4 : 0));
    }

    function totalSupply() external view returns (uint256) {
        (uint64 supplyIndex,) = _accrued();
        return _present(supplyIndex, _totalSupply);
    }

    function totalBorrow() external view returns (uint256) {
        (, uint64 borrowIndex) = _accrued();
        return _present(borrowIndex, _totalBorrow);
    }

    function balanceOf(address account) external view returns (uint256) {
        (uint64 supplyIndex,) = _accrued();
        int104 principal = _principal[account];
        return principal > 0 ? _present(supplyIndex, uint104(principal)) : 0;
    }

    function borrowBalanceOf(address account) external view returns (uint256) {
        (, uint64 borrowIndex) = _accrued();
        int104 principal = _principal[account];
        return principal < 0 ? _present(borrowIndex, uint104(-principal)) : 0;
    }

    /// What is left for the protocol when everybody is paid; negative where the protocol owes more than it has.
    function getReserves() external view returns (int256) {
        (uint64 supplyIndex, uint64 borrowIndex) = _accrued();
        return int256(IERC20(baseToken).balanceOf(address(this)))
            - int256(_present(supplyIndex, _totalSupply)) + int256(_present(borrowIndex, _totalBorrow));
    }

    function accrueAccount(address account) external {
        _accrue();
        _track(account);
    }

    function supply(address asset, uint256 amount) external {
        supplyTo(msg.sender, asset, amount);
    }

    /// The whole debt for type(uint256).max, as in Comet.
    function supplyTo(address dst, address asset, uint256 amount) public {
        if (isSupplyPaused) revert Paused();
        if (asset != baseToken) revert BadAsset();
        _accrue();
        int256 present = _signed(_principal[dst]);
        if (amount == type(uint256).max) amount = present < 0 ? uint256(-present) : 0;
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
        _set(dst, present + int256(amount));
        emit Supply(msg.sender, dst, amount);
    }

    function withdraw(address asset, uint256 amount) external {
        withdrawTo(msg.sender, asset, amount);
    }

    function withdrawTo(address to, address asset, uint256 amount) public {
        if (isWithdrawPaused) revert Paused();
        if (asset != baseToken) revert BadAsset();
        _accrue();
        int256 present = _signed(_principal[msg.sender]);
        if (amount == type(uint256).max) amount = present > 0 ? uint256(present) : 0;
        _set(msg.sender, present - int256(amount));
        IERC20(asset).transfer(to, amount);
        emit Withdraw(msg.sender, to, amount);
    }

    function _accrued() private view returns (uint64 supplyIndex, uint64 borrowIndex) {
        (supplyIndex, borrowIndex) = (_supplyIndex, _borrowIndex);
        uint256 elapsed = block.timestamp - _lastAccrual;
        if (elapsed > 0) {
            uint256 utilization = getUtilization();
            supplyIndex += _safe64(_mulFactor(supplyIndex, getSupplyRate(utilization) * elapsed));
            borrowIndex += _safe64(_mulFactor(borrowIndex, getBorrowRate(utilization) * elapsed));
        }
    }

    function _accrue() private {
        uint256 elapsed = block.timestamp - _lastAccrual;
        if (elapsed > 0 && _totalSupply > 0 && _totalSupply >= baseMinForRewards) {
            _trackingSupplyIndex += _safe64(baseTrackingSupplySpeed * elapsed * baseScale / _totalSupply);
        }
        (_supplyIndex, _borrowIndex) = _accrued();
        _lastAccrual = uint40(block.timestamp);
    }

    function _rate(uint256 u, uint256 kink, uint256 base, uint256 low, uint256 high) private pure returns (uint256) {
        if (u <= kink) return base + _mulFactor(low, u);
        return base + _mulFactor(low, kink) + _mulFactor(high, u - kink);
    }

    function _signed(int104 principal) private view returns (int256) {
        return principal >= 0
            ? int256(_present(_supplyIndex, uint104(principal)))
            : -int256(_present(_borrowIndex, uint104(-principal)));
    }

    /// What the account's principal has earned since it was last looked at; baseScale is baseAccrualScale here.
    function _track(address account) private {
        uint256 grown = _trackingSupplyIndex - _trackingIndex[account];
        baseTrackingAccrued[account] += _safe64(_positive(_principal[account]) * grown / trackingIndexScale);
        _trackingIndex[account] = _trackingSupplyIndex;
    }

    /// Principal rounds in the protocol's favour: supply down, borrow up.
    function _set(address account, int256 present) private {
        _track(account);
        int104 before = _principal[account];
        int104 next = present >= 0
            ? int104(int256(uint256(present) * BASE_INDEX_SCALE / _supplyIndex))
            : -int104(int256((uint256(-present) * BASE_INDEX_SCALE + _borrowIndex - 1) / _borrowIndex));
        _totalSupply = _totalSupply - _positive(before) + _positive(next);
        _totalBorrow = _totalBorrow - _positive(-before) + _positive(-next);
        _principal[account] = next;
        (uint104 held, uint104 holds) = (_positive(before), _positive(next));
        if (holds > held) emit Transfer(address(0), account, _present(_supplyIndex, holds - held));
        if (holds < held) emit Transfer(account, address(0), _present(_supplyIndex, held - holds));
    }

    function _positive(int104 value) private pure returns (uint104) {
        return value > 0 ? uint104(value) : 0;
    }

    function _present(uint64 index, uint104 principal) private pure returns (uint256) {
        return uint256(principal) * index / BASE_INDEX_SCALE;
    }

    function _safe64(uint256 value) private pure returns (uint64) {
        if (value > type(uint64).max) revert InvalidUInt64();
        return uint64(value);
    }

    function _mulFactor(uint256 n, uint256 factor) private pure returns (uint256) {
        return n * factor / FACTOR_SCALE;
    }
}
