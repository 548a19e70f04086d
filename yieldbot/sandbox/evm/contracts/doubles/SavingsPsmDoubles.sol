// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {TestToken} from "../TestToken.sol";
import {SUsdsDouble, SavingsShares, Compounding} from "./SavingsRateDoubles.sol";

/// DOUBLES of what leads from USDC to sUSDS in one call: Sky's LitePSM and its wrapper for USDS with Spark's sUSDC on
/// Ethereum; the SSR oracle and Spark's PSM3 with sUSDC on a rollup. The real ones' interfaces, integers, rounding and
/// errors; NOT their rights: anybody may set fees, rate and pocket. DAI and USDS change into each other by minting.
/// docs/protocols.md says what they were held against.

interface IToken {
    function balanceOf(address) external view returns (uint256);
    function transfer(address, uint256) external returns (bool);
    function transferFrom(address, address, uint256) external returns (bool);
    function approve(address, uint256) external returns (bool);
}

/// Holds a PSM's USDC, and lets the PSM take it.
contract PocketDouble {
    function allow(IToken token, address spender, uint256 most) external { token.approve(spender, most); }
}

contract LitePsmDouble {
    TestToken public immutable gem;
    TestToken public immutable dai;
    address public immutable pocket;
    uint256 public tin;
    uint256 public tout;

    constructor(TestToken gem_, TestToken dai_, address pocket_) { (gem, dai, pocket) = (gem_, dai_, pocket_); }

    function file(bytes32 what, uint256 fee) external {
        if (what == "tin") tin = fee;
        else tout = fee;
    }
    function sellGem(address usr, uint256 amount) external returns (uint256 out) {
        require(tin != type(uint256).max, "DssLitePsm/sell-gem-halted");
        out = amount * 1e12;
        out -= out * tin / 1e18;
        gem.transferFrom(msg.sender, pocket, amount);
        require(dai.balanceOf(address(this)) >= out, "Dai/insufficient-balance");
        dai.transfer(usr, out);
    }
    function buyGem(address usr, uint256 amount) external returns (uint256 into) {
        require(tout != type(uint256).max, "DssLitePsm/buy-gem-halted");
        into = amount * 1e12;
        into += into * tout / 1e18;
        dai.transferFrom(msg.sender, address(this), into);
        gem.transferFrom(pocket, usr, amount);
    }
}

contract PsmWrapperDouble {
    LitePsmDouble public immutable psm;
    TestToken public immutable gem;
    TestToken public immutable usds;

    constructor(LitePsmDouble psm_, TestToken usds_) {
        (psm, gem, usds) = (psm_, psm_.gem(), usds_);
        gem.approve(address(psm), type(uint256).max);
        psm.dai().approve(address(psm), type(uint256).max);
    }

    function tin() external view returns (uint256) { return psm.tin(); }
    function tout() external view returns (uint256) { return psm.tout(); }
    function pocket() external view returns (address) { return psm.pocket(); }
    function sellGem(address usr, uint256 amount) external returns (uint256 out) {
        gem.transferFrom(msg.sender, address(this), amount);
        out = psm.sellGem(address(this), amount);
        psm.dai().transfer(address(0xdead), out);
        usds.mint(usr, out);
    }
    function buyGem(address usr, uint256 amount) external returns (uint256 into) {
        into = amount * 1e12 + amount * 1e12 * psm.tout() / 1e18;
        usds.transferFrom(msg.sender, address(this), into);
        psm.dai().mint(address(this), into);
        psm.buyGem(usr, amount);
    }
}

