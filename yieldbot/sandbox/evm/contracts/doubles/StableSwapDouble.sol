// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// A double of Curve's StableSwap pools, written anew from the published mathematics: no package has the real ones.
/// It has their getters, `get_dy` and `exchange`, and rounds where the pool of its flavour does. Nobody owns it, nothing
/// ramps, fees stay in the pool, and there are no shares: what is sent to it and `sync`ed is its balance.
contract StableSwapDouble {
    enum Flavour { THREE_POOL, TEMPLATE, PLAIN2, NG }

    uint256 internal constant FEE_ONE = 10 ** 10;
    uint256 internal constant PRECISION = 10 ** 18;

    Flavour public immutable flavour;
    uint256 internal immutable _amp; // as the pool keeps it
    uint256 internal immutable _unit;
    uint256 public immutable fee;
    uint256 internal immutable _offpeg;
    address[] public coins;
    uint256[] public balances;
    uint256[] internal _rates;

    constructor(Flavour flavour_, address[] memory coins_, uint256 amplification, uint256 fee_, uint256 offpeg) {
        flavour = flavour_;
        _unit = flavour_ == Flavour.THREE_POOL ? 1 : 100;
        _amp = amplification * (flavour_ == Flavour.THREE_POOL ? 1 : 100);
        fee = fee_;
        _offpeg = flavour_ == Flavour.NG ? offpeg : 0;
        for (uint256 k = 0; k < coins_.length; k++) {
            coins.push(coins_[k]);
            balances.push(0);
            _rates.push(10 ** (36 - IERC20Metadata(coins_[k]).decimals()));
        }
    }

    /// Takes what it holds as its balances.
    function sync() external {
        for (uint256 k = 0; k < coins.length; k++) balances[k] = IERC20(coins[k]).balanceOf(address(this));
    }

    function A() external view returns (uint256) {
        return _amp / _unit;
    }

    function A_precise() external view returns (uint256) {
        require(flavour != Flavour.THREE_POOL);
        return _amp;
    }

    function offpeg_fee_multiplier() external view returns (uint256) {
        require(flavour == Flavour.NG);
        return _offpeg;
    }

    function stored_rates() public view virtual returns (uint256[] memory) {
        require(flavour == Flavour.NG);
        return _rates;
    }

    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        if (flavour != Flavour.THREE_POOL) return _dy(uint128(i), uint128(j), dx);
        (uint256 dy,) = _raw(uint128(i), uint128(j), dx);
        dy = dy * PRECISION / _rate(uint128(j));
        return dy - fee * dy / FEE_ONE;
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external returns (uint256 dy) {
        dy = _dy(uint128(i), uint128(j), dx);
        require(dy >= min_dy, "Exchange resulted in fewer coins than expected");
        IERC20(coins[uint128(i)]).transferFrom(msg.sender, address(this), dx);
        IERC20(coins[uint128(j)]).transfer(msg.sender, dy);
        balances[uint128(i)] += dx;
        balances[uint128(j)] -= dy;
    }

    function _dy(uint256 i, uint256 j, uint256 dx) internal view returns (uint256) {
        (uint256 dy, uint256 rate) = _raw(i, j, dx);
        return (dy - dy * rate / FEE_ONE) * PRECISION / _rate(j);
    }

    /// What comes out before the fee, at 18 decimals, and the fee's rate.
    function _raw(uint256 i, uint256 j, uint256 dx) internal view returns (uint256 dy, uint256 rate) {
        require(i != j);
        uint256[] memory xp = _xp(balances);
        uint256 x = xp[i] + dx * _rate(i) / PRECISION;
        uint256 y = _y(i, j, x, xp, _d(xp));
        dy = xp[j] - y - 1;
        rate = _feeAt((xp[i] + x) / 2, (xp[j] + y) / 2, fee);
    }

    /// Of a coin in 18 decimals.
    function _rate(uint256 k) internal view virtual returns (uint256) {
        return _rates[k];
    }

    function _xp(uint256[] memory held) internal view returns (uint256[] memory xp) {
        xp = new uint256[](held.length);
        for (uint256 k = 0; k < xp.length; k++) xp[k] = _rate(k) * held[k] / PRECISION;
    }

    function _feeAt(uint256 a, uint256 b, uint256 plain) internal view returns (uint256) {
        if (_offpeg <= FEE_ONE) return plain;
        return _offpeg * plain / ((_offpeg - FEE_ONE) * 4 * a * b / (a + b) ** 2 + FEE_ONE);
    }

    function _d(uint256[] memory xp) internal view returns (uint256 d) {
        uint256 n = xp.length;
        uint256 total;
        for (uint256 k = 0; k < n; k++) total += xp[k];
        bool once = flavour == Flavour.PLAIN2 || flavour == Flavour.NG;
        d = total;
        for (uint256 round = 0; round < 255; round++) {
            uint256 p = d;
            for (uint256 k = 0; k < n; k++) p = p * d / (once ? xp[k] : xp[k] * n);
            if (once) p /= n ** n;
            uint256 before = d;
            d = (_amp * n * total / _unit + p * n) * d / ((_amp * n - _unit) * d / _unit + (n + 1) * p);
            if ((d > before ? d - before : before - d) <= 1) return d;
        }
        revert("no convergence");
    }

    function _y(uint256 i, uint256 j, uint256 x, uint256[] memory xp, uint256 d) private view returns (uint256) {
        uint256[] memory held = new uint256[](xp.length);
        for (uint256 k = 0; k < xp.length; k++) held[k] = k == i ? x : xp[k];
        return _beside(held, j, d);
    }

    /// Balance of coin j beside the others, at the invariant d.
    function _beside(uint256[] memory xp, uint256 j, uint256 d) internal view returns (uint256 y) {
        uint256 n = xp.length;
        uint256 s;
        uint256 c = d;
        for (uint256 k = 0; k < n; k++) {
            if (k == j) continue;
            s += xp[k];
            c = c * d / (xp[k] * n);
        }
        c = c * d * _unit / (_amp * n * n);
        uint256 b = s + d * _unit / (_amp * n);
        y = d;
        for (uint256 round = 0; round < 255; round++) {
            uint256 before = y;
            y = (y * y + c) / (2 * y + b - d);
            if ((y > before ? y - before : before - y) <= 1) return y;
        }
        revert("no convergence");
    }
}
