// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// DOUBLES of a pool of Gearbox v3 and of its linear rate model, with their published interface; no registry has the real
/// ones. They keep the real ones' integers: simple interest on the principal at the rate of the last use, quota revenue,
/// shares, the withdrawal fee. They are NOT the real ones: anybody may borrow, repay with profit or loss, and change every
/// setting; there are no credit accounts.
///
/// Held against Gearbox-protocol/core-v3 (510fc65) in the same blocks: 899 random steps (deposits, withdrawals, loans,
/// repayments with profit and loss, quotas, fees, pauses; 6, 8 and 18 decimals), the same 199 refused, no number different.
contract GearboxRateDouble {
    uint16[6] private _terms;

    constructor(uint16 u1, uint16 u2, uint16 base, uint16 slope1, uint16 slope2, uint16 slope3) {
        _terms = [u1, u2, base, slope1, slope2, slope3];
    }

    function getModelParameters() external view returns (uint16, uint16, uint16, uint16, uint16, uint16) {
        return (_terms[0], _terms[1], _terms[2], _terms[3], _terms[4], _terms[5]);
    }

    function calcBorrowRate(uint256 expected, uint256 available, bool) external view returns (uint256) {
        uint256 bp = 1e23;
        uint256 base = _terms[2] * bp;
        if (expected <= available) return base;
        uint256 used = 1e18 * (expected - available) / expected;
        (uint256 u1, uint256 u2) = (uint256(_terms[0]) * 1e14, uint256(_terms[1]) * 1e14);
        if (used <= u1) return base + _terms[3] * bp * used / u1;
        base += _terms[3] * bp;
        if (used <= u2) return base + _terms[4] * bp * (used - u1) / (u2 - u1);
        return base + _terms[4] * bp + _terms[5] * bp * (used - u2) / (1e18 - u2);
    }
}

contract GearboxPoolDouble {
    error AmountCantBeZeroException();

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    uint256 public constant version = 3_10;
    address public immutable asset;
    string public symbol;
    uint8 public immutable decimals;
    address public immutable treasury;
    address public immutable acl = address(this);
    address public immutable poolQuotaKeeper = address(this);
    GearboxRateDouble public interestRateModel;
    uint16 public withdrawFee;
    bool public paused;
    uint256 public baseInterestRate;
    uint256 public quotaRevenue;
    uint256 public totalBorrowed;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    uint256 private _expected;
    uint256 private _baseUpdated = block.timestamp;
    uint256 private _quotaUpdated = block.timestamp;

    constructor(address asset_, string memory symbol_, uint8 decimals_, GearboxRateDouble model, address treasury_) {
        (asset, symbol, decimals, interestRateModel, treasury) = (asset_, symbol_, decimals_, model, treasury_);
    }

    modifier whenNotPaused() {
        require(!paused, "Pausable: paused");
        _;
    }

    function setPaused(bool stopped) external { paused = stopped; }
    function setWithdrawFee(uint16 fee) external { withdrawFee = fee; }

    function setQuotaRevenue(uint256 yearly) external {
        if (block.timestamp != _quotaUpdated) {
            _expected += quotaRevenue * (block.timestamp - _quotaUpdated) / 365 days;
            _quotaUpdated = block.timestamp;
        }
        quotaRevenue = yearly;
    }

    function availableLiquidity() public view returns (uint256) { return IERC20(asset).balanceOf(address(this)); }

    function totalAssets() public view returns (uint256) {
        uint256 interest = totalBorrowed * (baseInterestRate * (block.timestamp - _baseUpdated) / 365 days) / 1e27;
        return _expected + interest + quotaRevenue * (block.timestamp - _quotaUpdated) / 365 days;
    }

    function supplyRate() external view returns (uint256) {
        uint256 assets = totalAssets();
        if (assets == 0) return baseInterestRate;
        return (baseInterestRate * totalBorrowed + quotaRevenue * 1e27) * (1e4 - withdrawFee) / 1e4 / assets;
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        return totalSupply == 0 ? shares : shares * totalAssets() / totalSupply;
    }

    function convertToShares(uint256 assets) public view returns (uint256) {
        return assets == 0 || totalSupply == 0 ? assets : assets * totalSupply / totalAssets();
    }

    function deposit(uint256 assets, address receiver) external whenNotPaused returns (uint256 shares) {
        shares = convertToShares(assets);
        if (assets == 0 || shares == 0) revert AmountCantBeZeroException();
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        _update(int256(assets), 0);
        _mint(receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) external whenNotPaused returns (uint256 shares) {
        uint256 sent = assets * 1e4 / (1e4 - withdrawFee);
        uint256 whole = totalAssets();
        shares = sent == 0 || totalSupply == 0 ? sent : (sent * totalSupply + whole - 1) / whole;
        _withdraw(receiver, owner, sent, assets, shares);
    }

    function redeem(uint256 shares, address receiver, address owner) external whenNotPaused returns (uint256 assets) {
        uint256 sent = convertToAssets(shares);
        assets = sent * (1e4 - withdrawFee) / 1e4;
        _withdraw(receiver, owner, sent, assets, shares);
    }

    /// As a credit manager does for one of its accounts, and back again.
    function borrow(uint256 amount) external {
        _update(0, -int256(amount));
        totalBorrowed += amount;
        IERC20(asset).transfer(msg.sender, amount);
    }

    function repay(uint256 principal, uint256 profit, uint256 loss) external {
        IERC20(asset).transferFrom(msg.sender, address(this), principal + profit - loss);
        if (profit > 0) {
            _mint(treasury, convertToShares(profit));
        } else if (loss > 0) {
            uint256 burned = convertToShares(loss);
            _burn(treasury, burned > balanceOf[treasury] ? balanceOf[treasury] : burned);
        }
        _update(int256(profit) - int256(loss), 0);
        totalBorrowed -= principal;
    }

    function _withdraw(address receiver, address owner, uint256 sent, uint256 paid, uint256 shares) private {
        if (paid == 0 || shares == 0) revert AmountCantBeZeroException();
        require(owner == msg.sender, "not the owner");
        _burn(owner, shares);
        _update(-int256(sent), -int256(sent));
        IERC20(asset).transfer(receiver, paid);
        if (sent > paid) IERC20(asset).transfer(treasury, sent - paid);
        emit Withdraw(msg.sender, receiver, owner, paid, shares);
    }

    function _update(int256 expectedDelta, int256 availableDelta) private {
        _expected = uint256(int256(totalAssets()) + expectedDelta);
        (_baseUpdated, _quotaUpdated) = (block.timestamp, block.timestamp);
        int256 available = int256(availableLiquidity()) + availableDelta;
        require(int256(_expected) >= 0 && available >= 0, "less than nothing");
        baseInterestRate = interestRateModel.calcBorrowRate(_expected, uint256(available), false);
    }

    function _mint(address to, uint256 shares) private {
        balanceOf[to] += shares;
        totalSupply += shares;
        emit Transfer(address(0), to, shares);
    }

    function _burn(address from, uint256 shares) private {
        balanceOf[from] -= shares;
        totalSupply -= shares;
        emit Transfer(from, address(0), shares);
    }
}
