// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {BalancerVaultDouble, IPermit2} from "./BalancerDoubles.sol";

/// A double of Balancer v3's Vault with its buffers of ERC-4626 shares, written anew from the published interfaces. What
/// comes out is rounded as the real one does; where a buffer has too little, exactly what goes in is deposited or
/// redeemed, and the buffer is not balanced as the real one's is.
contract BalancerBufferVaultDouble is BalancerVaultDouble {
    error WrapAmountTooSmall(IERC4626 wrappedToken);

    struct Buffer { uint256 assets; uint256 shares; }

    uint256 public constant getMinimumWrapAmount = 1e4;
    bool public constant areBuffersPaused = false;
    mapping(IERC4626 => address) public getERC4626BufferAsset;
    mapping(IERC4626 => Buffer) public getBufferBalance;

    /// Takes both amounts from the caller.
    function initializeBuffer(IERC4626 vault, uint256 assets, uint256 shares) external {
        getERC4626BufferAsset[vault] = vault.asset();
        getBufferBalance[vault] = Buffer(assets, shares);
        IERC20(vault.asset()).transferFrom(msg.sender, address(this), assets);
        vault.transferFrom(msg.sender, address(this), shares);
    }

    /// What goes in is here already.
    function wrapOrUnwrap(IERC4626 vault, bool wraps, uint256 given) external returns (uint256 out) {
        require(getERC4626BufferAsset[vault] != address(0), "no buffer");
        if (given < getMinimumWrapAmount) revert WrapAmountTooSmall(vault);
        out = (wraps ? vault.previewDeposit(given - 1) : vault.previewRedeem(given - 1)) - 1;
        if (out < getMinimumWrapAmount) revert WrapAmountTooSmall(vault);
        Buffer storage b = getBufferBalance[vault];
        if (wraps) {
            b.assets += given;
            if (b.shares < out) {
                IERC20(vault.asset()).approve(address(vault), given);
                b.shares += vault.deposit(given, address(this));
                b.assets -= given;
            }
            b.shares -= out;
        } else {
            b.shares += given;
            if (b.assets < out) {
                b.assets += vault.redeem(given, address(this), address(this));
                b.shares -= given;
            }
            b.assets -= out;
        }
    }

    function sendTo(IERC20 token, address to, uint256 amount) external {
        token.transfer(to, amount);
    }
}

/// A double of its BatchRouter: one path.
contract BalancerBatchRouterDouble {
    struct Step { address pool; address tokenOut; bool isBuffer; }
    struct Path { address tokenIn; Step[] steps; uint256 exactAmountIn; uint256 minAmountOut; }

    error SwapDeadline();
    error SwapLimit(uint256 amount, uint256 limit);

    BalancerBufferVaultDouble public immutable getVault;
    IPermit2 private immutable _permit2;

    constructor(BalancerBufferVaultDouble vault, IPermit2 permit2) {
        (getVault, _permit2) = (vault, permit2);
    }

    function swapExactIn(Path[] calldata paths, uint256 deadline, bool wethIsEth, bytes calldata)
        external
        payable
        returns (uint256[] memory outs, address[] memory tokens, uint256[] memory amounts)
    {
        if (block.timestamp > deadline) revert SwapDeadline();
        require(paths.length == 1 && !wethIsEth, "one path of tokens here");
        Path calldata path = paths[0];
        (address token, uint256 amount) = (path.tokenIn, path.exactAmountIn);
        _permit2.transferFrom(msg.sender, address(getVault), uint160(amount), token);
        for (uint256 k = 0; k < path.steps.length; k++) {
            Step calldata step = path.steps[k];
            amount = step.isBuffer
                ? getVault.wrapOrUnwrap(IERC4626(step.pool), step.pool != token, amount)
                : getVault.swap(step.pool, token, step.tokenOut, amount, 0, address(getVault));
            token = step.tokenOut;
        }
        if (amount < path.minAmountOut) revert SwapLimit(amount, path.minAmountOut);
        getVault.sendTo(IERC20(token), msg.sender, amount);
        (outs, tokens, amounts) = (new uint256[](1), new address[](1), new uint256[](1));
        (outs[0], tokens[0], amounts[0]) = (amount, token, amount);
    }
}
