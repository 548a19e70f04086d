// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {StableSwapDouble} from "./StableSwapDouble.sol";

/// A double of a StableSwap-NG pool with its shares, written anew from the published mathematics: the base of a metapool.
/// All of the fee stays in it.
contract SharedSwapDouble is StableSwapDouble, ERC20 {
    constructor(address[] memory coins_, uint256 amplification, uint256 fee_, uint256 offpeg)
        StableSwapDouble(Flavour.NG, coins_, amplification, fee_, offpeg)
        ERC20("Base pool", "BASE")
    {}

    /// Takes what it holds as its balances, and gives the first shares to the caller.
    function open() external {
        for (uint256 k = 0; k < coins.length; k++) balances[k] = IERC20(coins[k]).balanceOf(address(this));
        _mint(msg.sender, _d(_xp(balances)));
    }

    function get_virtual_price() external view returns (uint256) {
        return _d(_xp(balances)) * PRECISION / totalSupply();
    }

    function calc_token_amount(uint256[] memory amounts, bool deposit) public view returns (uint256) {
        require(deposit, "deposits alone");
        uint256[] memory held = balances;
        uint256 d0 = _d(_xp(held));
        for (uint256 k = 0; k < held.length; k++) held[k] += amounts[k];
        uint256 d1 = _d(_xp(held));
        for (uint256 k = 0; k < held.length; k++) held[k] -= _depositFee(k, held[k], d0, d1);
        return (_d(_xp(held)) - d0) * totalSupply() / d0;
    }

    function add_liquidity(uint256[] memory amounts, uint256 least) external returns (uint256 minted) {
        minted = calc_token_amount(amounts, true);
        require(minted >= least, "Slippage screwed you");
        for (uint256 k = 0; k < amounts.length; k++) {
            if (amounts[k] > 0) IERC20(coins[k]).transferFrom(msg.sender, address(this), amounts[k]);
            balances[k] += amounts[k];
        }
        _mint(msg.sender, minted);
    }

    function calc_withdraw_one_coin(uint256 burnt, int128 i) public view returns (uint256) {
        uint256 at = uint128(i);
        uint256[] memory xp = _xp(balances);
        uint256 d0 = _d(xp);
        uint256 d1 = d0 - burnt * d0 / totalSupply();
        uint256 left = _beside(xp, at, d1);
        uint256 middle = (d0 + d1) / (2 * xp.length);
        for (uint256 k = 0; k < xp.length; k++) {
            uint256 apart = k == at ? xp[k] * d1 / d0 - left : xp[k] - xp[k] * d1 / d0;
            xp[k] -= _feeAt(k == at ? (xp[k] + left) / 2 : xp[k], middle, _baseFee()) * apart / FEE_ONE;
        }
        return (xp[at] - _beside(xp, at, d1) - 1) * PRECISION / _rate(at);
    }

    function remove_liquidity_one_coin(uint256 burnt, int128 i, uint256 least) external returns (uint256 dy) {
        dy = calc_withdraw_one_coin(burnt, i);
        require(dy >= least, "Not enough coins removed");
        _burn(msg.sender, burnt);
        balances[uint128(i)] -= dy;
        IERC20(coins[uint128(i)]).transfer(msg.sender, dy);
    }

    function _depositFee(uint256 k, uint256 held, uint256 d0, uint256 d1) private view returns (uint256) {
        uint256 ideal = d1 * balances[k] / d0;
        uint256 apart = ideal > held ? ideal - held : held - ideal;
        uint256 sum = _rate(k) * (balances[k] + held) / PRECISION;
        return _feeAt(sum, (d0 + d1) / coins.length, _baseFee()) * apart / FEE_ONE;
    }

    function _baseFee() private view returns (uint256) {
        return fee * coins.length / (4 * (coins.length - 1));
    }
}

/// A double of a StableSwap-NG metapool: a coin against the shares of a SharedSwapDouble.
contract MetaSwapDouble is StableSwapDouble {
    SharedSwapDouble public immutable BASE_POOL;

    constructor(address[] memory coins_, uint256 amplification, uint256 fee_, uint256 offpeg)
        StableSwapDouble(Flavour.NG, coins_, amplification, fee_, offpeg)
    {
        BASE_POOL = SharedSwapDouble(coins_[1]);
    }

    function stored_rates() public view override returns (uint256[] memory rates) {
        rates = new uint256[](2);
        (rates[0], rates[1]) = (_rate(0), _rate(1));
    }

    function get_dy_underlying(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        require((i == 0) != (j == 0), "one of the coins is its own");
        if (i == 0) return BASE_POOL.calc_withdraw_one_coin(_dy(0, 1, dx), j - 1);
        return _dy(1, 0, BASE_POOL.calc_token_amount(_alone(i, dx), true));
    }

    /// Like the real one, it gives no reason where the least is not reached.
    function exchange_underlying(int128 i, int128 j, uint256 dx, uint256 min_dy) external returns (uint256 dy) {
        require((i == 0) != (j == 0), "one of the coins is its own");
        IERC20 given = IERC20(i == 0 ? coins[0] : BASE_POOL.coins(uint128(i) - 1));
        given.transferFrom(msg.sender, address(this), dx);
        IERC20 wanted = IERC20(j == 0 ? coins[0] : BASE_POOL.coins(uint128(j) - 1));
        (uint256 a, uint256 b) = i == 0 ? (0, 1) : (1, 0);
        uint256 put = dx;
        if (i > 0) {
            dy = _dy(1, 0, BASE_POOL.calc_token_amount(_alone(i, dx), true));
            given.approve(address(BASE_POOL), dx);
            put = BASE_POOL.add_liquidity(_alone(i, dx), 0);
        } else {
            dy = _dy(0, 1, dx);
        }
        (balances[a], balances[b]) = (balances[a] + put, balances[b] - dy);
        if (j > 0) dy = BASE_POOL.remove_liquidity_one_coin(dy, j - 1, 0);
        require(dy >= min_dy);
        wanted.transfer(msg.sender, dy);
    }

    function _rate(uint256 k) internal view override returns (uint256) {
        return k == 0 ? _rates[0] : BASE_POOL.get_virtual_price();
    }

    function _alone(int128 i, uint256 dx) private pure returns (uint256[] memory amounts) {
        amounts = new uint256[](2);
        amounts[uint128(i) - 1] = dx;
    }
}
