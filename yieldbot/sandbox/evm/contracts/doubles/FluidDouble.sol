// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// DOUBLES of Fluid's Liquidity layer for one mode of use (supply and debt that bear interest), of an fToken, and of its
/// rewards. No registry has the real ones. Words lie in the same storage slots with the same bits, and integers are the
/// real ones': exchange prices, ratios, rates in whole basis points that are written only past a threshold or a day,
/// amounts of 56 bits and an exponent, the withdrawal limit that grows and what decays of a deposit. They are NOT the
/// real ones: anybody may borrow without collateral or limit, and change every setting.
///
/// Held against Instadapp/fluid-contracts-public (a9949b4) in the same blocks: 1,184 random steps (deposits, withdrawals,
/// loans, repayments, rewards; 6 and 18 decimals, rate models of both versions), the same 125 refused, no word of storage
/// and no view different.
contract FluidLiquidityDouble {
    error FluidLiquidityError(uint256 errorId_);

    uint256 private constant PRICE = 1e12;
    uint256 private constant X14 = 0x3fff;
    uint256 private constant X15 = 0x7fff;
    uint256 private constant X16 = 0xffff;
    uint256 private constant X33 = 0x1ffffffff;
    uint256 private constant X64 = type(uint64).max;

    address internal revenueCollector;
    uint256 internal status = 1;
    uint256[3] internal unused;
    mapping(address => uint256) internal _prices; // slot 5
    mapping(address => uint256) internal _rates; // slot 6
    mapping(address => uint256) internal _totals; // slot 7
    mapping(address => mapping(address => uint256)) internal _supplies; // slot 8

    function readFromStorage(bytes32 slot) external view returns (uint256 word) {
        assembly {
            word := sload(slot)
        }
    }

    /// A rate model's word: version 1 with one kink, 2 with two; before setToken.
    function setRates(address token, uint256 word) external { _rates[token] = word; }

    function setToken(address token, uint256 fee, uint256 threshold) external {
        _prices[token] = _rate(_rates[token], 0) | fee << 16 | threshold << 44 | block.timestamp << 58 | PRICE << 91
            | PRICE << 155;
    }

    /// base: the supply below which all may leave, as a number of 10 bits and an exponent of 8.
    function setSupplyConfig(address user, address token, uint256 percent, uint256 duration, uint256 base) external {
        uint256 kept = _supplies[user][token] & (((1 << 161) - 1) << 1 | 1);
        _supplies[user][token] = kept | 1 | percent << 162 | duration << 176 | _big(base, 10, false) << 200;
    }

    function setPaused(address user, address token, bool paused) external {
        uint256 word = _supplies[user][token] & ~(uint256(1) << 255);
        _supplies[user][token] = word | (paused ? uint256(1) << 255 : 0);
    }

    function pricesOf(address token) public view returns (uint256 supply, uint256 borrow) {
        uint256 word = _prices[token];
        (supply, borrow) = (word >> 91 & X64, word >> 155 & X64);
        uint256 elapsed = block.timestamp - (word >> 58 & X33);
        uint256 debt = word >> 234 & X15;
        uint256 free = word >> 219 & X15;
        if (elapsed == 0 || word & X16 == 0 || debt == 1) return (supply, borrow);
        borrow += borrow * (word & X16) * elapsed / (365 days * 1e4);
        if (free == 1) return (supply, borrow);
        uint256 used = word >> 30 & X14;
        if (free & 1 == 1) free = used * (1e27 + 1e27 * 1e4 / (free >> 1)) / 1e4;
        else free = 1e27 * used * (1e4 + (free >> 1)) / 1e8;
        uint256 part = debt >> 1;
        debt = debt & 1 == 1 ? part * 1e27 / (1e4 + part) : 1e27 - part * 1e27 / (1e4 + part);
        uint256 rate = (word & X16) * (1e4 * free * debt / 1e54) * (1e4 - (word >> 16 & X14));
        supply += supply * rate * elapsed / (365 days * 1e12);
    }

    /// Supply (amount above 0), whose tokens the caller has sent, or withdrawal of the caller to `to`.
    function operate(address token, int256 amount, address to) external returns (uint256, uint256) {
        if (amount == 0) revert FluidLiquidityError(11005);
        (uint256 supply, uint256 borrow) = pricesOf(token);
        int256 raw = _supplyOrWithdraw(token, amount, supply);
        uint256 word = _totals[token];
        uint256 all = _small(word & X64);
        if (raw > 0) {
            _within(uint256(raw), all * 10_000);
            all += uint256(raw);
        } else {
            _within(uint256(-raw), all / 2);
            all = all > uint256(-raw) ? all - uint256(-raw) : 0;
        }
        _write(token, word & ~X64 | _big(all, 56, false), New(all, _small(word >> 128 & X64), supply, borrow, false));
        if (amount < 0) IERC20(token).transfer(to, uint256(-amount));
        return (supply, borrow);
    }

    /// Borrows (amount above 0) or pays back for whoever calls.
    function lend(address token, int256 amount) external {
        if (amount < 0) IERC20(token).transferFrom(msg.sender, address(this), uint256(-amount));
        (uint256 supply, uint256 borrow) = pricesOf(token);
        uint256 word = _totals[token];
        uint256 all = _small(word >> 128 & X64);
        if (amount > 0) {
            uint256 raw = (uint256(amount) * PRICE + borrow - 1) / borrow;
            all += raw;
        } else {
            uint256 raw = uint256(-amount) * PRICE / borrow;
            all = all > raw ? all - raw : 0;
        }
        word = word & ~(X64 << 128) | _big(all, 56, true) << 128;
        _write(token, word, New(_small(word & X64), all, supply, borrow, amount > 0));
        if (amount > 0) IERC20(token).transfer(msg.sender, uint256(amount));
    }

    function _within(uint256 raw, uint256 most) private pure {
        if (raw > 2 ** 80 && raw > most) revert FluidLiquidityError(11017);
    }

    struct New {
        uint256 all;
        uint256 debt;
        uint256 supply;
        uint256 borrow;
        bool more;
    }

    function _write(address token, uint256 totals, New memory n) private {
        if (totals == _totals[token]) revert FluidLiquidityError(11007);
        _totals[token] = totals;
        uint256 word = _prices[token];
        uint256 used = n.all * n.supply / PRICE;
        used = used == 0 ? 0 : n.debt * n.borrow / PRICE * 1e4 / used;
        if (n.more && used > 1e4) revert FluidLiquidityError(11011);
        uint256 before = word >> 30 & X14;
        bool old = block.timestamp > (word >> 58 & X33) + 1 days;
        if (!old && (used > before ? used - before : before - used) <= (word >> 44 & X14)) return;
        _prices[token] = word & (X14 << 16 | X14 << 44) | _rate(_rates[token], used) | used << 30
            | block.timestamp << 58 | n.supply << 91 | n.borrow << 155;
    }

    function _rate(uint256 word, uint256 used) private pure returns (uint256) {
        uint256 kink = word >> 20 & X16;
        uint256[4] memory line = [0, word >> 4 & X16, kink, word >> 36 & X16];
        if (used >= kink) {
            if (word & 15 == 1) {
                line = [kink, word >> 36 & X16, 1e4, word >> 52 & X16];
            } else {
                uint256 second = word >> 52 & X16;
                line = used < second
                    ? [kink, word >> 36 & X16, second, word >> 68 & X16]
                    : [second, word >> 68 & X16, 1e4, word >> 84 & X16];
            }
        }
        int256 slope = (int256(line[3]) - int256(line[1])) * 1e12 / int256(line[2] - line[0]);
        int256 rate = slope * int256(used) + int256(line[1] * 1e12) - slope * int256(line[0]);
        return uint256(rate) / 1e12 > X16 ? X16 : uint256(rate) / 1e12;
    }

    struct User {
        uint256 word;
        uint256 mine;
        uint256 decay;
        uint256 points;
        uint256 limit;
        uint256 next;
    }

    function _supplyOrWithdraw(address token, int256 amount, uint256 price) private returns (int256 raw) {
        User memory u;
        u.word = _supplies[msg.sender][token];
        if (u.word == 0) revert FluidLiquidityError(11001);
        if (u.word >> 255 == 1) revert FluidLiquidityError(11002);
        u.mine = _small(u.word >> 1 & X64);
        (u.decay, u.points) = (_small(u.word >> 218 & 0x3ffffff), u.word >> 244 & 0x3ff);
        if (u.decay > 0) {
            uint256 passed = block.timestamp * 10 / 36 - (u.word >> 129 & X33) * 10 / 36;
            if (passed < u.points) (u.decay, u.points) = (u.decay - u.decay * passed / u.points, u.points - passed);
            else (u.decay, u.points) = (0, 0);
        }
        u.limit = _limit(u.word, u.mine);
        bool pushed = amount < 0 && u.decay > 0;
        if (amount > 0) {
            raw = int256(uint256(amount) * PRICE / price);
            u.mine += uint256(raw);
        } else {
            raw = -int256((uint256(-amount) * PRICE + price - 1) / price);
            u.mine -= uint256(-raw);
            if (u.mine < u.limit) revert FluidLiquidityError(11003);
            uint256 down = uint256(-raw) > u.decay ? u.decay : uint256(-raw);
            (u.limit, u.decay) = (u.limit > down ? u.limit - down : 0, u.decay - down);
        }
        _expand(u, amount > 0, pushed);
        _store(u, token);
    }

    /// The limit from now on, and what of it decays.
    function _expand(User memory u, bool more, bool pushed) private pure {
        uint256 base = _small(u.word >> 200 & 0x3ffff);
        if (u.mine >= base) {
            u.next = u.mine - u.mine * (u.word >> 162 & X14) / 1e4;
            if (u.next < u.limit) u.next = u.limit;
        }
        if (u.next == 0) {
            u.decay = 0;
        } else if (u.limit != u.next && more) {
            if (u.limit == 0) u.limit = base;
            if (u.next > u.limit) {
                uint256 added = u.next - u.limit;
                u.points = (u.points * u.decay + 1000 * added) / (u.decay + added);
                if (u.points < 80) u.points = 80;
                u.decay += added;
            } else {
                (u.decay, u.points) = (0, 0);
            }
        } else if (u.limit != u.next && pushed && u.next > u.limit) {
            u.decay += u.next - u.limit;
        }
        if (u.decay < 10) {
            (u.decay, u.points) = (0, 0);
        } else {
            u.decay = _big(u.decay, 18, false);
            if (u.points > 1000) u.points = 1000;
            else if (u.points == 0) u.points = 1;
        }
    }

    function _store(User memory u, address token) private {
        uint256 mine = _big(u.mine, 56, false);
        if (u.word >> 1 & X64 == mine) revert FluidLiquidityError(11007);
        _supplies[msg.sender][token] = u.word & 0xC000000003FFFFFFFFFFFFFC0000000000000000000000000000000000000001
            | mine << 1 | _big(u.next, 56, false) << 65 | block.timestamp << 129 | u.decay << 218 | u.points << 244;
    }

    function _limit(uint256 word, uint256 mine) private view returns (uint256 limit) {
        limit = _small(word >> 65 & X64);
        if (limit == 0) return 0;
        uint256 most = (word >> 162 & X14) * mine / 1e4;
        uint256 grown = most * (block.timestamp - (word >> 129 & X33)) / (word >> 176 & 0xffffff);
        limit = limit > grown ? limit - grown : 0;
        if (mine - most > limit) limit = mine - most;
    }

    function _small(uint256 big) private pure returns (uint256) { return (big >> 8) << (big & 0xff); }

    function _big(uint256 number, uint256 bits, bool up) private pure returns (uint256) {
        uint256 exponent = 0;
        while (number >> exponent >= 1 << bits) exponent++;
        uint256 most = number >> exponent;
        if (up && exponent > 0) {
            most++;
            if (most == 1 << bits) (most, exponent) = (most >> 1, exponent + 1);
        }
        return most << 8 | exponent;
    }
}

