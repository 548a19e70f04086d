// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// DOUBLES of a silo of Silo v2 and of its InterestRateModelV2, with their published interface; no registry has the real
/// ones. They keep the real ones' integers: one accrual of the whole time since the last use, e to the rate's integral,
/// fractions of small debts, fees, virtual shares. They are NOT the real ones: anybody may borrow without collateral and
/// change the hooks; nothing is liquidated, and one contract is both the silo and the contract of its pair's terms.
///
/// Held against silo-finance/silo-contracts-v2 (340a49b) in the same blocks: 1,174 random steps (deposits, withdrawals,
/// loans, repayments, protected deposits; 6, 8 and 18 decimals), the same 437 refused, no number different.
contract SiloRateDouble {
    struct Config {
        int256 uopt;
        int256 ucrit;
        int256 ulow;
        int256 ki;
        int256 kcrit;
        int256 klow;
        int256 klin;
        int256 beta;
        int112 ri;
        int112 Tcrit;
    }

    struct Setup {
        int112 ri;
        int112 Tcrit;
        bool initialized;
    }

    int256 private constant ONE = 1e18;
    int256 private constant X_MAX = 11090370147631773313;
    Config private terms;
    uint256[64] private roots;
    mapping(address => Setup) public getSetup;
    /// The pair's other silo is this contract too: what is pledged there, and what of it is lent on.
    uint256 public constant getCollateralAssets = 100e18;
    uint256 public constant getDebtAssets = 40e18;

    /// factors: the roots 2^(1/2), 2^(1/4), ... in 2^128, rounded to the nearest.
    constructor(Config memory c, uint256[64] memory factors) {
        terms = c;
        roots = factors;
    }

    function getConfig(address silo) public view returns (Config memory c) {
        c = terms;
        if (getSetup[silo].initialized) (c.ri, c.Tcrit) = (getSetup[silo].ri, getSetup[silo].Tcrit);
    }

    function getCurrentInterestRate(address silo, uint256 time) external view returns (uint256) {
        Config memory c = getConfig(silo);
        (uint256 assets, uint256 debt, uint256 last) = SiloDouble(silo).stored();
        (int256 u, int256 t) = (_used(assets, debt), int256(time - last));
        (int256 x,,) = _exponent(c, u, t);
        if (x >= X_MAX) return 0;
        int256 extra = u > c.ucrit
            ? c.kcrit * (ONE + c.Tcrit + c.beta * t) / ONE * (u - c.ucrit) / ONE
            : _min(0, c.klow * (u - c.ulow) / ONE);
        int256 least = c.klin * u / ONE;
        int256 ri = _max(_max(c.ri, least) + c.ki * (u - c.uopt) * t / ONE, least);
        uint256 rate = uint256(_max(ri + extra, least)) * 365 days;
        return rate > 1e20 ? 1e20 : rate;
    }

    function getCompoundInterestRate(address silo, uint256 time) external view returns (uint256 grown) {
        (uint256 assets, uint256 debt, uint256 last) = SiloDouble(silo).stored();
        (grown,,) = _grown(getConfig(silo), assets, debt, time - last);
    }

    function getCompoundInterestRateAndUpdate(uint256 assets, uint256 debt, uint256 last) external returns (uint256 grown) {
        int256 ri;
        int256 tcrit;
        (grown, ri, tcrit) = _grown(getConfig(msg.sender), assets, debt, block.timestamp - last);
        getSetup[msg.sender] = Setup(int112(ri), int112(tcrit), true);
    }

    function _grown(Config memory c, uint256 assets, uint256 debt, uint256 time)
        private
        view
        returns (uint256 grown, int256 ri, int256 tcrit)
    {
        int256 x;
        (x, ri, tcrit) = _exponent(c, _used(assets, debt), int256(time));
        grown = x >= X_MAX ? 65536e18 : _exp(x);
        uint256 most = 3170979198376 * time;
        if (grown > most || x >= X_MAX) (grown, ri, tcrit) = (Math.min(grown, most), 0, 0);
    }

    function _exponent(Config memory c, int256 u, int256 t) private pure returns (int256 x, int256 ri, int256 tcrit) {
        int256 slope = c.ki * (u - c.uopt) / ONE;
        int256 least = c.klin * u / ONE;
        int256 first;
        ri = _max(c.ri, least);
        if (u > c.ucrit) {
            first = ri + c.kcrit * (ONE + c.Tcrit) / ONE * (u - c.ucrit) / ONE;
            tcrit = c.Tcrit + c.beta * t;
        } else {
            first = ri + _min(0, c.klow * (u - c.ulow) / ONE);
            tcrit = _max(0, c.Tcrit - c.beta * t);
        }
        ri = _max(ri + slope * t, least);
        if (u > c.ucrit) slope += c.kcrit * c.beta / ONE * (u - c.ucrit) / ONE;
        int256 last = first + slope * t;
        if (first >= least && last >= least) x = (first + last) * t / 2;
        else if (first < least && last < least) x = least * t;
        else if (first >= least) x = least * t - (first - least) ** 2 / slope / 2;
        else x = least * t + (last - least) ** 2 / slope / 2;
    }

    /// e^x - 1 for x of at least 0, in 1e18.
    function _exp(int256 x) private view returns (uint256) {
        if (x < 0) return 0;
        uint256 power = (((uint256(x) * 1442695040888963407 + 5e17) / 1e18) << 128) / 1e18;
        uint256 result = 1 << 127;
        for (uint256 i; i < 64; i++) {
            if (power & (1 << (127 - i)) > 0) result = (result * roots[i]) >> 128;
        }
        return Math.mulDiv(result << ((power >> 128) + 1), 1e18, 1 << 128) - 1e18;
    }

    function _used(uint256 assets, uint256 debt) private pure returns (int256) {
        if (assets == 0 || debt == 0) return 0;
        return int256(Math.min(1e18, debt * 1e18 / assets));
    }

    function _max(int256 a, int256 b) private pure returns (int256) { return a > b ? a : b; }
    function _min(int256 a, int256 b) private pure returns (int256) { return a < b ? a : b; }
}

