// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// DOUBLES of a credit vault of Euler v2 and of its two rate models, with their published interface; no registry has the
/// real ones. They keep the real ones' integers: debt with 31 more bits, interest compounded every second, fees minted
/// as shares, conversions with a virtual deposit, caps as 16 bits, the order of what is checked. They are NOT the real
/// ones: anybody may borrow without collateral and change every setting, there is no connector (EVC), and nothing is
/// liquidated.
///
/// Held against euler-xyz/euler-vault-kit (5b98b42) and evk-periphery (235e51d) in the same blocks: 1,250 random steps
/// (deposits, withdrawals, loans, repayments, caps; 6, 8 and 18 decimals, both models), the same 256 refused, no number
/// different.
interface IRateModelDouble {
    function computeInterestRate(address vault, uint256 cash, uint256 borrows) external returns (uint256);
}

contract LinearKinkDouble {
    uint256 public immutable baseRate;
    uint256 public immutable slope1;
    uint256 public immutable slope2;
    uint256 public immutable kink;

    constructor(uint256 base, uint256 below, uint256 above, uint32 corner) {
        (baseRate, slope1, slope2, kink) = (base, below, above, corner);
    }

    function computeInterestRate(address vault, uint256 cash, uint256 borrows) external view returns (uint256) {
        return computeInterestRateView(vault, cash, borrows);
    }

    function computeInterestRateView(address, uint256 cash, uint256 borrows) public view returns (uint256) {
        uint256 used = cash + borrows == 0 ? 0 : borrows * type(uint32).max / (cash + borrows);
        if (used <= kink) return baseRate + used * slope1;
        return baseRate + kink * slope1 + (used - kink) * slope2;
    }
}

contract AdaptiveCurveDouble {
    int256 private constant ONE = 1e18;
    int256 private constant LN2 = 0.693147180559945309e18;
    int256 public immutable TARGET_UTILIZATION;
    int256 public immutable INITIAL_RATE_AT_TARGET;
    int256 public immutable MIN_RATE_AT_TARGET;
    int256 public immutable MAX_RATE_AT_TARGET;
    int256 public immutable CURVE_STEEPNESS;
    int256 public immutable ADJUSTMENT_SPEED;

    struct Kept {
        int256 atTarget;
        int256 used;
        uint256 updated;
    }

    mapping(address => Kept) private _kept;

    constructor(int256 target, int256 first, int256 least, int256 most, int256 steepness, int256 speed) {
        (TARGET_UTILIZATION, INITIAL_RATE_AT_TARGET, MIN_RATE_AT_TARGET) = (target, first, least);
        (MAX_RATE_AT_TARGET, CURVE_STEEPNESS, ADJUSTMENT_SPEED) = (most, steepness, speed);
    }

    function computeInterestRate(address vault, uint256 cash, uint256 borrows) external returns (uint256) {
        require(msg.sender == vault, "not the vault");
        if (borrows == 0 && _kept[vault].updated == 0) return uint256(_line(INITIAL_RATE_AT_TARGET, _distance(0))) * 1e9;
        int256 used = _used(cash, borrows);
        (int256 rate, int256 atTarget) = _rates(vault, used);
        _kept[vault] = Kept(atTarget, used, block.timestamp);
        return uint256(rate) * 1e9;
    }

    function computeInterestRateView(address vault, uint256 cash, uint256 borrows) external view returns (uint256) {
        (int256 rate,) = _rates(vault, _used(cash, borrows));
        return uint256(rate) * 1e9;
    }

    function _used(uint256 cash, uint256 borrows) private pure returns (int256) {
        return cash + borrows == 0 ? int256(0) : int256(borrows * 1e18 / (cash + borrows));
    }

    function _distance(int256 used) private view returns (int256) {
        return (used - TARGET_UTILIZATION) * ONE / (used > TARGET_UTILIZATION ? ONE - TARGET_UTILIZATION : TARGET_UTILIZATION);
    }

    function _line(int256 atTarget, int256 distance) private view returns (int256) {
        int256 slope = distance < 0 ? ONE - ONE * ONE / CURVE_STEEPNESS : CURVE_STEEPNESS - ONE;
        return (slope * distance / ONE + ONE) * atTarget / ONE;
    }

    function _rates(address vault, int256 used) private view returns (int256, int256) {
        Kept memory kept = _kept[vault];
        int256 atTarget = kept.atTarget;
        if (atTarget == 0) {
            atTarget = INITIAL_RATE_AT_TARGET;
        } else {
            int256 before = _distance(kept.updated == 0 ? used : kept.used);
            int256 moved = ADJUSTMENT_SPEED * before / ONE * int256(block.timestamp - kept.updated);
            if (moved != 0) {
                atTarget = atTarget * _exp(moved) / ONE;
                if (atTarget < MIN_RATE_AT_TARGET) atTarget = MIN_RATE_AT_TARGET;
                if (atTarget > MAX_RATE_AT_TARGET) atTarget = MAX_RATE_AT_TARGET;
            }
        }
        return (_line(atTarget, _distance(used)), atTarget);
    }

    function _exp(int256 x) private pure returns (int256) {
        if (x < -41.446531673892822312e18) return 0;
        if (x >= 93.859467695000404319e18) return 57716089161558943949701069502944508345128.422502756744429568e18;
        int256 q = (x + (x < 0 ? -(LN2 / 2) : LN2 / 2)) / LN2;
        int256 r = x - q * LN2;
        int256 e = ONE + r + r * r / ONE / 2;
        return q >= 0 ? e << uint256(q) : e >> uint256(-q);
    }
}