contract FluidRewardsDouble {
    uint256 public start;
    uint256 public duration;
    uint256 public yearly;
    uint256 public startTvl;

    function set(uint256 amount, uint256 duration_, uint256 tvl) external {
        (start, duration, startTvl, yearly) = (block.timestamp, duration_, tvl, amount * 365 days / duration_);
    }

    function getConfig()
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, uint256, address)
    {
        return (duration, start, start + duration, startTvl, 50e12, yearly * duration / 365 days, address(this));
    }

    function getRate(uint256 assets) external view returns (uint256 rate, bool ended, uint256) {
        if (start == 0) return (0, false, start);
        if (block.timestamp > start + duration) return (0, true, start);
        if (assets < startTvl) return (0, false, start);
        rate = yearly * 1e14 / assets;
        return (rate > 50e12 ? 50e12 : rate, false, start);
    }
}

contract FluidTokenDouble {
    error FluidLendingError(uint256 errorId_);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    address public immutable asset;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    FluidLiquidityDouble private immutable _layer;
    FluidRewardsDouble private _rewards;
    bool private _active;
    uint256 private _layerPrice;
    uint256 private _price = 1e12;
    uint256 private _updated;

    constructor(FluidLiquidityDouble layer, address asset_, string memory symbol_, uint8 decimals_) {
        (asset, symbol, decimals, _layer) = (asset_, symbol_, decimals_, layer);
        (_layerPrice, _updated) = (layerPrice(), block.timestamp);
    }

    function layerPrice() public view returns (uint256 price) { (price,) = _layer.pricesOf(asset); }

    function setRewards(FluidRewardsDouble rewards) external {
        updateRates();
        (_rewards, _active) = (rewards, address(rewards) != address(0));
    }

    function getData()
        external
        view
        returns (address, address, address, address, address, bool, uint256, uint256, uint256)
    {
        (uint256 price, bool ended) = _next(layerPrice());
        uint256 there = _supply() * layerPrice() / 1e12;
        return (
            address(_layer), address(this), address(_rewards), address(0), address(0), _active && !ended, there,
            layerPrice(), price
        );
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        (uint256 price,) = _next(layerPrice());
        return shares * price / 1e12;
    }

    function totalAssets() external view returns (uint256) { return convertToAssets(totalSupply); }

    function updateRates() public { _update(layerPrice(), true); }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        IERC20(asset).transferFrom(msg.sender, address(_layer), assets);
        (uint256 layer,) = _layer.operate(asset, int256(assets), address(0));
        shares = assets * 1e12 / _update(layer, false);
        if (shares == 0) revert FluidLendingError(20001);
        balanceOf[receiver] += shares;
        totalSupply += shares;
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256) {
        return _withdraw(assets, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        assets = convertToAssets(shares);
        _withdraw(assets, receiver, owner);
    }

    function _withdraw(uint256 assets, address receiver, address owner) private returns (uint256 shares) {
        uint256 price = _update(layerPrice(), false);
        shares = (assets * 1e12 + price - 1) / price;
        require(owner == msg.sender, "not the owner");
        balanceOf[owner] -= shares;
        totalSupply -= shares;
        emit Transfer(owner, address(0), shares);
        _layer.operate(asset, -int256(assets), receiver);
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
    }

    function _supply() private view returns (uint256) {
        bytes32 one = keccak256(abi.encode(address(this), uint256(8)));
        uint256 big = _layer.readFromStorage(keccak256(abi.encode(asset, one))) >> 1 & type(uint64).max;
        return (big >> 8) << (big & 0xff);
    }

    function _next(uint256 layer) private view returns (uint256, bool ended) {
        uint256 more = 0;
        if (_active) {
            uint256 start;
            (more, ended, start) = _rewards.getRate(_price * totalSupply / 1e12);
            if (more > 50e12 || ended) more = 0;
            more = more * (block.timestamp - (_updated < start ? start : _updated)) / 365 days;
        }
        more += (layer - _layerPrice) * 1e14 / _layerPrice;
        return (_price + _price * more / 1e14, ended);
    }

    function _update(uint256 layer, bool always) private returns (uint256 price) {
        bool ended;
        (price, ended) = _next(layer);
        if (_active || always) (_price, _layerPrice, _updated) = (price, layer, block.timestamp);
        if (ended) _active = false;
    }
}