contract SiloDouble {
    error NotEnoughLiquidity();
    error NothingToWithdraw();
    error ProtectedProtection();
    error ReturnZeroAssets();
    error ReturnZeroShares();
    error InputZeroShares();

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    struct ConfigData {
        uint256 daoFee;
        uint256 deployerFee;
        address silo;
        address token;
        address protectedShareToken;
        address collateralShareToken;
        address debtShareToken;
        address solvencyOracle;
        address maxLtvOracle;
        address interestRateModel;
        uint256 maxLtv;
        uint256 lt;
        uint256 liquidationTargetLtv;
        uint256 liquidationFee;
        uint256 flashloanFee;
        address hookReceiver;
        bool callBeforeQuote;
    }

    uint256 private constant ONE = 1e18;
    address public immutable asset;
    address public immutable factory = address(this);
    address public immutable pledged;
    string public symbol;
    uint8 public immutable decimals;
    SiloRateDouble public immutable model;
    uint256 public immutable daoFee;
    uint256 public immutable deployerFee;
    uint24 public hooksAfter;
    uint192 private revenue;
    uint64 private last;
    uint64 private ofInterest;
    uint64 private ofRevenue;
    uint256 private assets_;
    uint256 private debt_;
    uint256 private protected_;
    uint256 public totalSupply;
    uint256 public debtSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => uint256) public debtOf;

    constructor(address asset_, address pledged_, string memory symbol_, uint8 decimals_, SiloRateDouble rates, uint256 dao,
        uint256 deployer)
    {
        (asset, pledged, symbol, decimals, model, daoFee, deployerFee) =
            (asset_, pledged_, symbol_, decimals_, rates, dao, deployer);
    }

    function config() external view returns (address) { return address(this); }
    function getSilos() external view returns (address, address) { return (address(this), address(model)); }

    function getConfig(address silo) external view returns (ConfigData memory c) {
        (c.daoFee, c.deployerFee, c.silo, c.interestRateModel) = (daoFee, deployerFee, silo, address(model));
        (c.token, c.lt, c.solvencyOracle) = (silo == address(this) ? asset : pledged, 0.9e18, address(model));
    }

    function getDebtSilo(address who) external view returns (address) {
        return debtOf[who] == 0 ? address(0) : address(this);
    }

    function hookSetup() external view returns (address, uint24, uint24, uint24) {
        return (address(model), 0, hooksAfter, 1 << 11);
    }

    function setHooks(uint24 bits) external { hooksAfter = bits; }
    function stored() external view returns (uint256, uint256, uint256) { return (assets_, debt_, last); }

    function getSiloStorage() external view returns (uint192, uint64, uint256, uint256, uint256) {
        return (revenue, last, protected_, assets_, debt_);
    }

    function getCollateralAssets() public view returns (uint256) {
        uint256 interest = _interest(model.getCompoundInterestRate(address(this), block.timestamp));
        return assets_ + interest - interest * (daoFee + deployerFee) / ONE;
    }

    function getDebtAssets() public view returns (uint256) {
        return debt_ + _interest(model.getCompoundInterestRate(address(this), block.timestamp));
    }

    function getLiquidity() external view returns (uint256) {
        (uint256 a, uint256 b) = (getCollateralAssets(), getDebtAssets());
        return a > b ? a - b : 0;
    }

    function totalAssets() external view returns (uint256) { return getCollateralAssets(); }

    /// The real one rounds up here, and down when it pays.
    function convertToAssets(uint256 shares) external view returns (uint256) {
        return _convert(shares, totalSupply == 0 ? 1 : getCollateralAssets() + 1, totalSupply + 1000, true);
    }

    function previewRedeem(uint256 shares) external view returns (uint256) {
        return _convert(shares, totalSupply == 0 ? 1 : getCollateralAssets() + 1, totalSupply + 1000, false);
    }

    function accrueInterest() public {
        if (last == block.timestamp) return;
        uint256 grown = last == 0 ? 0 : model.getCompoundInterestRateAndUpdate(assets_, debt_, last);
        last = uint64(block.timestamp);
        if (grown == 0) return;
        (uint256 old, uint256 all, uint256 interest) = (debt_, daoFee + deployerFee, _interest(grown));
        uint256 fees = interest * all / ONE;
        (assets_, debt_) = (assets_ + interest - fees, debt_ + interest);
        if (old < 1e13 && assets_ != 0) {
            uint256 more = old == 0 ? 0 : old * grown % ONE + ofInterest;
            if (old != 0) (more, ofInterest) = (more / ONE, uint64(more % ONE));
            interest += more;
            uint256 part;
            if (interest != 0) {
                part = interest * all % ONE + ofRevenue;
                (part, ofRevenue) = (part / ONE, uint64(part % ONE));
            }
            (assets_, debt_, fees) = (assets_ + more - part, debt_ + more, fees + part);
        }
        revenue += uint192(fees);
    }

    function deposit(uint256 amount, address receiver) external returns (uint256 shares) {
        accrueInterest();
        if (amount == 0) revert InputZeroShares();
        shares = _convert(amount, totalSupply + 1000, totalSupply == 0 ? 1 : assets_ + 1, false);
        if (shares == 0) revert ReturnZeroShares();
        (assets_, totalSupply, balanceOf[receiver]) = (assets_ + amount, totalSupply + shares, balanceOf[receiver] + shares);
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, amount, shares);
    }

    function withdraw(uint256 amount, address receiver, address owner) external returns (uint256 shares) {
        accrueInterest();
        if (totalSupply == 0) revert NothingToWithdraw();
        if (amount == 0) revert InputZeroShares();
        shares = _convert(amount, totalSupply + 1000, assets_ + 1, true);
        _pay(amount, shares, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 amount) {
        accrueInterest();
        if (totalSupply == 0) revert NothingToWithdraw();
        if (shares == 0) revert InputZeroShares();
        amount = _convert(shares, assets_ + 1, totalSupply + 1000, false);
        if (amount == 0) revert ReturnZeroAssets();
        _pay(amount, shares, receiver, owner);
    }

    /// Protected deposits, without shares of their own: they are only kept apart.
    function protect(uint256 amount) external {
        accrueInterest();
        protected_ += amount;
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
    }

    function borrow(uint256 amount, address receiver) external {
        accrueInterest();
        if (amount == 0) revert InputZeroShares();
        if (amount > (assets_ > debt_ ? assets_ - debt_ : 0)) revert NotEnoughLiquidity();
        uint256 shares = debtSupply == 0 ? amount : _convert(amount, debtSupply, debt_, true);
        (debt_, debtSupply, debtOf[msg.sender]) = (debt_ + amount, debtSupply + shares, debtOf[msg.sender] + shares);
        IERC20(asset).transfer(receiver, amount);
    }

    function repayShares(uint256 shares) external {
        accrueInterest();
        uint256 amount = _convert(shares, debt_, debtSupply, true);
        (debt_, debtSupply, debtOf[msg.sender]) = (debt_ - amount, debtSupply - shares, debtOf[msg.sender] - shares);
        IERC20(asset).transferFrom(msg.sender, address(this), amount);
    }

    function _pay(uint256 amount, uint256 shares, address receiver, address owner) private {
        if (amount > (assets_ > debt_ ? assets_ - debt_ : 0)) revert NotEnoughLiquidity();
        require(owner == msg.sender, "not the owner");
        (assets_, totalSupply, balanceOf[owner]) = (assets_ - amount, totalSupply - shares, balanceOf[owner] - shares);
        if (protected_ != 0 && IERC20(asset).balanceOf(address(this)) - amount < protected_) revert ProtectedProtection();
        IERC20(asset).transfer(receiver, amount);
        emit Transfer(owner, address(0), shares);
        emit Withdraw(msg.sender, receiver, owner, amount, shares);
    }

    function _interest(uint256 grown) private view returns (uint256) { return debt_ * grown / ONE; }

    function _convert(uint256 part, uint256 by, uint256 per, bool up) private pure returns (uint256) {
        return Math.mulDiv(part, by, per, up ? Math.Rounding.Ceil : Math.Rounding.Floor);
    }
}
