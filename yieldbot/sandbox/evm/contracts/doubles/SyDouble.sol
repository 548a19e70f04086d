// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// A DOUBLE of a standardized yield token (SY) of Pendle over one asset that it takes and pays itself, with the
/// interface and rounding of Pendle's SYBase. Pendle's market, principal token, yield token, factories and router in the
/// sandbox are the real ones. This token is NOT: it earns a fixed simple rate from what somebody paid in, anybody may make it lose, and it
/// has no rewards. docs/protocols.md says what it was held against.
contract SyDouble is ERC20 {
    uint256 private constant ONE = 1e18;
    IERC20 private immutable _asset;
    uint8 private immutable _decimals;
    uint256 private immutable _start = block.timestamp;
    uint256 private immutable _growth; // of the rate in a year of 365 days; 1e18 is one
    uint256 private _kept = ONE;
    bool public paused;

    error SYInvalidTokenIn(address token);
    error SYInvalidTokenOut(address token);
    error SYZeroDeposit();
    error SYZeroRedeem();
    error SYInsufficientSharesOut(uint256 actual, uint256 required);
    error SYInsufficientTokenOut(uint256 actual, uint256 required);

    constructor(IERC20 asset_, uint8 decimals_, uint256 growth) ERC20("SY Savings double", "SY-double") {
        (_asset, _decimals, _growth) = (asset_, decimals_, growth);
    }

    function decimals() public view override returns (uint8) { return _decimals; }

    function setPaused(bool on) external { paused = on; }

    /// The rate from now on is `kept` parts in 1e18 of what it would be.
    function lose(uint256 kept) external { _kept = _kept * kept / ONE; }

    function exchangeRate() public view returns (uint256) {
        return (ONE + _growth * (block.timestamp - _start) / 365 days) * _kept / ONE;
    }

    function deposit(address receiver, address tokenIn, uint256 amount, uint256 least) external payable returns (uint256 out) {
        require(!paused, "Pausable: paused");
        if (!isValidTokenIn(tokenIn)) revert SYInvalidTokenIn(tokenIn);
        if (amount == 0) revert SYZeroDeposit();
        _asset.transferFrom(msg.sender, address(this), amount);
        out = previewDeposit(tokenIn, amount);
        if (out < least) revert SYInsufficientSharesOut(out, least);
        _mint(receiver, out);
    }

    function redeem(address receiver, uint256 shares, address tokenOut, uint256 least, bool inside) external returns (uint256 out) {
        require(!paused, "Pausable: paused");
        if (!isValidTokenOut(tokenOut)) revert SYInvalidTokenOut(tokenOut);
        if (shares == 0) revert SYZeroRedeem();
        _burn(inside ? address(this) : msg.sender, shares);
        out = previewRedeem(tokenOut, shares);
        _asset.transfer(receiver, out);
        if (out < least) revert SYInsufficientTokenOut(out, least);
    }

    function previewDeposit(address, uint256 amount) public view returns (uint256) { return amount * ONE / exchangeRate(); }

    function previewRedeem(address, uint256 shares) public view returns (uint256) { return shares * exchangeRate() / ONE; }

    function assetInfo() external view returns (uint8, address, uint8) { return (0, address(_asset), _decimals); }

    function yieldToken() external view returns (address) { return address(_asset); }

    function isValidTokenIn(address token) public view returns (bool) { return token == address(_asset); }

    function isValidTokenOut(address token) public view returns (bool) { return token == address(_asset); }

    function getTokensIn() external view returns (address[] memory list) { (list = new address[](1))[0] = address(_asset); }

    function getTokensOut() external view returns (address[] memory list) { (list = new address[](1))[0] = address(_asset); }

    function claimRewards(address) external pure returns (uint256[] memory list) { list = new uint256[](0); }

    function rewardIndexesCurrent() external pure returns (uint256[] memory list) { list = new uint256[](0); }

    function getRewardTokens() external pure returns (address[] memory list) { list = new address[](0); }
}

/// A DOUBLE of what a market asks of Pendle's gauge controller: it pays no PENDLE.
contract PendleGaugeDouble {
    address public immutable pendle;

    constructor(address token) { pendle = token; }

    function redeemMarketReward() external {}
}