contract UsdcVaultDouble is SavingsShares, Compounding {
    PsmWrapperDouble public immutable psm;
    SUsdsDouble public immutable susds;
    TestToken public immutable usdc;

    constructor(PsmWrapperDouble psm_, SUsdsDouble susds_) SavingsShares("sUSDC", "UsdcVault") {
        (psm, susds, usdc) = (psm_, susds_, psm_.gem());
        usdc.approve(address(psm_), type(uint256).max);
        psm_.usds().approve(address(psm_), type(uint256).max);
        psm_.usds().approve(address(susds_), type(uint256).max);
    }

    function asset() external view returns (address) { return address(usdc); }
    function totalAssets() external view returns (uint256) { return convertToAssets(totalSupply); }
    function convertToAssets(uint256 shares) public view returns (uint256) {
        return susds.convertToAssets(shares) / 1e12;
    }
    function convertToShares(uint256 assets) external view returns (uint256) {
        return susds.convertToShares(assets * 1e12);
    }
    function previewRedeem(uint256 shares) external view returns (uint256) {
        return susds.convertToAssets(shares) * 1e6 / (1e18 + _tout());
    }
    function maxDeposit(address) external view returns (uint256) {
        uint256 tin = psm.tin();
        return tin >= 1e18 ? 0 : psm.psm().dai().balanceOf(address(psm.psm())) * 1e6 / (1e18 - tin);
    }
    function maxWithdraw(address owner) external view returns (uint256) {
        if (psm.tout() == type(uint256).max) return 0;
        uint256 owned = susds.convertToAssets(balanceOf[owner]) * 1e6 / (1e18 + psm.tout());
        uint256 here = usdc.balanceOf(psm.pocket());
        return owned < here ? owned : here;
    }
    function _tout() private view returns (uint256 fee) {
        fee = psm.tout();
        require(fee != type(uint256).max, "UsdcVault/psm-buy-gem-halted");
    }

    function deposit(uint256 assets, address to) external returns (uint256 shares) {
        require(psm.tin() < 1e18, "UsdcVault/psm-sell-gem-halted");
        usdc.transferFrom(msg.sender, address(this), assets);
        shares = susds.deposit(psm.sellGem(address(this), assets), address(this));
        _give(to, shares);
        emit Deposit(msg.sender, to, assets, shares);
    }
    function withdraw(uint256 assets, address to, address owner) external returns (uint256 shares) {
        uint256 into = assets * 1e12;
        into += into * _tout() / 1e18;
        shares = susds.withdraw(into, address(this), address(this));
        _pay(assets, shares, to, owner);
    }
    function redeem(uint256 shares, address to, address owner) external returns (uint256 assets) {
        uint256 fee = _tout();
        assets = susds.redeem(shares, address(this), address(this)) * 1e6 / (1e18 + fee);
        _pay(assets, shares, to, owner);
    }
    function _pay(uint256 assets, uint256 shares, address to, address owner) private {
        _burn(owner, shares);
        psm.buyGem(to, assets);
        emit Withdraw(msg.sender, to, owner, assets, shares);
    }
}

/// sUSDS on a rollup: a plain token. Anybody may mint it.
contract RollupSUsdsDouble is SavingsShares("sUSDS", "SUsds") {
    function mint(address to, uint256 shares) external { _give(to, shares); }
}

contract SsrOracleDouble is Compounding {
    struct SUSDSData { uint96 ssr; uint120 chi; uint40 rho; }
    SUSDSData private _data;

    function setSUSDSData(SUSDSData calldata data) external { _data = data; }
    function getSUSDSData() external view returns (SUSDSData memory) { return _data; }
    function getConversionRate() external view returns (uint256) {
        require(block.timestamp >= _data.rho, "SSROracleBase/invalid-timestamp");
        return _power(_data.ssr, block.timestamp - _data.rho) * _data.chi / RAY;
    }
}

