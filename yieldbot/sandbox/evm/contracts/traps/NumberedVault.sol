// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A double with EIP-7540's real interface of exits whose every request has a number of its own, from 1 on, as vaults with
/// settlements have: `pendingRedeemRequest` and its like tell of that number alone, and nothing of 0. Deposits are plain.
/// `admin` serves a request (`serveRedeem`) at the price of that moment; `redeem` claims of all that were served. A request
/// that was not served can be called back (ERC-7887).
contract NumberedVault is ERC4626 {
    error OnlyAsync();
    error NotOperator();

    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );

    address public immutable admin;
    uint256 public last;
    uint256 private _waiting; // assets of claims: nobody's shares
    mapping(uint256 => mapping(address => uint256)) private _pending;
    mapping(uint256 => mapping(address => uint256)) private _claimable;
    mapping(uint256 => mapping(address => uint256)) private _calledBack;
    mapping(address => uint256) private _claimShares;
    mapping(address => uint256) private _claimAssets;
    mapping(address => uint256[]) private _served;

    constructor(IERC20 asset_) ERC20("Numbered Vault", "numbered") ERC4626(asset_) {
        admin = msg.sender;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0xe3bc4e65 || id == 0x2f0a18c5 || id == 0x620ee8e4 || id == 0xe76cffc7;
    }

    function share() external view returns (address) {
        return address(this);
    }

    function totalAssets() public view override returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) - _waiting;
    }

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId) {
        if (owner != msg.sender) revert NotOperator();
        _transfer(owner, address(this), shares);
        requestId = ++last;
        _pending[requestId][controller] = shares;
        emit RedeemRequest(controller, owner, requestId, msg.sender, shares);
    }

    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _pending[requestId][controller];
    }

    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _claimable[requestId][controller];
    }

    function cancelRedeemRequest(uint256 requestId, address controller) external {
        if (controller != msg.sender) revert NotOperator();
        _calledBack[requestId][controller] = _pending[requestId][controller];
        _pending[requestId][controller] = 0;
    }

    function pendingCancelRedeemRequest(uint256, address) external pure returns (bool) {
        return false;
    }

    function claimableCancelRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _calledBack[requestId][controller];
    }

    function claimCancelRedeemRequest(uint256 requestId, address receiver, address controller)
        external
        returns (uint256 shares)
    {
        if (controller != msg.sender) revert NotOperator();
        shares = _calledBack[requestId][controller];
        _calledBack[requestId][controller] = 0;
        _transfer(address(this), receiver, shares);
    }

    /// What somebody off the chain does some day.
    function serveRedeem(uint256 requestId, address controller) external {
        require(msg.sender == admin, "admin");
        uint256 shares = _pending[requestId][controller];
        uint256 assets = convertToAssets(shares);
        _pending[requestId][controller] = 0;
        _burn(address(this), shares);
        _claimable[requestId][controller] = shares;
        _served[controller].push(requestId);
        _claimShares[controller] += shares;
        _claimAssets[controller] += assets;
        _waiting += assets;
    }

    function maxRedeem(address controller) public view override returns (uint256) {
        return _claimShares[controller];
    }

    function maxWithdraw(address controller) public view override returns (uint256) {
        return _claimAssets[controller];
    }

    function redeem(uint256 shares, address receiver, address controller) public override returns (uint256 assets) {
        if (controller != msg.sender) revert NotOperator();
        require(shares == _claimShares[controller], "all of it");
        assets = _claimAssets[controller];
        (_claimShares[controller], _claimAssets[controller]) = (0, 0);
        uint256[] storage served = _served[controller];
        for (uint256 i = 0; i < served.length; i++) _claimable[served[i]][controller] = 0;
        delete _served[controller];
        _waiting -= assets;
        SafeERC20.safeTransfer(IERC20(asset()), receiver, assets);
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
    }

    function withdraw(uint256, address, address) public pure override returns (uint256) {
        revert OnlyAsync();
    }

    function previewRedeem(uint256) public pure override returns (uint256) {
        revert OnlyAsync();
    }

    function previewWithdraw(uint256) public pure override returns (uint256) {
        revert OnlyAsync();
    }
}
