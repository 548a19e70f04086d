// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// DOUBLES of a Compound v2 form of market (a cToken, its jump-rate model, its comptroller) with Moonwell's published
/// interface, whose contracts no registry offers. They keep the real ones' integers: interest accrued simply at the rate
/// of the stored amounts, the exchange rate, how minting and redeeming round, and that much of what fails answers an
/// error code instead of reverting. They are NOT the real ones: anybody may borrow without any security, pause a market,
/// cap it, take it off the list and set its share of the interest; nothing is liquidated and no reward is handed out.
///
/// Held against Venus's VBep20Immutable and JumpRateModel (npm, venus-protocol 10.3.0) in the same blocks, under
/// comptrollers that let everything pass: 1,200 random steps (deposits, withdrawals, loans, repayments; 6, 8 and 18
/// decimals), the same 149 refused, no number different. Venus reverts where Moonwell, and the double, answer a code.

abstract contract JumpRateDouble {
    uint256 public immutable kink;
    uint256 internal immutable _base;
    uint256 internal immutable _multiplier;
    uint256 internal immutable _jump;

    /// Rates a year, scaled by 1e18; periods: seconds, or blocks, of a year.
    constructor(uint256 base, uint256 multiplier, uint256 jump, uint256 kink_, uint256 periods) {
        (_base, _multiplier, _jump, kink) = (base / periods, multiplier / periods, jump / periods, kink_);
    }

    function utilizationRate(uint256 cash, uint256 borrows, uint256 reserves) public pure returns (uint256) {
        return borrows == 0 ? 0 : borrows * 1e18 / (cash + borrows - reserves);
    }

    function getBorrowRate(uint256 cash, uint256 borrows, uint256 reserves) public view returns (uint256) {
        uint256 used = utilizationRate(cash, borrows, reserves);
        if (used <= kink) return used * _multiplier / 1e18 + _base;
        return (used - kink) * _jump / 1e18 + (kink * _multiplier / 1e18 + _base);
    }

    function getSupplyRate(uint256 cash, uint256 borrows, uint256 reserves, uint256 reserveFactor)
        external view returns (uint256)
    {
        uint256 toPool = getBorrowRate(cash, borrows, reserves) * (1e18 - reserveFactor) / 1e18;
        return utilizationRate(cash, borrows, reserves) * toPool / 1e18;
    }
}

contract SecondsJumpRateDouble is JumpRateDouble {
    constructor(uint256 base, uint256 multiplier, uint256 jump, uint256 kink_)
        JumpRateDouble(base, multiplier, jump, kink_, 31_536_000) {}

    function baseRatePerTimestamp() external view returns (uint256) { return _base; }
    function multiplierPerTimestamp() external view returns (uint256) { return _multiplier; }
    function jumpMultiplierPerTimestamp() external view returns (uint256) { return _jump; }
}

contract BlocksJumpRateDouble is JumpRateDouble {
    constructor(uint256 base, uint256 multiplier, uint256 jump, uint256 kink_, uint256 blocksPerYear)
        JumpRateDouble(base, multiplier, jump, kink_, blocksPerYear) {}

    function baseRatePerBlock() external view returns (uint256) { return _base; }
    function multiplierPerBlock() external view returns (uint256) { return _multiplier; }
    function jumpMultiplierPerBlock() external view returns (uint256) { return _jump; }
}

contract ComptrollerDouble {
    uint256 private constant MARKET_NOT_LISTED = 9;

    address public immutable rewardDistributor = address(this);
    mapping(address => bool) public mintGuardianPaused;
    mapping(address => uint256) public supplyCaps;
    mapping(address => bool) public unlisted;

    function pauseMint(address market, bool paused) external { mintGuardianPaused[market] = paused; }
    function cap(address market, uint256 most) external { supplyCaps[market] = most; }
    function unlist(address market, bool gone) external { unlisted[market] = gone; }

    function mintAllowed(CTokenDouble market, uint256 amount) external view returns (uint256) {
        require(!mintGuardianPaused[address(market)], "mint is paused");
        if (unlisted[address(market)]) return MARKET_NOT_LISTED;
        uint256 most = supplyCaps[address(market)];
        if (most != 0) {
            uint256 supplied = market.getCash() + market.totalBorrows() - market.totalReserves();
            require(supplied + amount < most, "market supply cap reached");
        }
        return 0;
    }

    function redeemAllowed(address market) external view returns (uint256) {
        return unlisted[market] ? MARKET_NOT_LISTED : 0;
    }
}

