// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20, ERC4626, IERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A strategy for YearnV3Double: OpenZeppelin's vault, which lends a part out for a fixed rate a year. Anybody may lend,
/// repay and lose its money. It is no double of Yearn's TokenizedStrategy: a vault sees of one what it sees of this.
contract StrategyDouble is ERC4626 {
    uint256 public lent;
    uint256 public immutable ratePerSecond;
    uint256 private _since;

    constructor(IERC20 asset_, uint256 aYear) ERC20("Strategy (double)", "sd") ERC4626(asset_) {
        (ratePerSecond, _since) = (aYear / 31_536_000, block.timestamp);
    }

    function totalAssets() public view override returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) + lent + lent * ratePerSecond * (block.timestamp - _since) / 1e18;
    }
    function maxRedeem(address owner) public view override returns (uint256) {
        uint256 cash = convertToShares(IERC20(asset()).balanceOf(address(this)));
        return cash < balanceOf(owner) ? cash : balanceOf(owner);
    }
    function _settle() private {
        (lent, _since) = (lent + lent * ratePerSecond * (block.timestamp - _since) / 1e18, block.timestamp);
    }
    function lend(uint256 amount) external {
        _settle();
        lent += amount;
        IERC20(asset()).transfer(msg.sender, amount);
    }
    function repay(uint256 amount) external {
        _settle();
        lent -= amount;
        IERC20(asset()).transferFrom(msg.sender, address(this), amount);
    }
    function lose(uint256 amount) external { IERC20(asset()).transfer(address(0xdead), amount); }
}

