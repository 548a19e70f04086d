// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// OpenZeppelin's ERC-4626 with an income that drips: a donated sum becomes part of the assets at a constant rate per
/// second, shared by all holders, whoever they are. The shape of a vault whose strategy cannot be looked into.
contract DripVault is ERC4626 {
    uint256 public immutable perSecond;
    uint256 public immutable start;
    uint256 public funded;

    constructor(IERC20 asset_, uint256 perSecond_, string memory symbol_)
        ERC20("Drip Vault", symbol_)
        ERC4626(asset_)
    {
        perSecond = perSecond_;
        start = block.timestamp;
    }

    function fund(uint256 amount) external {
        funded += amount;
        IERC20(asset()).transferFrom(msg.sender, address(this), amount);
    }

    /// What has not dripped yet: in the vault's balance, but nobody's.
    function pending() public view returns (uint256) {
        uint256 dripped = perSecond * (block.timestamp - start);
        return dripped < funded ? funded - dripped : 0;
    }

    function totalAssets() public view override returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) - pending();
    }
}