/// Spark's PSM3: three tokens at their stated rates, without fee or price impact, from what it holds.
contract Psm3Double is Compounding {
    address public immutable usdc;
    address public immutable usds;
    address public immutable susds;
    SsrOracleDouble public immutable rateProvider;
    address public immutable owner = msg.sender;
    address public pocket = address(this);

    constructor(address usdc_, address usds_, address susds_, SsrOracleDouble oracle) {
        (usdc, usds, susds, rateProvider) = (usdc_, usds_, susds_, oracle);
    }

    function setPocket(address next) external {
        if (pocket == address(this)) IToken(usdc).transfer(next, IToken(usdc).balanceOf(pocket));
        else IToken(usdc).transferFrom(pocket, next, IToken(usdc).balanceOf(pocket));
        pocket = next;
    }
    function previewSwapExactIn(address given, address wanted, uint256 amount) public view returns (uint256) {
        _known(given, wanted);
        if (given != susds && wanted != susds) return amount * _one(wanted) / _one(given);
        uint256 rate = rateProvider.getConversionRate();
        if (wanted == susds) return amount * RAY / rate * 1e18 / _one(given);
        return amount * rate / RAY * _one(wanted) / 1e18;
    }
    function previewSwapExactOut(address given, address wanted, uint256 amount) public view returns (uint256) {
        _known(given, wanted);
        if (given != susds && wanted != susds) return _up(amount * _one(given), _one(wanted));
        uint256 rate = rateProvider.getConversionRate();
        if (given == susds) return _up(_up(amount * RAY, rate) * 1e18, _one(wanted));
        return _up(_up(amount * rate, RAY) * _one(given), 1e18);
    }
    function swapExactIn(address given, address wanted, uint256 amount, uint256 least, address to, uint256)
        external returns (uint256 out)
    {
        require(amount != 0, "PSM3/invalid-amountIn");
        require(to != address(0), "PSM3/invalid-receiver");
        out = previewSwapExactIn(given, wanted, amount);
        require(out >= least, "PSM3/amountOut-too-low");
        _swap(given, wanted, amount, out, to);
    }
    function swapExactOut(address given, address wanted, uint256 amount, uint256 most, address to, uint256)
        external returns (uint256 into)
    {
        require(amount != 0, "PSM3/invalid-amountOut");
        require(to != address(0), "PSM3/invalid-receiver");
        into = previewSwapExactOut(given, wanted, amount);
        require(into <= most, "PSM3/amountIn-too-high");
        _swap(given, wanted, into, amount, to);
    }
    function _one(address token) private view returns (uint256) { return token == usdc ? 1e6 : 1e18; }
    function _known(address one, address other) private view {
        bool both = (one == usdc || one == usds || one == susds) && (other == usdc || other == usds || other == susds);
        require(both && one != other, "PSM3/invalid-asset");
    }
    function _swap(address given, address wanted, uint256 into, uint256 out, address to) private {
        IToken(given).transferFrom(msg.sender, given == usdc ? pocket : address(this), into);
        if (wanted == usdc && pocket != address(this)) IToken(usdc).transferFrom(pocket, to, out);
        else IToken(wanted).transfer(to, out);
    }
}

contract UsdcVaultL2Double is SavingsShares("sUSDC", "UsdcVaultL2") {
    Psm3Double public immutable psm;
    address public immutable usdc;
    address public immutable susds;
    SsrOracleDouble public immutable rateProvider;

    constructor(Psm3Double psm_) {
        (psm, usdc, susds, rateProvider) = (psm_, psm_.usdc(), psm_.susds(), psm_.rateProvider());
        IToken(usdc).approve(address(psm_), type(uint256).max);
        IToken(susds).approve(address(psm_), type(uint256).max);
    }

    function asset() external view returns (address) { return usdc; }
    function totalAssets() external view returns (uint256) { return convertToAssets(totalSupply); }
    function convertToAssets(uint256 shares) public view returns (uint256) {
        return psm.previewSwapExactIn(susds, usdc, shares);
    }
    function previewRedeem(uint256 shares) external view returns (uint256) { return convertToAssets(shares); }
    function maxDeposit(address) external view returns (uint256) {
        return convertToAssets(IToken(susds).balanceOf(address(psm)));
    }
    function deposit(uint256 assets, address to) external returns (uint256 shares) {
        IToken(usdc).transferFrom(msg.sender, address(this), assets);
        shares = psm.swapExactIn(usdc, susds, assets, 0, address(this), 0);
        _give(to, shares);
        emit Deposit(msg.sender, to, assets, shares);
    }
    function withdraw(uint256 assets, address to, address owner) external returns (uint256 shares) {
        shares = psm.swapExactOut(susds, usdc, assets, type(uint256).max, to, 0);
        _burn(owner, shares);
        emit Withdraw(msg.sender, to, owner, assets, shares);
    }
    function redeem(uint256 shares, address to, address owner) external returns (uint256 assets) {
        assets = psm.swapExactIn(susds, usdc, shares, 0, to, 0);
        _burn(owner, shares);
        emit Withdraw(msg.sender, to, owner, assets, shares);
    }
}