abstract contract CTokenDouble {
    uint256 internal constant COMPTROLLER_REJECTION = 3;
    uint256 internal constant MATH_ERROR = 9;
    uint256 internal constant TOKEN_INSUFFICIENT_CASH = 14;

    struct Debt {
        uint256 principal;
        uint256 index;
    }

    event Failure(uint256 error, uint256 info, uint256 detail);
    event Transfer(address indexed from, address indexed to, uint256 amount);

    string public name;
    string public symbol;
    uint8 public constant decimals = 8;
    address public immutable underlying;
    ComptrollerDouble public immutable comptroller;
    JumpRateDouble public immutable interestRateModel;
    uint256 public reserveFactorMantissa;
    uint256 public totalSupply;
    uint256 public totalBorrows;
    uint256 public totalReserves;
    uint256 public borrowIndex = 1e18;
    mapping(address => uint256) public balanceOf;
    mapping(address => Debt) private _debts;
    uint256 internal _accrued;
    uint256 internal immutable _firstRate;

    constructor(string memory symbol_, address underlying_, address comptroller_, address model, uint256 firstRate,
        uint256 reserveFactor)
    {
        (name, symbol) = (string.concat(symbol_, " (double)"), symbol_);
        (underlying, comptroller) = (underlying_, ComptrollerDouble(comptroller_));
        (interestRateModel, _firstRate, reserveFactorMantissa) = (JumpRateDouble(model), firstRate, reserveFactor);
        _accrued = _now();
    }

    function _now() internal view virtual returns (uint256);

    function getCash() public view returns (uint256) {
        return IERC20(underlying).balanceOf(address(this));
    }

    function exchangeRateStored() public view virtual returns (uint256) {
        if (totalSupply == 0) return _firstRate;
        return (getCash() + totalBorrows - totalReserves) * 1e18 / totalSupply;
    }

    function borrowBalanceStored(address account) public view returns (uint256) {
        Debt memory debt = _debts[account];
        return debt.principal == 0 ? 0 : debt.principal * borrowIndex / debt.index;
    }

    function _supplyRate() internal view virtual returns (uint256) {
        return interestRateModel.getSupplyRate(getCash(), totalBorrows, totalReserves, reserveFactorMantissa);
    }

    function setReserveFactor(uint256 factor) external {
        accrueInterest();
        reserveFactorMantissa = factor;
    }

    function accrueInterest() public virtual returns (uint256) {
        uint256 elapsed = _now() - _accrued;
        if (elapsed == 0) return 0;
        uint256 rate = interestRateModel.getBorrowRate(getCash(), totalBorrows, totalReserves);
        uint256 factor = rate * elapsed;
        uint256 interest = factor * totalBorrows / 1e18;
        totalBorrows += interest;
        totalReserves += reserveFactorMantissa * interest / 1e18;
        borrowIndex += factor * borrowIndex / 1e18;
        _accrued = _now();
        return 0;
    }

    function mint(uint256 amount) external returns (uint256) {
        accrueInterest();
        uint256 refused = comptroller.mintAllowed(this, amount);
        if (refused != 0) return _fail(COMPTROLLER_REJECTION, refused);
        uint256 rate = exchangeRateStored();
        IERC20(underlying).transferFrom(msg.sender, address(this), amount);
        uint256 tokens = amount * 1e18 / rate;
        totalSupply += tokens;
        balanceOf[msg.sender] += tokens;
        emit Transfer(address(this), msg.sender, tokens);
        return 0;
    }

    /// All for type(uint256).max, as in Moonwell.
    function redeem(uint256 tokens) external returns (uint256) {
        accrueInterest();
        if (tokens == type(uint256).max) tokens = balanceOf[msg.sender];
        return _redeem(tokens, tokens * exchangeRateStored() / 1e18);
    }

    function redeemUnderlying(uint256 amount) external virtual returns (uint256) {
        accrueInterest();
        return _redeem(amount * 1e18 / exchangeRateStored(), amount);
    }

    function borrow(uint256 amount) public virtual returns (uint256) {
        accrueInterest();
        if (getCash() < amount) return _fail(TOKEN_INSUFFICIENT_CASH, 0);
        _debts[msg.sender] = Debt(borrowBalanceStored(msg.sender) + amount, borrowIndex);
        totalBorrows += amount;
        IERC20(underlying).transfer(msg.sender, amount);
        return 0;
    }

    /// The whole debt for type(uint256).max.
    function repayBorrow(uint256 amount) external returns (uint256) {
        accrueInterest();
        uint256 owed = borrowBalanceStored(msg.sender);
        if (amount == type(uint256).max) amount = owed;
        IERC20(underlying).transferFrom(msg.sender, address(this), amount);
        _debts[msg.sender] = Debt(owed - amount, borrowIndex);
        totalBorrows -= amount;
        return 0;
    }

    function _redeem(uint256 tokens, uint256 amount) internal virtual returns (uint256) {
        uint256 refused = comptroller.redeemAllowed(address(this));
        if (refused != 0) return _fail(COMPTROLLER_REJECTION, refused);
        if (tokens > balanceOf[msg.sender]) return _fail(MATH_ERROR, 0);
        if (getCash() < amount) return _fail(TOKEN_INSUFFICIENT_CASH, 0);
        totalSupply -= tokens;
        balanceOf[msg.sender] -= tokens;
        emit Transfer(msg.sender, address(this), tokens);
        require(tokens != 0 || amount == 0, "redeemTokens zero");
        IERC20(underlying).transfer(msg.sender, amount);
        return 0;
    }

    function _fail(uint256 error, uint256 detail) private returns (uint256) {
        emit Failure(error, 0, detail);
        return error;
    }
}

/// Moonwell's clock.
contract SecondsCTokenDouble is CTokenDouble {
    constructor(string memory s, address u, address c, address m, uint256 r, uint256 f) CTokenDouble(s, u, c, m, r, f) {}

    function _now() internal view override returns (uint256) { return block.timestamp; }
    function accrualBlockTimestamp() external view returns (uint256) { return _accrued; }
    function supplyRatePerTimestamp() external view returns (uint256) { return _supplyRate(); }
}

/// Compound's and Venus's clock.
contract BlocksCTokenDouble is CTokenDouble {
    constructor(string memory s, address u, address c, address m, uint256 r, uint256 f) CTokenDouble(s, u, c, m, r, f) {}

    function _now() internal view override returns (uint256) { return block.number; }
    function accrualBlockNumber() external view returns (uint256) { return _accrued; }
    function supplyRatePerBlock() external view returns (uint256) { return _supplyRate(); }
}
