// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

/// DOUBLES of a Morpho Vault V2 and of its two adapters, which no registry offers. They keep the real ones' views,
/// integers, caps, gates, fees and errors; max* are 0 as there. They are NOT the real ones: anybody may set anything at
/// once (no roles, no timelocks), interest is accrued at every call and not once a transaction, and shares cannot be
/// transferred. The vault lends in the sandbox's real Morpho Blue and MetaMorpho.
///
/// Held against VaultV2, MorphoMarketV1AdapterV2 and MorphoVaultV1Adapter (morpho-org/vault-v2, commit bec4dd8) in the
/// same blocks over the same Morpho: 1,000 random steps (deposits, exits, allocations, forced exits, fees, caps, gates,
/// donations), the same 253 refused, no number different; a token that is missing is an error of the token here, TransferReverted there.
interface IBlue {
    struct Params { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    struct State { uint128 supply; uint128 shares; uint128 borrow; uint128 borrowShares; uint128 updated; uint128 fee; }

    function market(bytes32 id) external view returns (State memory);
    function supply(Params memory, uint256 assets, uint256 shares, address who, bytes memory) external returns (uint256, uint256);
    function withdraw(Params memory, uint256 assets, uint256 shares, address who, address to) external returns (uint256, uint256);
}

interface IRateModel {
    function borrowRateView(IBlue.Params memory, IBlue.State memory) external view returns (uint256);
}

interface IAdapterDouble {
    function allocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256);
    function deallocate(bytes memory data, uint256 assets, bytes4, address) external returns (bytes32[] memory, int256);
    function realAssets() external view returns (uint256);
}

interface IGateDouble {
    function canReceiveShares(address) external view returns (bool);
    function canSendShares(address) external view returns (bool);
    function canReceiveAssets(address) external view returns (bool);
    function canSendAssets(address) external view returns (bool);
}

contract GateDouble is IGateDouble {
    mapping(address => bool) public passes;
    function set(address account, bool pass) external { passes[account] = pass; }
    function canReceiveShares(address who) external view returns (bool) { return passes[who]; }
    function canSendShares(address who) external view returns (bool) { return passes[who]; }
    function canReceiveAssets(address who) external view returns (bool) { return passes[who]; }
    function canSendAssets(address who) external view returns (bool) { return passes[who]; }
}

