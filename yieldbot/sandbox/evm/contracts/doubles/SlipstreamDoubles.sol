// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// What Slipstream's real factory and pools ask and no package has: a voter without gauges, which is also its registry,
/// and a factory before it without pools. Each answer is zero.
contract VoterDouble {
    fallback() external {
        assembly ("memory-safe") {
            return(0x60, 32) // the zero slot
        }
    }
}

interface IConcentratedPool {
    function token0() external view returns (IERC20);
    function token1() external view returns (IERC20);
    function mint(address to, int24 low, int24 high, uint128 liquidity, bytes calldata data) external;
}

/// In place of the position manager: puts liquidity into a pool with the caller's tokens.
contract PoolMinter {
    function mint(IConcentratedPool pool, int24 low, int24 high, uint128 liquidity) external {
        pool.mint(msg.sender, low, high, liquidity, abi.encode(msg.sender));
    }

    /// On a sandbox only: whoever calls it is paid.
    function uniswapV3MintCallback(uint256 raw0, uint256 raw1, bytes calldata data) external {
        address payer = abi.decode(data, (address));
        if (raw0 > 0) IConcentratedPool(msg.sender).token0().transferFrom(payer, msg.sender, raw0);
        if (raw1 > 0) IConcentratedPool(msg.sender).token1().transferFrom(payer, msg.sender, raw1);
    }
}
