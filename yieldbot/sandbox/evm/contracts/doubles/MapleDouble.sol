// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// DOUBLES of a Maple pool: the pool, its manager with permissions, the manager of withdrawals that serves requests in
/// turn, and an open-term loan manager whose interest accrues by the second. The real ones' interfaces, integers and
/// messages; NOT their rights: anybody may set the cap, permit, serve the queue, lend, and write a loan off.
/// docs/protocols.md says what they were held against.

contract MapleLoansDouble {
    uint256 public issuanceRate;
    uint256 public domainStart;
    uint256 public accountedInterest;
    uint256 public principalOut;
    uint256 public unrealizedLosses;

    function accruedInterest() public view returns (uint256) {
        return issuanceRate == 0 ? 0 : issuanceRate * (block.timestamp - domainStart) / 1e27;
    }
    function assetsUnderManagement() external view returns (uint256) {
        return principalOut + accountedInterest + accruedInterest();
    }
    /// Lend what the pool has sent here, at a rate in base units a second (scaled by 1e27).
    function lend(uint256 principal, uint256 rate) external {
        accountedInterest += accruedInterest();
        (domainStart, issuanceRate, principalOut) = (block.timestamp, rate, principalOut + principal);
    }
    function impair(uint256 losses) external { unrealizedLosses = losses; }
    /// What a payment, an impairment, its removal or a default changes: each sum by so much, and never below zero.
    function account(int256 principal, int256 interest, int256 rate, int256 losses) external {
        accountedInterest = _plus(accountedInterest + accruedInterest(), interest);
        (domainStart, issuanceRate) = (block.timestamp, _plus(issuanceRate, rate));
        (principalOut, unrealizedLosses) = (_plus(principalOut, principal), _plus(unrealizedLosses, losses));
    }
    function _plus(uint256 sum, int256 change) private pure returns (uint256) {
        int256 next = int256(sum) + change;
        return next > 0 ? uint256(next) : 0;
    }
}

contract MapleManagerDouble {
    MaplePoolDouble public pool;
    MapleQueueDouble public withdrawalManager;
    MapleLoansDouble[] public strategyList;
    uint256 public liquidityCap;
    bool public active = true;
    mapping(address => bool) public barred;

    function set(MaplePoolDouble pool_, MapleQueueDouble queue, uint256 cap) external {
        (pool, withdrawalManager, liquidityCap) = (pool_, queue, cap);
    }
    function setActive(bool on) external { active = on; }
    function bar(address lender, bool is_) external { barred[lender] = is_; }
    function add(MapleLoansDouble loans) external { strategyList.push(loans); }
    function strategyListLength() external view returns (uint256) { return strategyList.length; }

    function totalAssets() public view returns (uint256 sum) {
        sum = pool.token().balanceOf(address(pool));
        for (uint256 i; i < strategyList.length; ++i) sum += strategyList[i].assetsUnderManagement();
    }
    function unrealizedLosses() external view returns (uint256 sum) {
        for (uint256 i; i < strategyList.length; ++i) sum += strategyList[i].unrealizedLosses();
        if (sum > totalAssets()) sum = totalAssets();
    }
    function canCall(bytes32 what, address, bytes calldata data) external view returns (bool, string memory) {
        (uint256 assets, address lender) = abi.decode(data, (uint256, address));
        if (what == "P:redeem") (,, lender) = abi.decode(data, (uint256, address, address));
        if (barred[lender]) return (false, "PM:CC:NOT_ALLOWED");
        if (what != "P:deposit") return (true, "");
        if (!active) return (false, "P:NOT_ACTIVE");
        if (assets + totalAssets() > liquidityCap) return (false, "P:DEPOSIT_GT_LIQ_CAP");
        return (true, "");
    }
}