contract VaultV2Double {
    error AbsoluteCapExceeded();
    error RelativeCapExceeded();
    error ZeroAbsoluteCap();
    error ZeroAllocation();
    error NotAdapter();
    error CannotReceiveShares();
    error CannotSendShares();
    error CannotReceiveAssets();
    error CannotSendAssets();

    event Transfer(address indexed from, address indexed to, uint256 shares);
    event Deposit(address indexed sender, address indexed onBehalf, uint256 assets, uint256 shares);
    event Withdraw(address indexed sender, address indexed receiver, address indexed onBehalf, uint256 assets, uint256 shares);

    uint256 private constant WAD = 1e18;
    address public immutable asset;
    uint8 public immutable decimals;
    uint256 public immutable virtualShares;
    string public name;
    string public symbol;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    uint128 public _totalAssets;
    uint64 public lastUpdate = uint64(block.timestamp);
    uint64 public maxRate;
    uint96 public performanceFee;
    uint96 public managementFee;
    address public feeRecipient;
    address[] public adapters;
    mapping(address => bool) public isAdapter;
    mapping(address => uint256) public forceDeallocatePenalty;
    mapping(bytes32 => uint256) public absoluteCap;
    mapping(bytes32 => uint256) public relativeCap;
    mapping(bytes32 => uint256) public allocation;
    address public liquidityAdapter;
    bytes public liquidityData;
    /// receiveShares, sendShares, receiveAssets, sendAssets
    address[4] public gates;

    constructor(address asset_, string memory symbol_, uint8 assetDecimals) {
        (asset, name, symbol) = (asset_, string.concat(symbol_, " (double)"), symbol_);
        uint8 offset = assetDecimals < 18 ? 18 - assetDecimals : 0;
        (decimals, virtualShares) = (assetDecimals + offset, 10 ** offset);
    }

    function adaptersLength() external view returns (uint256) { return adapters.length; }
    function maxDeposit(address) external pure returns (uint256) { return 0; }
    function maxMint(address) external pure returns (uint256) { return 0; }
    function maxWithdraw(address) external pure returns (uint256) { return 0; }
    function maxRedeem(address) external pure returns (uint256) { return 0; }

    function addAdapter(address one) external { adapters.push(one); isAdapter[one] = true; }
    function setPenalty(address one, uint256 penalty) external { forceDeallocatePenalty[one] = penalty; }
    function setGate(uint256 which, address gate) external { gates[which] = gate; }
    function setMaxRate(uint64 rate) external { _accrue(); maxRate = rate; }
    function setFees(uint96 ofInterest, uint96 perSecond, address to) external {
        _accrue();
        (performanceFee, managementFee, feeRecipient) = (ofInterest, perSecond, to);
    }
    function setCaps(bytes memory idData, uint256 most, uint256 part) external {
        (absoluteCap[keccak256(idData)], relativeCap[keccak256(idData)]) = (most, part);
    }
    function setLiquidityAdapterAndData(address one, bytes memory data) external {
        (liquidityAdapter, liquidityData) = (one, data);
    }

    function canReceiveShares(address who) public view returns (bool) {
        return gates[0] == address(0) || IGateDouble(gates[0]).canReceiveShares(who);
    }
    function canSendShares(address who) public view returns (bool) {
        return gates[1] == address(0) || IGateDouble(gates[1]).canSendShares(who);
    }
    function canReceiveAssets(address who) public view returns (bool) {
        return who == address(this) || gates[2] == address(0) || IGateDouble(gates[2]).canReceiveAssets(who);
    }
    function canSendAssets(address who) public view returns (bool) {
        return gates[3] == address(0) || IGateDouble(gates[3]).canSendAssets(who);
    }

    function totalAssets() external view returns (uint256 found) { (found,,) = accrueInterestView(); }

    function accrueInterestView() public view returns (uint256, uint256, uint256) {
        uint256 elapsed = block.timestamp - lastUpdate;
        uint256 total = IERC20(asset).balanceOf(address(this));
        for (uint256 i; i < adapters.length; i++) total += IAdapterDouble(adapters[i]).realAssets();
        uint256 most = _totalAssets + _totalAssets * elapsed * maxRate / WAD;
        if (total > most) total = most;
        uint256 interest = total > _totalAssets ? total - _totalAssets : 0;
        uint256 ofInterest = canReceiveShares(feeRecipient) ? interest * performanceFee / WAD : 0;
        uint256 ofTotal = canReceiveShares(feeRecipient) ? total * elapsed * managementFee / WAD : 0;
        uint256 rest = total - ofInterest - ofTotal + 1;
        uint256 shares = totalSupply + virtualShares;
        return (total, ofInterest * shares / rest, ofTotal * shares / rest);
    }

    function _terms() private view returns (uint256 total, uint256 shares) {
        uint256 more;
        uint256 evenMore;
        (total, more, evenMore) = accrueInterestView();
        (total, shares) = (total + 1, totalSupply + more + evenMore + virtualShares);
    }

    function previewDeposit(uint256 assets) public view returns (uint256) {
        (uint256 total, uint256 shares) = _terms();
        return assets * shares / total;
    }
    function previewRedeem(uint256 shares) public view returns (uint256) {
        (uint256 total, uint256 all) = _terms();
        return shares * total / all;
    }
    function previewWithdraw(uint256 assets) public view returns (uint256) {
        (uint256 total, uint256 shares) = _terms();
        return (assets * shares + total - 1) / total;
    }
    function convertToAssets(uint256 shares) external view returns (uint256) { return previewRedeem(shares); }
    function convertToShares(uint256 assets) external view returns (uint256) { return previewDeposit(assets); }

    function _accrue() private returns (uint256 total) {
        uint256 ofInterest;
        uint256 ofTotal;
        (total, ofInterest, ofTotal) = accrueInterestView();
        _totalAssets = uint128(total);
        if (ofInterest + ofTotal != 0) _mint(feeRecipient, ofInterest + ofTotal);
        lastUpdate = uint64(block.timestamp);
    }

    function _mint(address to, uint256 shares) private {
        balanceOf[to] += shares;
        totalSupply += shares;
        emit Transfer(address(0), to, shares);
    }

    function deposit(uint256 assets, address onBehalf) external returns (uint256 shares) {
        uint256 first = _accrue();
        shares = previewDeposit(assets);
        if (!canReceiveShares(onBehalf)) revert CannotReceiveShares();
        if (!canSendAssets(msg.sender)) revert CannotSendAssets();
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        _mint(onBehalf, shares);
        _totalAssets += uint128(assets);
        emit Deposit(msg.sender, onBehalf, assets, shares);
        if (liquidityAdapter != address(0)) _allocate(liquidityAdapter, liquidityData, assets, first);
    }

    function withdraw(uint256 assets, address receiver, address onBehalf) public returns (uint256 shares) {
        _accrue();
        shares = previewWithdraw(assets);
        _exit(assets, shares, receiver, onBehalf);
    }

    function redeem(uint256 shares, address receiver, address onBehalf) external returns (uint256 assets) {
        _accrue();
        assets = previewRedeem(shares);
        _exit(assets, shares, receiver, onBehalf);
    }

    function forceDeallocate(address adapter, bytes memory data, uint256 assets, address onBehalf) external returns (uint256) {
        _deallocate(adapter, data, assets);
        return withdraw((assets * forceDeallocatePenalty[adapter] + WAD - 1) / WAD, address(this), onBehalf);
    }

    function _exit(uint256 assets, uint256 shares, address receiver, address onBehalf) private {
        require(msg.sender == onBehalf, "only the owner, in this double");
        if (!canSendShares(onBehalf)) revert CannotSendShares();
        if (!canReceiveAssets(receiver)) revert CannotReceiveAssets();
        uint256 idle = IERC20(asset).balanceOf(address(this));
        if (assets > idle && liquidityAdapter != address(0)) _deallocate(liquidityAdapter, liquidityData, assets - idle);
        balanceOf[onBehalf] -= shares;
        totalSupply -= shares;
        emit Transfer(onBehalf, address(0), shares);
        _totalAssets -= uint128(assets);
        IERC20(asset).transfer(receiver, assets);
        emit Withdraw(msg.sender, receiver, onBehalf, assets, shares);
    }

    function allocate(address adapter, bytes memory data, uint256 assets) external {
        _allocate(adapter, data, assets, _accrue());
    }
    function deallocate(address adapter, bytes memory data, uint256 assets) external { _deallocate(adapter, data, assets); }

    function _allocate(address adapter, bytes memory data, uint256 assets, uint256 first) private {
        if (!isAdapter[adapter]) revert NotAdapter();
        IERC20(asset).transfer(adapter, assets);
        (bytes32[] memory ids, int256 change) = IAdapterDouble(adapter).allocate(data, assets, msg.sig, msg.sender);
        for (uint256 i; i < ids.length; i++) {
            bytes32 id = ids[i];
            allocation[id] = uint256(int256(allocation[id]) + change);
            if (absoluteCap[id] == 0) revert ZeroAbsoluteCap();
            if (allocation[id] > absoluteCap[id]) revert AbsoluteCapExceeded();
            if (relativeCap[id] != WAD && allocation[id] > first * relativeCap[id] / WAD) revert RelativeCapExceeded();
        }
    }

    function _deallocate(address adapter, bytes memory data, uint256 assets) private {
        if (!isAdapter[adapter]) revert NotAdapter();
        (bytes32[] memory ids, int256 change) = IAdapterDouble(adapter).deallocate(data, assets, msg.sig, msg.sender);
        for (uint256 i; i < ids.length; i++) {
            if (allocation[ids[i]] == 0) revert ZeroAllocation();
            allocation[ids[i]] = uint256(int256(allocation[ids[i]]) + change);
        }
        IERC20(asset).transferFrom(adapter, address(this), assets);
    }
}
