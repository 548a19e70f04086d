// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

interface IPermit2 {
    function transferFrom(address from, address to, uint160 amount, address token) external;
}

/// Doubles of a stable pool of Balancer v3, of its Vault and of its Router, written anew from the published interfaces and
/// mathematics: no package has the real ones. They round as the real ones do. Rates are set by hand, all of the fee stays
/// in the pool, there are no hooks, no shares and no buffers.
contract BalancerPoolDouble {
    struct PoolSwapParams {
        uint8 kind;
        uint256 amountGivenScaled18;
        uint256[] balancesScaled18;
        uint256 indexIn;
        uint256 indexOut;
        address router;
        bytes userData;
    }

    error MaxImbalanceRatioExceeded();

    uint256 private immutable _amp;
    address public immutable getVault;

    constructor(address vault, uint256 amplification) {
        (getVault, _amp) = (vault, amplification * 1000);
    }

    function getAmplificationParameter() external view returns (uint256, bool, uint256) {
        return (_amp, false, 1000);
    }

    function onSwap(PoolSwapParams memory r) external view returns (uint256 out) {
        require(r.kind == 0, "exact in alone");
        uint256[] memory x = r.balancesScaled18;
        uint256 d = _d(x);
        (uint256 least, uint256 most) = (x[0], x[0]);
        for (uint256 k = 0; k < x.length; k++) (least, most) = (x[k] < least ? x[k] : least, x[k] > most ? x[k] : most);
        x[r.indexIn] += r.amountGivenScaled18;
        out = x[r.indexOut] - _balance(x, r.indexOut, d) - 1;
        if (x[r.indexIn] > most) most = x[r.indexIn];
        if (x[r.indexOut] - out < least) least = x[r.indexOut] - out;
        if (most / least >= 10_000) revert MaxImbalanceRatioExceeded();
    }

    function _d(uint256[] memory x) private view returns (uint256 d) {
        (uint256 n, uint256 total) = (x.length, 0);
        for (uint256 k = 0; k < n; k++) total += x[k];
        (uint256 ann, uint256 before) = (_amp * n, 0);
        d = total;
        for (uint256 round = 0; round < 255; round++) {
            uint256 p = d;
            for (uint256 k = 0; k < n; k++) p = p * d / (x[k] * n);
            before = d;
            d = (ann * total / 1000 + p * n) * d / ((ann - 1000) * d / 1000 + (n + 1) * p);
            if ((d > before ? d - before : before - d) <= 1) return d;
        }
        revert("no convergence");
    }

    function _balance(uint256[] memory x, uint256 j, uint256 d) private view returns (uint256 y) {
        (uint256 n, uint256 p, uint256 s) = (x.length, x[0] * x.length, x[0]);
        for (uint256 k = 1; k < n; k++) (p, s) = (p * x[k] * n / d, s + x[k]);
        uint256 c = _up(d * d * 1000, _amp * n * p) * x[j];
        uint256 b = s - x[j] + d * 1000 / (_amp * n);
        y = _up(d * d + c, d + b);
        for (uint256 round = 0; round < 255; round++) {
            uint256 before = y;
            y = _up(y * y + c, 2 * y + b - d);
            if ((y > before ? y - before : before - y) <= 1) return y;
        }
        revert("no convergence");
    }

    function _up(uint256 a, uint256 b) private pure returns (uint256) {
        return a == 0 ? 0 : (a - 1) / b + 1;
    }
}

