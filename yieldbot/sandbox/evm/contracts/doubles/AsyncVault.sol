// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A double with EIP-7540's real interface: exits (and with `asyncDeposit` entries) are asked for, served by `admin`
/// (`serveRedeem`, `serveDeposit`) at the price of that moment, and then claimed by `redeem` and `deposit`. All requests
/// of a controller are one (request id 0), as EIP-7540 allows. `previewRedeem` reverts, as it demands. What is asked for
/// can be called back (ERC-7887): shares of a request that was not served yet are there to be claimed at once.
/// Where `serveAfter` is set nobody is needed: what is asked for is priced at once, can be claimed that many seconds
/// after the controller's last request, and cannot be called back. Income drips in as in DripVault.
contract AsyncVault is ERC4626 {
    error OnlyAsync();
    error NotOperator();

    event DepositRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 assets
    );
    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );
    event CancelRedeemRequest(address indexed controller, uint256 indexed requestId, address sender);
    event OperatorSet(address indexed controller, address indexed operator, bool approved);

    address public immutable admin;
    bool public immutable asyncDeposit;
    uint256 public serveAfter; // 0: whoever waits for `admin`
    uint256 public perSecond;
    uint256 public start;
    uint256 public funded;
    uint256 private _waiting; // assets of requests and claims: nobody's shares
    mapping(address => mapping(address => bool)) public isOperator;
    mapping(address => uint256) private _pendingShares;
    mapping(address => uint256) private _claimShares;
    mapping(address => uint256) private _claimAssets;
    mapping(address => uint256) private _calledBack;
    mapping(address => uint256) private _pendingDeposit;
    mapping(address => uint256) private _depositAssets;
    mapping(address => uint256) private _depositShares;
    mapping(address => uint256) private _assetsBack;
    mapping(address => bool) public cancelling;
    mapping(address => uint256) private _lockedUntil;

    constructor(IERC20 asset_, bool asyncDeposit_) ERC20("Async Vault", "async") ERC4626(asset_) {
        (admin, asyncDeposit) = (msg.sender, asyncDeposit_);
    }

    function supportsInterface(bytes4 id) external view returns (bool) {
        if (id == 0xe76cffc7 || id == 0x8bf840e3) return serveAfter == 0 && (asyncDeposit || id == 0xe76cffc7);
        return id == 0x01ffc9a7 || id == 0xe3bc4e65 || id == 0x2f0a18c5 || id == 0x620ee8e4
            || (asyncDeposit && id == 0xce3bbe50);
    }

    function share() external view returns (address) {
        return address(this);
    }

    function totalAssets() public view override returns (uint256) {
        uint256 dripped = perSecond * (block.timestamp - start);
        uint256 toCome = dripped < funded ? funded - dripped : 0;
        return IERC20(asset()).balanceOf(address(this)) - _waiting - toCome;
    }

    function setServeAfter(uint256 after_) external {
        require(msg.sender == admin, "admin");
        serveAfter = after_;
    }

    function drip(uint256 amount, uint256 perSecond_) external {
        require(msg.sender == admin && funded == 0, "admin");
        (perSecond, start, funded) = (perSecond_, block.timestamp, amount);
        SafeERC20.safeTransferFrom(IERC20(asset()), msg.sender, address(this), amount);
    }

    function _locked(address controller) private view returns (bool) {
        return block.timestamp < _lockedUntil[controller];
    }

    function setOperator(address operator, bool approved) external returns (bool) {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
        return true;
    }

    // The way out

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256) {
        if (owner != msg.sender && !isOperator[owner][msg.sender]) _spendAllowance(owner, msg.sender, shares);
        _transfer(owner, address(this), shares);
        _pendingShares[controller] += shares;
        emit RedeemRequest(controller, owner, 0, msg.sender, shares);
        if (serveAfter != 0) {
            _redeemNow(controller);
            _lockedUntil[controller] = block.timestamp + serveAfter;
        }
        return 0;
    }

    function pendingRedeemRequest(uint256, address controller) external view returns (uint256) {
        return _pendingShares[controller] + (_locked(controller) ? _claimShares[controller] : 0);
    }

    function claimableRedeemRequest(uint256, address controller) external view returns (uint256) {
        return maxRedeem(controller);
    }

    function cancelRedeemRequest(uint256 requestId, address controller) external {
        _mine(controller);
        (_calledBack[controller], _pendingShares[controller]) = (_calledBack[controller] + _pendingShares[controller], 0);
        emit CancelRedeemRequest(controller, requestId, msg.sender);
    }

    function pendingCancelRedeemRequest(uint256, address) external pure returns (bool) {
        return false;
    }

    function claimableCancelRedeemRequest(uint256, address controller) external view returns (uint256) {
        return _calledBack[controller];
    }

    function claimCancelRedeemRequest(uint256, address receiver, address controller) external returns (uint256 shares) {
        _mine(controller);
        shares = _calledBack[controller];
        _calledBack[controller] = 0;
        _transfer(address(this), receiver, shares);
    }

    /// What somebody off the chain does some day: a controller's whole request is priced and can be claimed.
    function serveRedeem(address controller) external {
        require(msg.sender == admin, "admin");
        _redeemNow(controller);
    }

    function _redeemNow(address controller) private {
        uint256 shares = _pendingShares[controller];
        uint256 assets = convertToAssets(shares);
        _pendingShares[controller] = 0;
        _burn(address(this), shares);
        _claimShares[controller] += shares;
        _claimAssets[controller] += assets;
        _waiting += assets;
    }

    function maxRedeem(address controller) public view override returns (uint256) {
        return _locked(controller) ? 0 : _claimShares[controller];
    }

    function maxWithdraw(address controller) public view override returns (uint256) {
        return _locked(controller) ? 0 : _claimAssets[controller];
    }

    function redeem(uint256 shares, address receiver, address controller) public override returns (uint256 assets) {
        _ready(controller);
        uint256 all = _claimShares[controller];
        assets = shares == all ? _claimAssets[controller] : _claimAssets[controller] * shares / all;
        _pay(controller, receiver, shares, assets);
    }

    function withdraw(uint256 assets, address receiver, address controller) public override returns (uint256 shares) {
        _ready(controller);
        uint256 all = _claimAssets[controller];
        shares = assets == all
            ? _claimShares[controller]
            : (_claimShares[controller] * assets + all - 1) / all;
        _pay(controller, receiver, shares, assets);
    }

    function _pay(address controller, address receiver, uint256 shares, uint256 assets) private {
        _claimShares[controller] -= shares;
        _claimAssets[controller] -= assets;
        _waiting -= assets;
        SafeERC20.safeTransfer(IERC20(asset()), receiver, assets);
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
    }

    function previewRedeem(uint256) public pure override returns (uint256) {
        revert OnlyAsync();
    }

    function previewWithdraw(uint256) public pure override returns (uint256) {
        revert OnlyAsync();
    }

    // The way in

    function requestDeposit(uint256 assets, address controller, address owner) external returns (uint256) {
        if (!asyncDeposit) revert OnlyAsync();
        if (owner != msg.sender && !isOperator[owner][msg.sender]) revert NotOperator();
        require(assets != 0, "zero");
        require(!cancelling[controller], "cancellation");
        SafeERC20.safeTransferFrom(IERC20(asset()), owner, address(this), assets);
        _waiting += assets;
        _pendingDeposit[controller] += assets;
        emit DepositRequest(controller, owner, 0, msg.sender, assets);
        if (serveAfter != 0) {
            _depositNow(controller);
            _lockedUntil[controller] = block.timestamp + serveAfter;
        }
        return 0;
    }

    function pendingDepositRequest(uint256, address controller) external view returns (uint256) {
        return _pendingDeposit[controller] + (_locked(controller) ? _depositAssets[controller] : 0);
    }

    function claimableDepositRequest(uint256, address controller) external view returns (uint256) {
        return _locked(controller) ? 0 : _depositAssets[controller];
    }

    function cancelDepositRequest(uint256, address controller) external {
        _mine(controller);
        require(_pendingDeposit[controller] > 0, "none");
        require(!cancelling[controller], "cancellation");
        cancelling[controller] = true;
    }

    function pendingCancelDepositRequest(uint256, address controller) external view returns (bool) {
        return cancelling[controller];
    }

    function claimableCancelDepositRequest(uint256, address controller) external view returns (uint256) {
        return _assetsBack[controller];
    }

    function claimCancelDepositRequest(uint256, address receiver, address controller) external returns (uint256 assets) {
        _mine(controller);
        assets = _assetsBack[controller];
        (_assetsBack[controller], _waiting) = (0, _waiting - assets);
        SafeERC20.safeTransfer(IERC20(asset()), receiver, assets);
    }

    /// What somebody off the chain does some day: a controller's deposit request that it called back is returned.
    function serveCancel(address controller) external {
        require(msg.sender == admin && cancelling[controller], "admin");
        (_assetsBack[controller], _pendingDeposit[controller]) =
            (_assetsBack[controller] + _pendingDeposit[controller], 0);
        cancelling[controller] = false;
    }

    function serveDeposit(address controller) external {
        require(msg.sender == admin && _pendingDeposit[controller] > 0, "admin");
        _depositNow(controller);
    }

    function _depositNow(address controller) private {
        cancelling[controller] = false;
        uint256 assets = _pendingDeposit[controller];
        uint256 shares = convertToShares(assets);
        (_pendingDeposit[controller], _waiting) = (0, _waiting - assets);
        _depositAssets[controller] += assets;
        _depositShares[controller] += shares;
        _mint(address(this), shares);
    }

    function maxDeposit(address controller) public view override returns (uint256) {
        if (!asyncDeposit) return type(uint256).max;
        return _locked(controller) ? 0 : _depositAssets[controller];
    }

    function maxMint(address controller) public view override returns (uint256) {
        if (!asyncDeposit) return type(uint256).max;
        return _locked(controller) ? 0 : _depositShares[controller];
    }

    function previewDeposit(uint256 assets) public view override returns (uint256) {
        if (asyncDeposit) revert OnlyAsync();
        return super.previewDeposit(assets);
    }

    function previewMint(uint256 shares) public view override returns (uint256) {
        if (asyncDeposit) revert OnlyAsync();
        return super.previewMint(shares);
    }

    function deposit(uint256 assets, address receiver) public override returns (uint256) {
        if (!asyncDeposit) return super.deposit(assets, receiver);
        return deposit(assets, receiver, msg.sender);
    }

    function deposit(uint256 assets, address receiver, address controller) public returns (uint256 shares) {
        if (!asyncDeposit) revert OnlyAsync();
        _ready(controller);
        shares = _depositShares[controller] * assets / _depositAssets[controller];
        _take(controller, receiver, assets, shares);
    }

    function mint(uint256 shares, address receiver) public override returns (uint256) {
        if (!asyncDeposit) return super.mint(shares, receiver);
        return mint(shares, receiver, msg.sender);
    }

    function mint(uint256 shares, address receiver, address controller) public returns (uint256 assets) {
        if (!asyncDeposit) revert OnlyAsync();
        _ready(controller);
        uint256 all = _depositShares[controller];
        assets = (_depositAssets[controller] * shares + all - 1) / all;
        _take(controller, receiver, assets, shares);
    }

    function _take(address controller, address receiver, uint256 assets, uint256 shares) private {
        _depositAssets[controller] -= assets;
        _depositShares[controller] -= shares;
        _transfer(address(this), receiver, shares);
        emit Deposit(controller, receiver, assets, shares);
    }

    function _ready(address controller) private view {
        _mine(controller);
        require(!_locked(controller), "locked");
    }

    function _mine(address controller) private view {
        if (controller != msg.sender && !isOperator[controller][msg.sender]) revert NotOperator();
    }
}
