// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {AaveV4HubDouble, PremiumDelta} from "./AaveV4HubDouble.sol";

/// DOUBLE of a tokenization spoke of Aave v4: shares of what it has added to a hub, by EIP-4626's functions.
contract AaveV4TokenizationSpokeDouble is ERC20 {
    using SafeERC20 for IERC20;

    AaveV4HubDouble public immutable hub;
    uint256 public immutable assetId;
    address public immutable asset;
    uint8 private immutable units;

    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    constructor(AaveV4HubDouble hub_, address asset_, string memory symbol) ERC20(symbol, symbol) {
        (hub, asset, assetId) = (hub_, asset_, hub_.getAssetId(asset_));
        units = ERC20(asset_).decimals();
    }

    function decimals() public view override returns (uint8) {
        return units;
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        shares = hub.previewAddByAssets(assetId, assets);
        IERC20(asset).safeTransferFrom(msg.sender, address(hub), assets);
        hub.add(assetId, assets);
        _mint(receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256 shares) {
        shares = hub.previewRemoveByAssets(assetId, assets);
        _leave(assets, shares, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        assets = convertToAssets(shares);
        _leave(assets, shares, receiver, owner);
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        return hub.previewRemoveByShares(assetId, shares);
    }

    function convertToShares(uint256 assets) external view returns (uint256) {
        return hub.previewAddByAssets(assetId, assets);
    }

    function totalAssets() external view returns (uint256) {
        return convertToAssets(totalSupply());
    }

    function _leave(uint256 assets, uint256 shares, address receiver, address owner) private {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        _burn(owner, shares);
        hub.remove(assetId, assets, receiver);
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
    }
}

/// DOUBLE of a spoke that draws. It asks for no collateral, liquidates nothing, and is its own oracle.
contract AaveV4SpokeDouble {
    using SafeERC20 for IERC20;

    struct Reserve {
        address underlying;
        AaveV4HubDouble hub;
        uint16 assetId;
        uint8 decimals;
        uint24 collateralRisk;
        uint8 flags;
        uint32 dynamicConfigKey;
    }

    Reserve[] private reserves;
    uint256[2][] private terms;

    function list(AaveV4HubDouble hub, address underlying, uint256 price, uint256 factor) external {
        uint16 id = uint16(hub.getAssetId(underlying));
        reserves.push(Reserve(underlying, hub, id, ERC20(underlying).decimals(), 0, 0, 0));
        terms.push([price, factor]);
    }

    function supply(uint256 id, uint256 amount) external {
        Reserve memory r = reserves[id];
        IERC20(r.underlying).safeTransferFrom(msg.sender, address(r.hub), amount);
        r.hub.add(r.assetId, amount);
    }

    /// premium: premium shares for as many shares drawn, in basis points.
    function borrow(uint256 id, uint256 amount, uint256 premium) external {
        Reserve memory r = reserves[id];
        uint256 shares = (r.hub.draw(r.assetId, amount, msg.sender) * premium) / 1e4;
        int256 offset = int256(shares * r.hub.getAssetDrawnIndex(r.assetId));
        r.hub.refreshPremium(r.assetId, PremiumDelta(int256(shares), offset, 0));
    }

    function loseDrawn(uint256 id, uint256 amount) external {
        reserves[id].hub.reportDeficit(reserves[id].assetId, amount, PremiumDelta(0, 0, 0));
    }

    function ORACLE() external view returns (address) {
        return address(this);
    }

    function getReserveCount() external view returns (uint256) {
        return reserves.length;
    }

    function getReserve(uint256 id) external view returns (Reserve memory) {
        return reserves[id];
    }

    function getDynamicReserveConfig(uint256 id, uint32) external view returns (uint16, uint32, uint16) {
        return (uint16(terms[id][1]), 0, 0);
    }

    function getReserveSuppliedAssets(uint256 id) external view returns (uint256) {
        return reserves[id].hub.getSpokeAddedAssets(reserves[id].assetId, address(this));
    }

    function getReservePrice(uint256 id) external view returns (uint256) {
        return terms[id][0];
    }

    function decimals() external pure returns (uint8) {
        return 8;
    }
}
