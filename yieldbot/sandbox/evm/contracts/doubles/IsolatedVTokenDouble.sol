// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CTokenDouble, JumpRateDouble} from "./CTokenDouble.sol";

/// DOUBLES of a market of Venus's isolated pools, of its rate model and of its comptroller: a cToken whose bad debt counts
/// in the exchange rate and in utilisation, whose reserves cannot be withdrawn by suppliers, and which reverts where older
/// ones answer a code. NOT the real ones: what CTokenDouble.sol says, nothing is healed, reserves stay, and a gift counts as cash.
///
/// Held against VToken and JumpRateModelV2 (npm, isolated-pools 4.4.0) in the same blocks, counting seconds, under
/// comptrollers that let everything pass: 750 random steps (deposits, both withdrawals, loans, repayments), the same 196
/// refused, no number different. Bad debt was compared by reading: only a liquidation of a whole account makes it there.
contract IsolatedRateDouble is JumpRateDouble {
    constructor(uint256 base, uint256 multiplier, uint256 jump, uint256 kink_, uint256 periods)
        JumpRateDouble(base, multiplier, jump, kink_, periods) {}

    function baseRatePerBlock() external view returns (uint256) { return _base; }
    function multiplierPerBlock() external view returns (uint256) { return _multiplier; }
    function jumpMultiplierPerBlock() external view returns (uint256) { return _jump; }

    function utilizationRate(uint256 cash, uint256 borrows, uint256 reserves, uint256 bad) public pure returns (uint256 u) {
        if (borrows + bad == 0) return 0;
        u = (borrows + bad) * 1e18 / (cash + borrows + bad - reserves);
        if (u > 1e18) u = 1e18;
    }
    function getBorrowRate(uint256 cash, uint256 borrows, uint256 reserves, uint256 bad) public view returns (uint256) {
        uint256 used = utilizationRate(cash, borrows, reserves, bad);
        if (used <= kink) return used * _multiplier / 1e18 + _base;
        return (used - kink) * _jump / 1e18 + (kink * _multiplier / 1e18 + _base);
    }
    function getSupplyRate(uint256 cash, uint256 borrows, uint256 reserves, uint256 factor, uint256 bad)
        external view returns (uint256)
    {
        uint256 toPool = getBorrowRate(cash, borrows, reserves, bad) * (1e18 - factor) / 1e18;
        return borrows * toPool / (cash + borrows + bad - reserves);
    }
}

contract IsolatedComptrollerDouble {
    error ActionPaused(address market, uint8 action);
    error SupplyCapExceeded(address market, uint256 cap);

    mapping(address => mapping(uint8 => bool)) public actionPaused;
    mapping(address => uint256) public supplyCaps;

    function pause(address market, uint8 action, bool paused) external { actionPaused[market][action] = paused; }
    function cap(address market, uint256 most) external { supplyCaps[market] = most; }

    function mintAllowed(CTokenDouble market, uint256 amount) external view returns (uint256) {
        if (actionPaused[address(market)][0]) revert ActionPaused(address(market), 0);
        uint256 most = supplyCaps[address(market)];
        if (most == type(uint256).max) return 0;
        if (market.exchangeRateStored() * market.totalSupply() / 1e18 + amount > most) {
            revert SupplyCapExceeded(address(market), most);
        }
        return 0;
    }
    function redeemAllowed(address market) external view returns (uint256) {
        if (actionPaused[market][1]) revert ActionPaused(market, 1);
        return 0;
    }
}

contract IsolatedVTokenDouble is CTokenDouble {
    error BorrowCashNotAvailable();
    error RedeemTransferOutNotPossible();

    bool public immutable isTimeBased;
    uint256 public badDebt;

    constructor(string memory s, address u, address c, address m, uint256 r, uint256 f, bool timeBased)
        CTokenDouble(s, u, c, m, r, f)
    {
        isTimeBased = timeBased;
        _accrued = _now();
    }

    function _now() internal view override returns (uint256) { return isTimeBased ? block.timestamp : block.number; }
    function accrualBlockNumber() external view returns (uint256) { return _accrued; }
    function supplyRatePerBlock() external view returns (uint256) { return _supplyRate(); }
    function _model() private view returns (IsolatedRateDouble) { return IsolatedRateDouble(address(interestRateModel)); }

    function _supplyRate() internal view override returns (uint256) {
        return _model().getSupplyRate(getCash(), totalBorrows, totalReserves, reserveFactorMantissa, badDebt);
    }
    function exchangeRateStored() public view override returns (uint256) {
        if (totalSupply == 0) return _firstRate;
        return (getCash() + totalBorrows + badDebt - totalReserves) * 1e18 / totalSupply;
    }
    function accrueInterest() public override returns (uint256) {
        uint256 elapsed = _now() - _accrued;
        if (elapsed == 0) return 0;
        uint256 factor = _model().getBorrowRate(getCash(), totalBorrows, totalReserves, badDebt) * elapsed;
        uint256 interest = factor * totalBorrows / 1e18;
        totalBorrows += interest;
        totalReserves += reserveFactorMantissa * interest / 1e18;
        borrowIndex += factor * borrowIndex / 1e18;
        _accrued = _now();
        return 0;
    }
    /// A debt that nobody will pay: it leaves the debts and stays in the exchange rate.
    function writeOff(uint256 amount) external {
        accrueInterest();
        (totalBorrows, badDebt) = (totalBorrows - amount, badDebt + amount);
    }
    function borrow(uint256 amount) public override returns (uint256) {
        accrueInterest();
        if (getCash() - totalReserves < amount) revert BorrowCashNotAvailable();
        return super.borrow(amount);
    }
    function redeemUnderlying(uint256 amount) external override returns (uint256) {
        accrueInterest();
        uint256 rate = exchangeRateStored();
        uint256 tokens = amount * 1e18 / rate;
        if (tokens * rate / 1e18 != 0 && tokens * rate / 1e18 != amount) tokens++;
        return _redeem(tokens, tokens * rate / 1e18);
    }
    function _redeem(uint256 tokens, uint256 amount) internal override returns (uint256) {
        require(amount != 0, "redeemAmount is zero");
        comptroller.redeemAllowed(address(this));
        if (getCash() - totalReserves < amount) revert RedeemTransferOutNotPossible();
        totalSupply -= tokens;
        balanceOf[msg.sender] -= tokens;
        emit Transfer(msg.sender, address(this), tokens);
        IERC20(underlying).transfer(msg.sender, amount);
        return 0;
    }
}
