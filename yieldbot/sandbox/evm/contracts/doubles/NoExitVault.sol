// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A double: OpenZeppelin's ERC-4626 whose way out is set by whoever likes. Its max* and previews claim what the plain
/// vault would pay, whatever it does.
contract NoExitVault is ERC4626 {
    bool public shut;
    uint256 public keepsBps;

    constructor(IERC20 asset_, string memory symbol_) ERC20("Drip Vault", symbol_) ERC4626(asset_) {}

    function set(bool shut_, uint256 keepsBps_) external {
        shut = shut_;
        keepsBps = keepsBps_;
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        require(!shut, "cooldown is on: use another function");
        uint256 kept = assets * keepsBps / 10_000;
        super._withdraw(caller, receiver, owner, assets - kept, shares);
    }
}