contract EulerVaultDouble {
    error E_SupplyCapExceeded();
    error E_InsufficientCash();
    error E_InsufficientBalance();
    error E_OperationDisabled();
    error E_ZeroShares();
    error E_ZeroAssets();
    error E_RepayTooMuch();

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    uint256 private constant VIRTUAL = 1e6;
    uint256 private constant BITS = 31;
    address public immutable asset;
    string public symbol;
    uint8 public immutable decimals;
    address public immutable EVC = address(this);
    address public immutable governorAdmin;
    address public oracle;
    address public unitOfAccount;
    address public interestRateModel;
    uint16 public interestFee = 1000;
    uint256 public interestRate;
    uint256 public cash;
    mapping(address => uint256) public balanceOf;
    uint16 private _supplyCap;
    uint32 private _hooked;
    uint256 private _shares;
    uint256 private _owed;
    uint256 private _fees;
    uint256 private _index = 1e27;
    uint256 private _updated;
    mapping(address => uint256) private _owedBy;
    mapping(address => uint256) private _indexOf;
    address[] private _collaterals;
    mapping(address => uint16) public LTVLiquidation;

    constructor(address asset_, string memory symbol_, uint8 decimals_, address model) {
        (asset, symbol, decimals, interestRateModel) = (asset_, symbol_, decimals_, model);
        (_updated, governorAdmin) = (block.timestamp, msg.sender);
    }

    struct Now {
        uint256 cash;
        uint256 owed;
        uint256 shares;
        uint256 fees;
        uint256 index;
    }

    function caps() external view returns (uint16, uint16) { return (_supplyCap, 0); }
    function hookConfig() external view returns (address, uint32) { return (address(0), _hooked); }
    function LTVList() external view returns (address[] memory) { return _collaterals; }
    function totalBorrows() external view returns (uint256) { return _up(_now().owed); }
    function totalAssets() external view returns (uint256) { return _assets(_now()); }
    function totalSupply() external view returns (uint256) { return _now().shares; }
    function accumulatedFees() external view returns (uint256) { return _now().fees; }
    function convertToAssets(uint256 shares) public view returns (uint256) { return _worth(shares, _now()); }
    function previewRedeem(uint256 shares) external view returns (uint256) { return convertToAssets(shares); }
    function convertToShares(uint256 assets) public view returns (uint256) {
        Now memory n = _now();
        return assets * (n.shares + VIRTUAL) / (_assets(n) + VIRTUAL);
    }

    function maxDeposit(address) external view returns (uint256) {
        if (_hooked & 1 != 0) return 0;
        Now memory n = _now();
        uint256 cap = _cap();
        if (_assets(n) >= cap) return 0;
        uint256 most = cap - _assets(n);
        if (most > type(uint112).max - n.cash) most = type(uint112).max - n.cash;
        uint256 shares = most * (n.shares + VIRTUAL) / (_assets(n) + VIRTUAL);
        if (shares > type(uint112).max - n.shares) shares = type(uint112).max - n.shares;
        most = _worth(shares, n);
        return most * (n.shares + VIRTUAL) / (_assets(n) + VIRTUAL) == 0 ? 0 : most;
    }

    function maxWithdraw(address owner) external view returns (uint256) {
        if (_hooked & 4 != 0) return 0;
        Now memory n = _now();
        uint256 most = n.cash * (n.shares + VIRTUAL) / (_assets(n) + VIRTUAL);
        return _worth(most < balanceOf[owner] ? most : balanceOf[owner], n);
    }

    function setCap(uint16 cap) external { _supplyCap = cap; }
    function setHooked(uint32 operations) external { _hooked = operations; }
    function setCollateral(address router, address unit, address vault, uint16 ltv) external {
        (oracle, unitOfAccount, LTVLiquidation[vault]) = (router, unit, ltv);
        _collaterals.push(vault);
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        Now memory n = _accrue(1);
        uint256 before = _assets(n);
        if (assets == 0) return _idle(before);
        shares = assets * (n.shares + VIRTUAL) / (_assets(n) + VIRTUAL);
        if (shares == 0) revert E_ZeroShares();
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        cash += assets;
        balanceOf[receiver] += shares;
        _shares += shares;
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
        _check(before);
    }

    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256 shares) {
        Now memory n = _accrue(4);
        if (assets == 0) return _idle(_assets(n));
        uint256 whole = _assets(n) + VIRTUAL;
        shares = (assets * (n.shares + VIRTUAL) + whole - 1) / whole;
        _pay(assets, shares, receiver, owner, n);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        Now memory n = _accrue(8);
        if (shares == type(uint256).max) shares = balanceOf[owner];
        if (shares == 0) return _idle(_assets(n));
        assets = _worth(shares, n);
        if (assets == 0) revert E_ZeroAssets();
        _pay(assets, shares, receiver, owner, n);
    }

    function borrow(uint256 assets, address receiver) external {
        Now memory n = _accrue(64);
        if (assets == type(uint256).max) assets = n.cash;
        if (assets == 0) return _check(_assets(n));
        if (n.cash < assets) revert E_InsufficientCash();
        _owedBy[msg.sender] = _debt(msg.sender, n.index) + (assets << BITS);
        _indexOf[msg.sender] = n.index;
        _owed += assets << BITS;
        cash -= assets;
        IERC20(asset).transfer(receiver, assets);
        _check(n.cash + _up(n.owed));
    }

    function repay(uint256 assets) external {
        Now memory n = _accrue(128);
        uint256 exact = _debt(msg.sender, n.index);
        uint256 owed = _up(exact);
        if (assets == type(uint256).max) assets = owed;
        if (assets == 0) return _check(_assets(n));
        if (assets > owed) revert E_RepayTooMuch();
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        cash += assets;
        uint256 rest = (owed - assets) << BITS;
        _owedBy[msg.sender] = rest;
        _indexOf[msg.sender] = n.index;
        _owed = _owed > exact ? _owed - exact + rest : rest;
        _check(n.cash + _up(n.owed));
    }

    function touch() external {
        Now memory n = _accrue(8192);
        _check(n.cash + _up(n.owed));
    }

    function debtOf(address account) external view returns (uint256) { return _up(_debt(account, _now().index)); }

    function _pay(uint256 assets, uint256 shares, address receiver, address owner, Now memory n) private {
        if (n.cash < assets) revert E_InsufficientCash();
        if (balanceOf[owner] < shares || owner != msg.sender) revert E_InsufficientBalance();
        balanceOf[owner] -= shares;
        _shares -= shares;
        emit Transfer(owner, address(0), shares);
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
        cash -= assets;
        IERC20(asset).transfer(receiver, assets);
        _check(n.cash + _up(n.owed));
    }

    function _idle(uint256 before) private returns (uint256) {
        _check(before);
        return 0;
    }

    /// What is done after each use: a new rate, and the cap, which counts debt rounded down.
    function _check(uint256 before) private {
        uint256 rate = IRateModelDouble(interestRateModel).computeInterestRate(address(this), cash, _up(_owed));
        interestRate = rate > 291867278914945094175 ? 291867278914945094175 : rate;
        uint256 supply = cash + (_owed >> BITS);
        if (supply > _cap() && supply > before) revert E_SupplyCapExceeded();
    }

    function _accrue(uint32 operation) private returns (Now memory n) {
        if (_hooked & operation != 0) revert E_OperationDisabled();
        n = _now();
        (_owed, _shares, _fees, _index, _updated) = (n.owed, n.shares, n.fees, n.index, block.timestamp);
    }

    function _now() private view returns (Now memory n) {
        n = Now(cash, _owed, _shares, _fees, _index);
        uint256 elapsed = block.timestamp - _updated;
        if (elapsed == 0) return n;
        n.index = n.index * _power(interestRate + 1e27, elapsed) / 1e27;
        n.owed = n.owed * n.index / _index;
        uint256 fee = (n.owed - _owed) * interestFee / (1e4 << BITS);
        if (fee != 0) {
            uint256 whole = n.cash + _up(n.owed);
            n.shares = whole * n.shares / (whole - fee);
            n.fees += n.shares - _shares;
        }
    }

    function _power(uint256 x, uint256 n) private pure returns (uint256 z) {
        z = n % 2 == 1 ? x : 1e27;
        for (n /= 2; n != 0; n /= 2) {
            x = (x * x + 0.5e27) / 1e27;
            if (n % 2 == 1) z = (z * x + 0.5e27) / 1e27;
        }
    }

    function _cap() private view returns (uint256) {
        return _supplyCap == 0 ? type(uint256).max : 10 ** (_supplyCap & 63) * (_supplyCap >> 6) / 100;
    }

    function _debt(address account, uint256 index) private view returns (uint256) {
        return _owedBy[account] == 0 ? 0 : _owedBy[account] * index / _indexOf[account];
    }

    function _up(uint256 owed) private pure returns (uint256) { return (owed + (1 << BITS) - 1) >> BITS; }
    function _assets(Now memory n) private pure returns (uint256) { return n.cash + _up(n.owed); }
    function _worth(uint256 shares, Now memory n) private pure returns (uint256) {
        return shares * (_assets(n) + VIRTUAL) / (n.shares + VIRTUAL);
    }
}
