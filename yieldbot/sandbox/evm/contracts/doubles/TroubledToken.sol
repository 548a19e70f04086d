// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A stablecoin with what some issuers keep the right to: a fee on each transfer, and a list of accounts that it refuses.
/// Anybody may set them here, for tests.
contract TroubledToken is ERC20 {
    uint256 public feeBps;
    mapping(address => bool) public refused;

    error AccountRefused(address account);

    constructor() ERC20("Troubled Dollar", "USDC") {}

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setFee(uint256 bps) external {
        feeBps = bps;
    }

    function setRefused(address account, bool yes) external {
        refused[account] = yes;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (refused[from]) revert AccountRefused(from);
        if (refused[to]) revert AccountRefused(to);
        uint256 fee = from == address(0) || to == address(0) ? 0 : (value * feeBps) / 10_000;
        super._update(from, to, value - fee);
        if (fee > 0) super._update(from, address(0xFEE), fee);
    }
}