contract MapleQueueDouble {
    struct Queue { uint128 nextRequestId; uint128 lastRequestId; }
    struct Request { address owner; uint256 shares; }

    MaplePoolDouble private immutable _pool;
    Queue public queue = Queue(1, 0);
    uint256 public totalShares;
    mapping(uint128 => Request) public requests;
    mapping(address => uint128) public requestIds;
    mapping(address => bool) public isManualWithdrawal;
    mapping(address => uint256) public manualSharesAvailable;

    constructor(MaplePoolDouble pool) { _pool = pool; }

    modifier ofPool() {
        require(msg.sender == address(_pool), "WM:NOT_PM");
        _;
    }

    function setManualWithdrawal(address owner, bool on) external {
        require(requestIds[owner] == 0, "WM:SMW:IN_QUEUE");
        isManualWithdrawal[owner] = on;
    }
    function addShares(uint256 shares, address owner) external ofPool {
        require(shares > 0, "WM:AS:ZERO_SHARES");
        require(requestIds[owner] == 0, "WM:AS:IN_QUEUE");
        uint128 id = ++queue.lastRequestId;
        (requests[id], requestIds[owner], totalShares) = (Request(owner, shares), id, totalShares + shares);
    }
    function removeShares(uint256 shares, address owner) external ofPool {
        uint128 id = requestIds[owner];
        require(shares > 0, "WM:RS:ZERO_SHARES");
        require(id > 0, "WM:RS:NOT_IN_QUEUE");
        require(shares <= requests[id].shares, "WM:RS:INSUFFICIENT_SHARES");
        totalShares -= shares;
        _less(id, owner, shares);
        _pool.transfer(owner, shares);
    }
    function processRedemptions(uint256 most) external {
        require(most > 0, "WM:PR:ZERO_SHARES");
        (uint256 fits,) = _payable(most);
        require(fits == most, "WM:PR:LOW_LIQUIDITY");
        uint128 next = queue.nextRequestId;
        for (; most > 0 && next <= queue.lastRequestId; ++next) {
            Request memory one = requests[next];
            if (one.owner == address(0)) continue;
            (uint256 done,) = _payable(one.shares < most ? one.shares : most);
            _less(next, one.owner, done);
            if (isManualWithdrawal[one.owner]) {
                manualSharesAvailable[one.owner] += done;
            } else {
                totalShares -= done;
                _pool.redeem(done, one.owner, address(this));
            }
            if (done < one.shares) break;
            most -= done;
        }
        queue.nextRequestId = next;
    }
    function processExit(uint256 shares, address owner) external ofPool returns (uint256 taken, uint256 assets) {
        if (owner == address(this)) return _payable(shares);
        require(shares > 0, "WM:PE:NO_SHARES");
        require(shares <= manualSharesAvailable[owner], "WM:PE:TOO_MANY_SHARES");
        (taken, assets) = _payable(shares);
        require(shares == taken, "WM:PE:NOT_ENOUGH_LIQUIDITY");
        manualSharesAvailable[owner] -= taken;
        totalShares -= taken;
        _pool.transfer(owner, taken);
    }
    function _less(uint128 id, address owner, uint256 shares) private {
        requests[id].shares -= shares;
        if (requests[id].shares == 0) {
            delete requests[id];
            delete requestIds[owner];
        }
    }
    function _payable(uint256 shares) private view returns (uint256 taken, uint256 assets) {
        (uint256 whole, uint256 supply) = (_pool.exitTotal(), _pool.totalSupply());
        (uint256 here, uint256 due) = (_pool.token().balanceOf(address(_pool)), whole * shares / supply);
        taken = here < due ? shares * here / due : shares;
        assets = whole * taken / supply;
    }
}

contract MaplePoolDouble is ERC20 {
    ERC20 public immutable token;
    MapleManagerDouble public immutable manager;

    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    constructor(ERC20 token_, MapleManagerDouble manager_) ERC20("Syrup", "syrup") {
        (token, manager) = (token_, manager_);
    }

    function decimals() public view override returns (uint8) { return token.decimals(); }
    function asset() external view returns (address) { return address(token); }
    function totalAssets() public view returns (uint256) { return manager.totalAssets(); }
    function unrealizedLosses() public view returns (uint256) { return manager.unrealizedLosses(); }
    function exitTotal() public view returns (uint256) { return totalAssets() - unrealizedLosses(); }
    function convertToAssets(uint256 shares) external view returns (uint256) {
        return totalSupply() == 0 ? shares : shares * totalAssets() / totalSupply();
    }
    function convertToExitAssets(uint256 shares) external view returns (uint256) {
        return totalSupply() == 0 ? shares : shares * exitTotal() / totalSupply();
    }

    modifier may(bytes32 what) {
        (bool allowed, string memory why) = manager.canCall(what, msg.sender, msg.data[4:]);
        require(allowed, why);
        _;
    }

    function deposit(uint256 assets, address to) external may("P:deposit") returns (uint256 shares) {
        shares = totalSupply() == 0 ? assets : assets * totalSupply() / totalAssets();
        require(shares != 0, "P:M:ZERO_SHARES");
        _mint(to, shares);
        emit Deposit(msg.sender, to, assets, shares);
        token.transferFrom(msg.sender, address(this), assets);
    }
    function requestRedeem(uint256 shares, address owner) external may("P:requestRedeem") returns (uint256) {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        _transfer(owner, address(manager.withdrawalManager()), shares);
        manager.withdrawalManager().addShares(shares, owner);
        return shares;
    }
    function removeShares(uint256 shares, address owner) external may("P:removeShares") returns (uint256) {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        manager.withdrawalManager().removeShares(shares, owner);
        return shares;
    }
    function redeem(uint256 shares, address to, address owner) external may("P:redeem") returns (uint256 assets) {
        require(owner == msg.sender || allowance(owner, msg.sender) > 0, "PM:PR:NO_ALLOWANCE");
        (shares, assets) = manager.withdrawalManager().processExit(shares, owner);
        if (owner != msg.sender) _spendAllowance(owner, msg.sender, shares);
        _burn(owner, shares);
        emit Withdraw(msg.sender, to, owner, assets, shares);
        token.transfer(to, assets);
    }
    /// Send money of the pool to where it is lent.
    function fund(MapleLoansDouble loans, uint256 amount, uint256 rate) external {
        token.transfer(address(loans), amount);
        loans.lend(amount, rate);
    }
}
