// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

/// DOUBLE of Euler Earn, a vault over credit vaults, with its published interface; no registry has the real one. It keeps
/// the real one's integers and order: queues, caps, fee shares, losses that are not realised. It is NOT the real one:
/// anybody may set its queues, caps and fee, at once.
///
/// Held against euler-xyz/euler-earn (b2fd6e6) in the same blocks, both over doubles of three credit vaults: 591 random
/// steps (deposits, withdrawals, loans, caps, fees; 6 and 18 decimals), the same 43 refused, no number different.
contract EulerEarnDouble {
    error AllCapsReached();
    error NotEnoughLiquidity();
    error ZeroShares();

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    struct Config {
        uint112 balance;
        uint136 cap;
        bool enabled;
        uint64 removableAt;
    }

    uint256 private constant VIRTUAL = 1e6;
    address public immutable asset;
    string public symbol;
    uint8 public immutable decimals;
    address public immutable EVC = address(this);
    address public owner = msg.sender;
    address public feeRecipient;
    uint96 public fee;
    uint256 public lastTotalAssets;
    uint256 public lostAssets;
    uint256 public totalSupply;
    IERC4626[] public supplyQueue;
    IERC4626[] public withdrawQueue;
    mapping(address => uint256) public balanceOf;
    mapping(IERC4626 => Config) public config;

    constructor(address asset_, string memory symbol_, uint8 decimals_, address recipient) {
        (asset, symbol, decimals, feeRecipient) = (asset_, symbol_, decimals_, recipient);
    }

    function setCap(IERC4626 id, uint136 cap) external {
        Config storage c = config[id];
        if (cap > 0) {
            IERC20(asset).approve(address(id), type(uint256).max);
            if (!c.enabled) {
                withdrawQueue.push(id);
                (c.enabled, c.balance) = (true, uint112(id.balanceOf(address(this))));
                lastTotalAssets += expectedSupplyAssets(id);
            }
        }
        c.cap = cap;
    }

    function setSupplyQueue(IERC4626[] calldata queue) external { supplyQueue = queue; }

    function setFee(uint96 fee_) external {
        _accrue();
        fee = fee_;
    }

    function expectedSupplyAssets(IERC4626 id) public view returns (uint256) {
        return id.previewRedeem(config[id].balance);
    }

    function maxWithdrawFromStrategy(IERC4626 id) public view returns (uint256) {
        return _least(id.maxWithdraw(address(this)), expectedSupplyAssets(id));
    }

    function totalAssets() public view returns (uint256 total) { (, total,) = _accrued(); }

    function maxDeposit(address) external view returns (uint256 most) {
        for (uint256 i; i < supplyQueue.length; ++i) most += _room(supplyQueue[i]);
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        (uint256 more, uint256 total,) = _accrued();
        return shares * (total + VIRTUAL) / (totalSupply + more + VIRTUAL);
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        _accrue();
        shares = assets * (totalSupply + VIRTUAL) / (lastTotalAssets + VIRTUAL);
        if (shares == 0) revert ZeroShares();
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        _mint(receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
        uint256 left = assets;
        for (uint256 i; i < supplyQueue.length && left != 0; ++i) {
            IERC4626 id = supplyQueue[i];
            if (config[id].cap == 0) continue;
            uint256 part = _least(_room(id), left);
            if (part == 0) continue;
            try id.deposit(part, address(this)) returns (uint256 made) {
                config[id].balance += uint112(made);
                left -= part;
            } catch {}
        }
        if (left != 0) revert AllCapsReached();
        lastTotalAssets += assets;
    }

    function withdraw(uint256 assets, address receiver, address holder) external returns (uint256 shares) {
        _accrue();
        uint256 whole = lastTotalAssets + VIRTUAL;
        shares = (assets * (totalSupply + VIRTUAL) + whole - 1) / whole;
        _withdraw(assets, shares, receiver, holder);
    }

    function redeem(uint256 shares, address receiver, address holder) external returns (uint256 assets) {
        _accrue();
        assets = shares * (lastTotalAssets + VIRTUAL) / (totalSupply + VIRTUAL);
        _withdraw(assets, shares, receiver, holder);
    }

    function _withdraw(uint256 assets, uint256 shares, address receiver, address holder) private {
        lastTotalAssets = lastTotalAssets > assets ? lastTotalAssets - assets : 0;
        uint256 left = assets;
        for (uint256 i; i < withdrawQueue.length && left != 0; ++i) {
            IERC4626 id = withdrawQueue[i];
            uint256 part = _least(maxWithdrawFromStrategy(id), left);
            if (part == 0) continue;
            try id.withdraw(part, address(this), address(this)) returns (uint256 gone) {
                config[id].balance -= uint112(gone);
                left -= part;
            } catch {}
        }
        if (left != 0) revert NotEnoughLiquidity();
        require(holder == msg.sender, "not the holder");
        balanceOf[holder] -= shares;
        totalSupply -= shares;
        emit Transfer(holder, address(0), shares);
        IERC20(asset).transfer(receiver, assets);
        emit Withdraw(msg.sender, receiver, holder, assets, shares);
    }

    function _room(IERC4626 id) private view returns (uint256) {
        uint256 held = expectedSupplyAssets(id);
        return config[id].cap > held ? _least(config[id].cap - held, id.maxDeposit(address(this))) : 0;
    }

    function _accrued() private view returns (uint256 more, uint256 total, uint256 lost) {
        for (uint256 i; i < withdrawQueue.length; ++i) total += expectedSupplyAssets(withdrawQueue[i]);
        lost = total < lastTotalAssets - lostAssets ? lastTotalAssets - total : lostAssets;
        total += lost;
        uint256 charged = (total - lastTotalAssets) * fee / 1e18;
        more = charged * (totalSupply + VIRTUAL) / (total - charged + VIRTUAL);
    }

    function _accrue() private {
        uint256 more;
        (more, lastTotalAssets, lostAssets) = _accrued();
        if (more != 0) _mint(feeRecipient, more);
    }

    function _mint(address to, uint256 shares) private {
        balanceOf[to] += shares;
        totalSupply += shares;
        emit Transfer(address(0), to, shares);
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) { return a < b ? a : b; }
}