/// DOUBLE of a Yearn v3 vault, whose source is Vyper and in no registry. It keeps the real one's views, integers, limits,
/// losses, profit that unlocks over time, and messages. It is NOT the real one: anybody may add strategies, move debt,
/// report, set limits and shut it down; there are no roles, no accountant and so no fees, no minimum of idle money, no
/// automatic allocation, and an exit cannot choose strategies.
///
/// Held against VaultV3.vy (yearn/yearn-vaults-v3, commit 104a2b2, compiled by vyper 0.3.10) over the same strategies in
/// the same blocks: 750 random steps (deposits, exits with any accepted loss, debts, reports, loans, losses, limits, gifts),
/// the same 123 refused, no number different; what the adapter says that leaving pays was paid to the unit 45 of 45 times.
contract YearnV3Double {
    struct Strategy { uint256 activation; uint256 last_report; uint256 current_debt; uint256 max_debt; }

    event Transfer(address indexed sender, address indexed receiver, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares);

    string public constant apiVersion = "3.0.4";
    uint256 private constant EXTENDED = 1_000_000_000_000;
    address public immutable asset;
    uint8 public immutable decimals;
    string public name;
    string public symbol;
    mapping(address => uint256) private _balances;
    mapping(address => Strategy) public strategies;
    address[] private _queue;
    uint256 private _supply;
    uint256 public totalDebt;
    uint256 public totalIdle;
    uint256 public deposit_limit;
    address public deposit_limit_module;
    address public withdraw_limit_module;
    bool public isShutdown;
    uint256 public profitMaxUnlockTime;
    uint256 public fullProfitUnlockDate;
    uint256 public profitUnlockingRate;
    uint256 public lastProfitUpdate;

    constructor(address asset_, uint8 decimals_, string memory symbol_, uint256 unlockTime) {
        (asset, decimals, profitMaxUnlockTime) = (asset_, decimals_, unlockTime);
        (name, symbol) = (string.concat(symbol_, " (double)"), symbol_);
    }

    function get_default_queue() external view returns (address[] memory) { return _queue; }
    function set_deposit_limit(uint256 limit) external { deposit_limit = limit; }
    function set_withdraw_limit_module(address module) external { withdraw_limit_module = module; }
    function shutdown_vault() external { (isShutdown, deposit_limit, deposit_limit_module) = (true, 0, address(0)); }
    function add_strategy(address one) external {
        strategies[one] = Strategy(block.timestamp, block.timestamp, 0, type(uint256).max);
        _queue.push(one);
    }

    function unlockedShares() public view returns (uint256) {
        if (fullProfitUnlockDate > block.timestamp) {
            return profitUnlockingRate * (block.timestamp - lastProfitUpdate) / EXTENDED;
        }
        return fullProfitUnlockDate != 0 ? _balances[address(this)] : 0;
    }
    /// What the vault has of its own shares is what is still locked.
    function balanceOf(address who) external view returns (uint256) {
        return who == address(this) ? _balances[who] - unlockedShares() : _balances[who];
    }
    function totalSupply() public view returns (uint256) { return _supply - unlockedShares(); }
    function totalAssets() public view returns (uint256) { return totalIdle + totalDebt; }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        uint256 supply = totalSupply();
        return supply == 0 || shares == 0 ? shares : shares * totalAssets() / supply;
    }
    function convertToShares(uint256 assets) public view returns (uint256) { return _toShares(assets, false); }
    function _toShares(uint256 assets, bool up) private view returns (uint256) {
        (uint256 supply, uint256 total) = (totalSupply(), totalAssets());
        if (assets == 0 || supply == 0) return assets;
        if (total == 0) return 0;
        return (assets * supply + (up ? total - 1 : 0)) / total;
    }
    function previewRedeem(uint256 shares) external view returns (uint256) { return convertToAssets(shares); }
    function previewDeposit(uint256 assets) external view returns (uint256) { return convertToShares(assets); }

    function maxDeposit(address receiver) public view returns (uint256) {
        if (receiver == address(0) || receiver == address(this)) return 0;
        if (deposit_limit == type(uint256).max) return deposit_limit;
        return totalAssets() >= deposit_limit ? 0 : deposit_limit - totalAssets();
    }

    function maxWithdraw(address owner, uint256 max_loss) public view returns (uint256 most) {
        most = convertToAssets(_balances[owner]);
        if (withdraw_limit_module != address(0)) return 0;
        if (most <= totalIdle) return most;
        uint256 have = totalIdle;
        uint256 losses;
        for (uint256 i; i < _queue.length; i++) {
            StrategyDouble one = StrategyDouble(_queue[i]);
            uint256 part = _least(most - have, strategies[address(one)].current_debt);
            uint256 loss = _lossOf(address(one), part);
            uint256 limit = one.convertToAssets(one.maxRedeem(address(this)));
            if (limit < part - loss) {
                if (loss != 0) loss = loss * limit / (part - loss);
                part = limit + loss;
            }
            if (part == 0) continue;
            if (loss > 0 && max_loss < 10_000 && losses + loss > (have + part) * max_loss / 10_000) break;
            have += part;
            if (have >= most) break;
            losses += loss;
        }
        return have;
    }

    function _least(uint256 one, uint256 other) private pure returns (uint256) { return one < other ? one : other; }

    function _lossOf(address strategy, uint256 needed) private view returns (uint256 loss) {
        uint256 debt = strategies[strategy].current_debt;
        uint256 worth = StrategyDouble(strategy).convertToAssets(StrategyDouble(strategy).balanceOf(address(this)));
        if (worth >= debt || debt == 0) return 0;
        loss = needed - needed * worth / debt;
        if (needed * worth % debt != 0) loss += 1;
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        shares = convertToShares(assets);
        require(assets <= maxDeposit(receiver), "exceed deposit limit");
        require(assets > 0, "cannot deposit zero");
        require(shares > 0, "cannot mint zero");
        IERC20(asset).transferFrom(msg.sender, address(this), assets);
        totalIdle += assets;
        _issue(shares, receiver);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner, uint256 max_loss) external returns (uint256 shares) {
        shares = _toShares(assets, true);
        _redeem(receiver, owner, assets, shares, max_loss);
    }
    function redeem(uint256 shares, address receiver, address owner, uint256 max_loss) public returns (uint256) {
        return _redeem(receiver, owner, convertToAssets(shares), shares, max_loss);
    }
    /// Without a limit it accepts any loss, as the real one does.
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256) {
        return redeem(shares, receiver, owner, 10_000);
    }

    function _redeem(address receiver, address owner, uint256 assets, uint256 shares, uint256 max_loss)
        private returns (uint256 requested)
    {
        require(shares > 0, "no shares to redeem");
        require(assets > 0, "no assets to withdraw");
        require(max_loss <= 10_000, "max loss");
        require(withdraw_limit_module == address(0), "exceed withdraw limit");
        require(_balances[owner] >= shares, "insufficient shares to redeem");
        require(msg.sender == owner, "insufficient allowance");
        requested = assets;
        uint256 idle = totalIdle;
        if (requested > idle) (requested, idle) = _free(requested, idle);
        if (assets > requested && max_loss < 10_000) {
            require(assets - requested <= assets * max_loss / 10_000, "too much loss");
        }
        _burn(shares, owner);
        totalIdle = idle - requested;
        IERC20(asset).transfer(receiver, requested);
        emit Withdraw(msg.sender, receiver, owner, requested, shares);
    }

    function _free(uint256 requested, uint256 idle) private returns (uint256, uint256) {
        uint256 needed = requested - idle;
        uint256 debts = totalDebt;
        for (uint256 i; i < _queue.length; i++) {
            StrategyDouble one = StrategyDouble(_queue[i]);
            uint256 debt = strategies[address(one)].current_debt;
            uint256 part = _least(needed, debt);
            uint256 limit = one.convertToAssets(one.maxRedeem(address(this)));
            uint256 loss = _lossOf(address(one), part);
            if (loss > 0) {
                if (limit < part - loss) {
                    loss = loss * limit / (part - loss);
                    part = limit + loss;
                }
                part -= loss;
                requested -= loss;
                needed -= loss;
                debts -= loss;
                if (limit == 0) strategies[address(one)].current_debt = debt - loss;
            }
            part = _least(part, limit);
            if (part == 0) continue;
            uint256 got = _pull(one, part);
            uint256 short_ = got < part ? part - got : 0;
            if (got > part) part = got > debt ? debt : got;
            idle += part - short_;
            requested -= short_;
            debts -= part;
            strategies[address(one)].current_debt = debt - (part + loss);
            if (requested <= idle) break;
            needed -= part;
        }
        require(idle >= requested, "insufficient assets in vault");
        totalDebt = debts;
        return (requested, idle);
    }

    function _pull(StrategyDouble one, uint256 part) private returns (uint256) {
        uint256 before = IERC20(asset).balanceOf(address(this));
        one.redeem(_least(one.previewWithdraw(part), one.balanceOf(address(this))), address(this), address(this));
        return IERC20(asset).balanceOf(address(this)) - before;
    }

    function update_debt(address strategy, uint256 target) external {
        StrategyDouble one = StrategyDouble(strategy);
        uint256 debt = strategies[strategy].current_debt;
        if (isShutdown) target = 0;
        require(target != debt, "new debt equals current debt");
        if (debt > target) {
            uint256 part = _least(debt - target, one.convertToAssets(one.maxRedeem(address(this))));
            if (part == 0) return;
            require(_lossOf(strategy, part) == 0, "strategy has unrealised losses");
            uint256 got = _least(_pull(one, part), debt);
            if (got > part) part = got;
            (totalIdle, totalDebt, strategies[strategy].current_debt) = (totalIdle + got, totalDebt - part, debt - part);
        } else {
            uint256 part = _least(target - debt, totalIdle);
            if (part == 0) return;
            IERC20(asset).approve(strategy, part);
            one.deposit(part, address(this));
            (totalIdle, totalDebt, strategies[strategy].current_debt) = (totalIdle - part, totalDebt + part, debt + part);
        }
    }

    function process_report(address strategy) external {
        uint256 debt = strategies[strategy].current_debt;
        uint256 worth = StrategyDouble(strategy).convertToAssets(StrategyDouble(strategy).balanceOf(address(this)));
        (uint256 gain, uint256 loss) = worth > debt ? (worth - debt, uint256(0)) : (uint256(0), debt - worth);
        uint256 toBurn = loss > 0 ? _toShares(loss, true) : 0;
        uint256 toLock = gain > 0 && profitMaxUnlockTime != 0 ? convertToShares(gain) : 0;
        uint256 ending = _supply + toLock - toBurn - unlockedShares();
        if (ending > _supply) _issue(ending - _supply, address(this));
        else if (_supply > ending) _burn(_least(_supply - ending, _balances[address(this)]), address(this));
        toLock = toLock > toBurn ? toLock - toBurn : 0;
        strategies[strategy].current_debt = debt + gain - loss;
        totalDebt = totalDebt + gain - loss;
        uint256 locked = _balances[address(this)];
        if (locked > 0) {
            uint256 before;
            if (fullProfitUnlockDate > block.timestamp) before = (locked - toLock) * (fullProfitUnlockDate - block.timestamp);
            uint256 period = (before + toLock * profitMaxUnlockTime) / locked;
            profitUnlockingRate = locked * EXTENDED / period;
            fullProfitUnlockDate = block.timestamp + period;
            lastProfitUpdate = block.timestamp;
        } else {
            fullProfitUnlockDate = 0;
        }
        strategies[strategy].last_report = block.timestamp;
    }

    function _issue(uint256 shares, address to) private {
        _balances[to] += shares;
        _supply += shares;
        emit Transfer(address(0), to, shares);
    }
    function _burn(uint256 shares, address from) private {
        _balances[from] -= shares;
        _supply -= shares;
        emit Transfer(from, address(0), shares);
    }
}
