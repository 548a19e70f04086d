// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// A double of Curve's crypto pools of two coins (twocrypto-ng), written anew from the published mathematics: no package
/// has the real ones. It has their getters, `get_dy` and `exchange`, and their rounding. Its price scale and D stay as
/// they are, fees stay in the pool, nobody owns it and there are no shares: what is sent to it in balance and `sync`ed
/// is its money.
contract CryptoSwapDouble {
    uint256 private constant WAD = 1e18;
    uint256 private constant FEE_ONE = 1e10;

    address[2] public coins;
    uint256[2] public balances;
    uint256[2] private _precisions;
    uint256 public immutable A;
    uint256 public immutable gamma;
    uint256 public immutable mid_fee;
    uint256 public immutable out_fee;
    uint256 public immutable fee_gamma;
    uint256 public immutable price_scale;
    uint256 public D;

    struct Terms { uint256 amp; uint256 gamma; uint256 midFee; uint256 outFee; uint256 feeGamma; uint256 scale; }

    constructor(address[2] memory coins_, Terms memory t) {
        coins = coins_;
        (A, gamma, mid_fee, out_fee, fee_gamma, price_scale) =
            (t.amp, t.gamma, t.midFee, t.outFee, t.feeGamma, t.scale);
        for (uint256 k = 0; k < 2; k++) _precisions[k] = 10 ** (18 - IERC20Metadata(coins_[k]).decimals());
    }

    /// Takes what it holds as its balances, which must be worth the same at its price scale.
    function sync() external {
        for (uint256 k = 0; k < 2; k++) balances[k] = IERC20(coins[k]).balanceOf(address(this));
        uint256[2] memory xp = _xp(0, 0);
        require(xp[0] == xp[1], "not in balance");
        D = 2 * xp[0];
    }

    function get_dy(uint256 i, uint256 j, uint256 dx) public view returns (uint256 dy) {
        require(i != j && i < 2 && j < 2 && dx > 0);
        uint256[2] memory xp = _xp(i, dx);
        uint256 y = _y(xp[i]);
        dy = xp[j] - y - 1;
        xp[j] = y;
        if (j > 0) dy = dy * WAD / price_scale;
        dy /= _precisions[j];
        dy -= _fee(xp) * dy / FEE_ONE;
    }

    function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy) external returns (uint256 dy) {
        dy = get_dy(i, j, dx);
        require(dy >= min_dy, "Slippage");
        IERC20(coins[i]).transferFrom(msg.sender, address(this), dx);
        IERC20(coins[j]).transfer(msg.sender, dy);
        balances[i] += dx;
        balances[j] -= dy;
    }

    function _xp(uint256 i, uint256 dx) private view returns (uint256[2] memory xp) {
        xp = balances;
        xp[i] += dx;
        (xp[0], xp[1]) = (xp[0] * _precisions[0], xp[1] * price_scale * _precisions[1] / WAD);
    }

    function _fee(uint256[2] memory xp) private view returns (uint256) {
        uint256 f = xp[0] + xp[1];
        f = fee_gamma * WAD / (fee_gamma + WAD - 4 * WAD * xp[0] / f * xp[1] / f);
        return (mid_fee * f + out_fee * (WAD - f)) / WAD;
    }

    /// The other balance by the closed form. Where the cubic has no real root, the real pool turns to Newton's method,
    /// this one refuses.
    function _y(uint256 x) private view returns (uint256 y) {
        y = uint256(int256(D * D / x) * _k0(_terms(int256(D), int256(x), int256(gamma))) / 4 / 1e18);
        uint256 part = y * WAD / D;
        require(part >= 1e16 && part <= 5e19, "unsafe value for y");
    }

    function _terms(int256 d, int256 x, int256 g) private view returns (int256[4] memory t) {
        int256 w = int256(A) * g * g;
        t[0] = 1e32;
        t[1] = d * w / 4e8 / x - 3e32 - 2 * g * 1e14;
        t[2] = 3e32 + 4 * g * 1e14 + g * g / 1e4 + 4 * w / 4e8 * x / d - 4 * w / 4e8;
        t[3] = -((1e18 + g) ** 2 / 1e4);
    }

    function _k0(int256[4] memory t) private pure returns (int256) {
        (int256 d0, int256 d1) = _deltas(t);
        int256 by = _divider(_min(_min(_abs(d0), _abs(d1)), t[0]));
        for (uint256 k = 0; k < 4; k++) t[k] /= by;
        (d0, d1) = _deltas(t);
        int256 root = d1 ** 2 + 4 * d0 ** 2 / t[1] * d0;
        require(root > 0, "no real root");
        root = int256(_sqrt(uint256(root)));
        root = d1 > 0 ? _root3((d1 + root) / 2) : -_root3((root - d1) / 2);
        int256 c1 = _root3(t[1]) ** 2 / 1e18 * root / 1e18;
        return (1e18 * c1 - 1e18 * t[1] - 1e18 * t[1] / c1 * d0) / (3 * t[0]);
    }

    function _deltas(int256[4] memory t) private pure returns (int256 d0, int256 d1) {
        d0 = 3 * t[0] * t[2] / t[1] - t[1];
        d1 = 3 * d0 + t[1] - 27 * t[0] ** 2 / t[1] * t[3] / t[1];
    }

    function _divider(int256 least) private pure returns (int256) {
        for (uint256 k = 48; k >= 24; k -= 2) if (least > int256(10 ** k)) return int256(10 ** (k - 18));
        return least > 1e20 ? int256(100) : int256(1);
    }

    /// A cube root by seven steps from a power of two, times 1e12 for small numbers; of a negative one the negative.
    function _root3(int256 value) private pure returns (int256) {
        if (value < 0) return -_root3(-value);
        uint256 x = uint256(value);
        uint256 limit = type(uint256).max / 1e36;
        uint256 later = x >= limit * 1e18 ? 1e12 : x >= limit ? 1e6 : 1;
        x *= 1e36 / later ** 3;
        uint256 bits;
        for (uint256 rest = x; rest > 1; rest >>= 1) bits++;
        uint256 a = 2 ** (bits / 3) * 1260 ** (bits % 3) / 1000 ** (bits % 3);
        for (uint256 k = 0; k < 7; k++) a = (2 * a + x / (a * a)) / 3;
        return int256(a * later);
    }

    function _sqrt(uint256 x) private pure returns (uint256 r) {
        r = 1;
        for (uint256 rest = x; rest > 3; rest >>= 2) r <<= 1;
        for (uint256 k = 0; k < 9; k++) r = (r + x / r) / 2;
        return r * r > x ? r - 1 : r;
    }

    function _abs(int256 x) private pure returns (int256) {
        return x < 0 ? -x : x;
    }

    function _min(int256 x, int256 y) private pure returns (int256) {
        return x < y ? x : y;
    }
}
