// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IAdapterDouble, IBlue, IRateModel, VaultV2Double} from "./VaultV2Double.sol";

/// DOUBLES of the two adapters of a Morpho Vault V2 (see VaultV2Double.sol): without timelocks, skimming and burning.
abstract contract AdapterDouble is IAdapterDouble {
    address public immutable parentVault;
    address public immutable asset;
    bytes32 public immutable adapterId;

    constructor(address vault, address spender) {
        (parentVault, asset) = (vault, VaultV2Double(vault).asset());
        adapterId = keccak256(abi.encode("this", address(this)));
        IERC20(asset).approve(vault, type(uint256).max);
        IERC20(asset).approve(spender, type(uint256).max);
    }
}

contract MarketAdapterDouble is AdapterDouble {
    error LoanAssetMismatch();
    error IrmMismatch();
    error SharePriceAboveOne();
    error Unauthorized();

    address public immutable morpho;
    address public immutable adaptiveCurveIrm;
    bytes32[] public marketIds;
    mapping(bytes32 => uint256) public supplyShares;
    mapping(bytes32 => IBlue.Params) private _params;

    constructor(address vault, address morpho_, address irm) AdapterDouble(vault, morpho_) {
        (morpho, adaptiveCurveIrm) = (morpho_, irm);
    }

    function marketIdsLength() external view returns (uint256) { return marketIds.length; }

    function _checked(bytes memory data) private view returns (IBlue.Params memory params) {
        if (msg.sender != parentVault) revert Unauthorized();
        params = abi.decode(data, (IBlue.Params));
        if (params.loanToken != asset) revert LoanAssetMismatch();
        if (params.irm != adaptiveCurveIrm) revert IrmMismatch();
    }

    function allocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256) {
        IBlue.Params memory params = _checked(data);
        bytes32 id = keccak256(abi.encode(params));
        _params[id] = params;
        if (assets > 0) {
            (, uint256 made) = IBlue(morpho).supply(params, assets, 0, address(this), "");
            if (made < assets) revert SharePriceAboveOne();
            supplyShares[id] += made;
        }
        return _changed(params, id);
    }

    function deallocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256) {
        IBlue.Params memory params = _checked(data);
        bytes32 id = keccak256(abi.encode(params));
        if (assets > 0) {
            (, uint256 burned) = IBlue(morpho).withdraw(params, assets, 0, address(this), address(this));
            supplyShares[id] -= burned;
        }
        return _changed(params, id);
    }

    function _changed(IBlue.Params memory params, bytes32 id) private returns (bytes32[] memory, int256) {
        uint256 old = allocation(params);
        uint256 now_ = expectedSupplyAssets(id);
        if (old > 0 && now_ == 0) {
            for (uint256 i; i < marketIds.length; i++) {
                if (marketIds[i] != id) continue;
                marketIds[i] = marketIds[marketIds.length - 1];
                marketIds.pop();
                break;
            }
        } else if (old == 0 && now_ > 0) {
            marketIds.push(id);
        }
        return (ids(params), int256(now_) - int256(old));
    }

    function allocation(IBlue.Params memory params) public view returns (uint256) { return VaultV2Double(parentVault).allocation(ids(params)[2]); }

    function ids(IBlue.Params memory params) public view returns (bytes32[] memory found) {
        found = new bytes32[](3);
        found[0] = adapterId;
        found[1] = keccak256(abi.encode("collateralToken", params.collateralToken));
        found[2] = keccak256(abi.encode("this/marketParams", address(this), params));
    }

    function expectedSupplyAssets(bytes32 id) public view returns (uint256) {
        if (supplyShares[id] == 0) return 0;
        IBlue.State memory m = IBlue(morpho).market(id);
        uint256 elapsed = block.timestamp - m.updated;
        if (elapsed != 0 && m.borrow != 0) {
            uint256 first = IRateModel(adaptiveCurveIrm).borrowRateView(_params[id], m) * elapsed;
            uint256 second = first * first / 2e18;
            uint256 interest = m.borrow * (first + second + second * first / 3e18) / 1e18;
            m.supply += uint128(interest);
            if (m.fee != 0) {
                uint256 fee = interest * m.fee / 1e18;
                m.shares += uint128(fee * (uint256(m.shares) + 1e6) / (m.supply - fee + 1));
            }
        }
        return supplyShares[id] * (uint256(m.supply) + 1) / (uint256(m.shares) + 1e6);
    }

    function realAssets() external view returns (uint256 found) {
        for (uint256 i; i < marketIds.length; i++) found += expectedSupplyAssets(marketIds[i]);
    }
}

contract VaultAdapterDouble is AdapterDouble {
    error InvalidData();
    error NotAuthorized();

    address public immutable morphoVaultV1;

    constructor(address vault, address below) AdapterDouble(vault, below) { morphoVaultV1 = below; }

    function allocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256) {
        _check(data);
        if (assets > 0) IERC4626(morphoVaultV1).deposit(assets, address(this));
        return _changed();
    }

    function deallocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256) {
        _check(data);
        if (assets > 0) IERC4626(morphoVaultV1).withdraw(assets, address(this), address(this));
        return _changed();
    }

    function _check(bytes memory data) private view {
        if (data.length != 0) revert InvalidData();
        if (msg.sender != parentVault) revert NotAuthorized();
    }

    function _changed() private view returns (bytes32[] memory found, int256) {
        found = new bytes32[](1);
        found[0] = adapterId;
        return (found, int256(_worth()) - int256(allocation()));
    }

    function _worth() private view returns (uint256) {
        return IERC4626(morphoVaultV1).previewRedeem(IERC4626(morphoVaultV1).balanceOf(address(this)));
    }

    function allocation() public view returns (uint256) { return VaultV2Double(parentVault).allocation(adapterId); }
    function realAssets() external view returns (uint256) { return allocation() == 0 ? 0 : _worth(); }
}