contract BalancerVaultDouble {
    struct Kept { address[] tokens; uint256[] scaling; uint256[] rates; uint256[] raw; uint256 fee; }
    struct TokenInfo { uint8 tokenType; address rateProvider; bool paysYieldFees; }
    struct HooksConfig { bool[10] flags; address hooksContract; }

    error SwapLimit(uint256 amount, uint256 limit);
    error TradeAmountTooSmall();
    error PoolNotRegistered(address pool);

    uint256 private constant WAD = 1e18;
    uint256 public constant getMinimumTradeAmount = 1e6;
    bool public constant isVaultPaused = false;
    mapping(address => Kept) private _kept;
    mapping(address => bool) public isPoolPaused;

    /// Registers a pool and takes what it holds at the start from the caller.
    function open(address pool, address[] memory tokens, uint256[] memory rates, uint256[] memory raw, uint256 fee) external {
        uint256[] memory scaling = new uint256[](tokens.length);
        for (uint256 k = 0; k < tokens.length; k++) {
            scaling[k] = 10 ** (18 - IERC20Metadata(tokens[k]).decimals());
            IERC20(tokens[k]).transferFrom(msg.sender, address(this), raw[k]);
        }
        _kept[pool] = Kept(tokens, scaling, rates, raw, fee);
    }

    function set(address pool, uint256[] memory rates, bool paused) external {
        (_kept[pool].rates, isPoolPaused[pool]) = (rates, paused);
    }

    function getPoolTokens(address pool) external view returns (address[] memory) {
        if (_kept[pool].tokens.length == 0) revert PoolNotRegistered(pool);
        return _kept[pool].tokens;
    }

    function getPoolTokenInfo(address pool)
        external
        view
        returns (address[] memory, TokenInfo[] memory, uint256[] memory, uint256[] memory)
    {
        Kept memory k = _kept[pool];
        return (k.tokens, new TokenInfo[](k.tokens.length), k.raw, getCurrentLiveBalances(pool));
    }

    function getPoolTokenRates(address pool) external view returns (uint256[] memory, uint256[] memory) {
        return (_kept[pool].scaling, _kept[pool].rates);
    }

    function getCurrentLiveBalances(address pool) public view returns (uint256[] memory live) {
        Kept memory k = _kept[pool];
        live = new uint256[](k.raw.length);
        for (uint256 i = 0; i < live.length; i++) live[i] = k.raw[i] * k.scaling[i] * k.rates[i] / WAD;
    }

    function getStaticSwapFeePercentage(address pool) external view returns (uint256) {
        return _kept[pool].fee;
    }

    function getHooksConfig(address) external pure returns (HooksConfig memory c) {}

    /// The Router has sent what goes in.
    function swap(address pool, address tokenIn, address tokenOut, uint256 given, uint256 least, address to)
        external
        returns (uint256 out)
    {
        Kept storage k = _kept[pool];
        (uint256 i, uint256 j) = (_index(k, tokenIn), _index(k, tokenOut));
        out = _raw(k, j, _asked(pool, _net(k, i, given), i, j));
        if (out < least) revert SwapLimit(out, least);
        (k.raw[i], k.raw[j]) = (k.raw[i] + given, k.raw[j] - out);
        IERC20(tokenOut).transfer(to, out);
    }

    function _net(Kept storage k, uint256 i, uint256 given) private view returns (uint256 amount) {
        amount = given * k.scaling[i] * k.rates[i] / WAD;
        uint256 fee = amount * k.fee;
        amount -= fee == 0 ? 0 : (fee - 1) / WAD + 1;
        if (amount < getMinimumTradeAmount) revert TradeAmountTooSmall();
    }

    function _asked(address pool, uint256 amount, uint256 i, uint256 j) private view returns (uint256) {
        uint256[] memory live = getCurrentLiveBalances(pool);
        return BalancerPoolDouble(pool).onSwap(BalancerPoolDouble.PoolSwapParams(0, amount, live, i, j, msg.sender, ""));
    }

    function _raw(Kept storage k, uint256 j, uint256 out) private view returns (uint256) {
        if (out < getMinimumTradeAmount) revert TradeAmountTooSmall();
        uint256 rate = k.rates[j];
        return out * WAD / (k.scaling[j] * (rate % WAD == 0 ? rate : rate + 1));
    }

    function _index(Kept storage k, address token) private view returns (uint256 i) {
        while (k.tokens[i] != token) i++;
    }
}

contract BalancerRouterDouble {
    BalancerVaultDouble public immutable getVault;
    IPermit2 private immutable _permit2;

    error SwapDeadline();
    error PoolPaused(address pool);

    constructor(BalancerVaultDouble vault, IPermit2 permit2) {
        (getVault, _permit2) = (vault, permit2);
    }

    function swapSingleTokenExactIn(
        address pool,
        address tokenIn,
        address tokenOut,
        uint256 exactAmountIn,
        uint256 minAmountOut,
        uint256 deadline,
        bool wethIsEth,
        bytes calldata
    ) external payable returns (uint256 out) {
        if (block.timestamp > deadline) revert SwapDeadline();
        if (getVault.isPoolPaused(pool)) revert PoolPaused(pool);
        require(!wethIsEth, "no native token here");
        out = getVault.swap(pool, tokenIn, tokenOut, exactAmountIn, minAmountOut, msg.sender);
        _permit2.transferFrom(msg.sender, address(getVault), uint160(exactAmountIn), tokenIn);
    }
}
