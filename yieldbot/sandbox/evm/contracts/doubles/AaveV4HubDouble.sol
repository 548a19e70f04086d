// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

struct PremiumDelta {
    int256 sharesDelta;
    int256 offsetRayDelta;
    uint256 restoredPremiumRay;
}

/// DOUBLE of a hub of Aave v4 with its published interface; no registry has the real one. It keeps the real one's
/// integers: drawn index, premiums, fees, deficits, caps, virtual shares. It is NOT the real one: it is its own rate
/// strategy, and anybody may change its settings. Held against aave/aave-v4 v0.5.11 (cdacec5) in the same blocks, with
/// the tokenization spoke's double: 1,440 random steps (deposits, withdrawals, draws, repayments, bad debt, reinvestment,
/// fees, caps, halts; 6, 8 and 18 decimals), the same 517 refused, 209,240 readings, none different.
contract AaveV4HubDouble {
    using SafeERC20 for IERC20;

    struct Asset {
        uint120 liquidity;
        uint120 realizedFees;
        uint8 decimals;
        uint120 addedShares;
        uint120 swept;
        int200 premiumOffsetRay;
        uint120 drawnShares;
        uint120 premiumShares;
        uint16 liquidityFee;
        uint120 drawnIndex;
        uint96 drawnRate;
        uint40 lastUpdateTimestamp;
        address underlying;
        address irStrategy;
        address reinvestmentController;
        address feeReceiver;
        uint200 deficitRay;
    }

    struct Spoke {
        uint120 drawnShares;
        uint120 premiumShares;
        int200 premiumOffsetRay;
        uint120 addedShares;
        uint40 addCap;
        uint40 drawCap;
        uint24 riskPremiumThreshold;
        bool active;
        bool halted;
        uint200 deficitRay;
    }

    struct Rates {
        uint16 optimalUsageRatio;
        uint32 baseDrawnRate;
        uint32 rateGrowthBeforeOptimal;
        uint32 rateGrowthAfterOptimal;
    }

    error InvalidAmount();
    error InvalidShares();
    error InvalidPremiumChange();
    error AssetNotListed();
    error SpokeNotActive();
    error SpokeHalted();
    error OnlyReinvestmentController();
    error AddCapExceeded(uint256 addCap);
    error DrawCapExceeded(uint256 drawCap);
    error InsufficientTransferred(uint256 missing);
    error InsufficientLiquidity(uint256 liquidity);
    error SurplusDrawnRestored(uint256 drawn);

    event Add(uint256 indexed assetId, address indexed spoke, uint256 shares, uint256 amount);
    event Remove(uint256 indexed assetId, address indexed spoke, uint256 shares, uint256 amount);

    uint40 public constant MAX_ALLOWED_SPOKE_CAP = type(uint40).max;
    uint256 private constant RAY = 1e27;
    uint256 private constant BP = 1e23;
    uint256 private constant VIRTUAL = 1e6;

    Asset[] private assets;
    mapping(uint256 => Rates) private rates;
    mapping(uint256 => mapping(address => Spoke)) private spokes;
    mapping(uint256 => address[]) private listed;
    mapping(address => uint256) private placeOf;

    function list(address underlying, uint8 decimals, uint16 fee, Rates calldata terms) external {
        uint256 id = assets.length;
        Asset storage a = assets.push();
        (a.underlying, a.decimals, a.liquidityFee, a.irStrategy) = (underlying, decimals, fee, address(this));
        (a.drawnIndex, a.lastUpdateTimestamp, a.feeReceiver) = (uint120(RAY), uint40(block.timestamp), msg.sender);
        (rates[id], placeOf[underlying]) = (terms, id + 1);
        (spokes[id][msg.sender].active, spokes[id][msg.sender].addCap) = (true, MAX_ALLOWED_SPOKE_CAP);
        listed[id].push(msg.sender);
        _rate(id);
    }

    function setSpoke(uint256 id, address spoke, uint40 addCap, uint40 drawCap, bool active, bool halted) external {
        Spoke storage s = spokes[id][spoke];
        if (s.riskPremiumThreshold == 0) listed[id].push(spoke);
        (s.addCap, s.drawCap, s.active, s.halted) = (addCap, drawCap, active, halted);
        s.riskPremiumThreshold = type(uint24).max;
    }

    function setAsset(uint256 id, uint16 fee, address controller) external {
        _accrue(id);
        (assets[id].liquidityFee, assets[id].reinvestmentController) = (fee, controller);
        _rate(id);
    }

    function setRates(uint256 id, Rates calldata terms) external {
        _accrue(id);
        rates[id] = terms;
        _rate(id);
    }

    function add(uint256 id, uint256 amount) external returns (uint256 shares) {
        (Asset storage a, Spoke storage s) = _use(id, amount);
        if (s.addCap != MAX_ALLOWED_SPOKE_CAP && s.addCap * uint256(10) ** a.decimals < _worth(a, s.addedShares, true) + amount) {
            revert AddCapExceeded(s.addCap);
        }
        uint256 there = a.liquidity + amount;
        _received(a, there);
        shares = Math.mulDiv(amount, a.addedShares + VIRTUAL, _total(a) + VIRTUAL);
        if (shares == 0) revert InvalidShares();
        (a.addedShares, s.addedShares) = (a.addedShares + uint120(shares), s.addedShares + uint120(shares));
        a.liquidity = uint120(there);
        _rate(id);
        emit Add(id, msg.sender, shares, amount);
    }

    function remove(uint256 id, uint256 amount, address to) external returns (uint256 shares) {
        (Asset storage a, Spoke storage s) = _use(id, amount);
        if (amount > a.liquidity) revert InsufficientLiquidity(a.liquidity);
        shares = previewRemoveByAssets(id, amount);
        (a.addedShares, s.addedShares) = (a.addedShares - uint120(shares), s.addedShares - uint120(shares));
        _pay(id, amount, to);
        emit Remove(id, msg.sender, shares, amount);
    }

    function draw(uint256 id, uint256 amount, address to) external returns (uint256 shares) {
        (Asset storage a, Spoke storage s) = _use(id, amount);
        uint256 owed = _up(s.drawnShares * uint256(a.drawnIndex)) + _up(_premiumRay(s.premiumShares, s.premiumOffsetRay, a));
        if (s.drawCap != MAX_ALLOWED_SPOKE_CAP && s.drawCap * uint256(10) ** a.decimals < owed + amount + _up(s.deficitRay)) {
            revert DrawCapExceeded(s.drawCap);
        }
        if (amount > a.liquidity) revert InsufficientLiquidity(a.liquidity);
        shares = Math.ceilDiv(amount * RAY, a.drawnIndex);
        (a.drawnShares, s.drawnShares) = (a.drawnShares + uint120(shares), s.drawnShares + uint120(shares));
        _pay(id, amount, to);
    }

    function restore(uint256 id, uint256 drawn, PremiumDelta calldata delta) external returns (uint256 shares) {
        (Asset storage a, Spoke storage s) = _use(id, drawn + delta.restoredPremiumRay);
        shares = _shrink(a, s, drawn, delta);
        uint256 there = a.liquidity + drawn + _up(delta.restoredPremiumRay);
        _received(a, there);
        a.liquidity = uint120(there);
        _rate(id);
    }

    function reportDeficit(uint256 id, uint256 drawn, PremiumDelta calldata delta) external {
        _accrue(id);
        (Asset storage a, Spoke storage s) = (assets[id], spokes[id][msg.sender]);
        if (!s.active) revert SpokeNotActive();
        uint256 lost = _shrink(a, s, drawn, delta) * a.drawnIndex + delta.restoredPremiumRay;
        (a.deficitRay, s.deficitRay) = (a.deficitRay + uint200(lost), s.deficitRay + uint200(lost));
        _rate(id);
    }

    function refreshPremium(uint256 id, PremiumDelta calldata delta) external {
        _accrue(id);
        if (!spokes[id][msg.sender].active) revert SpokeNotActive();
        if (delta.restoredPremiumRay != 0) revert InvalidPremiumChange();
        _premium(assets[id], spokes[id][msg.sender], delta);
        _rate(id);
    }

    function mintFeeShares(uint256 id) external {
        _accrue(id);
        Asset storage a = assets[id];
        uint120 shares = uint120(Math.mulDiv(a.realizedFees, a.addedShares + VIRTUAL, _total(a) + VIRTUAL));
        if (shares != 0) {
            (a.addedShares, a.realizedFees) = (a.addedShares + shares, 0);
            spokes[id][a.feeReceiver].addedShares += shares;
        }
        _rate(id);
    }

    function sweep(uint256 id, uint256 amount) external {
        Asset storage a = _controlled(id, amount);
        if (amount > a.liquidity) revert InsufficientLiquidity(a.liquidity);
        a.swept += uint120(amount);
        _pay(id, amount, msg.sender);
    }

    function reclaim(uint256 id, uint256 amount) external {
        Asset storage a = _controlled(id, amount);
        uint256 there = a.liquidity + amount;
        _received(a, there);
        (a.liquidity, a.swept) = (uint120(there), a.swept - uint120(amount));
        _rate(id);
    }

    function getAssetId(address underlying) external view returns (uint256) {
        if (placeOf[underlying] == 0) revert AssetNotListed();
        return placeOf[underlying] - 1;
    }

    function getAssetCount() external view returns (uint256) {
        return assets.length;
    }

    function getAsset(uint256 id) external view returns (Asset memory) {
        return assets[id];
    }

    function getSpoke(uint256 id, address spoke) external view returns (Spoke memory) {
        return spokes[id][spoke];
    }

    function getSpokeCount(uint256 id) external view returns (uint256) {
        return listed[id].length;
    }

    function getSpokeAddress(uint256 id, uint256 place) external view returns (address) {
        return listed[id][place];
    }

    function isSpokeListed(uint256 id, address spoke) external view returns (bool) {
        return spokes[id][spoke].riskPremiumThreshold != 0;
    }

    function getSpokeAddedAssets(uint256 id, address spoke) external view returns (uint256) {
        return previewRemoveByShares(id, spokes[id][spoke].addedShares);
    }

    function getInterestRateData(uint256 id) external view returns (Rates memory) {
        return rates[id];
    }

    function getAddedAssets(uint256 id) external view returns (uint256) {
        return _total(_now(id));
    }

    function getAddedShares(uint256 id) external view returns (uint256) {
        return assets[id].addedShares;
    }

    function getAssetOwed(uint256 id) external view returns (uint256, uint256) {
        Asset memory a = _now(id);
        return (_up(a.drawnShares * uint256(a.drawnIndex)), _up(_premiumRay(a.premiumShares, a.premiumOffsetRay, a)));
    }

    function getAssetDrawnIndex(uint256 id) external view returns (uint256) {
        return _now(id).drawnIndex;
    }

    function getAssetAccruedFees(uint256 id) external view returns (uint256) {
        return _now(id).realizedFees;
    }

    function getAssetDrawnRate(uint256 id) public view returns (uint256) {
        return _rateOf(_now(id), rates[id]);
    }

    function previewAddByAssets(uint256 id, uint256 amount) external view returns (uint256) {
        Asset memory a = _now(id);
        return Math.mulDiv(amount, a.addedShares + VIRTUAL, _total(a) + VIRTUAL);
    }

    function previewAddByShares(uint256 id, uint256 shares) external view returns (uint256) {
        return _worth(_now(id), shares, true);
    }

    function previewRemoveByAssets(uint256 id, uint256 amount) public view returns (uint256) {
        Asset memory a = _now(id);
        return Math.mulDiv(amount, a.addedShares + VIRTUAL, _total(a) + VIRTUAL, Math.Rounding.Ceil);
    }

    function previewRemoveByShares(uint256 id, uint256 shares) public view returns (uint256) {
        return _worth(_now(id), shares, false);
    }

    function _now(uint256 id) private view returns (Asset memory a) {
        a = assets[id];
        if (a.lastUpdateTimestamp == block.timestamp) return a;
        if (a.drawnShares != 0 || a.premiumShares != 0) {
            uint256 before = _up(_owedRay(a));
            uint256 grown = RAY + (uint256(a.drawnRate) * (block.timestamp - a.lastUpdateTimestamp)) / 365 days;
            a.drawnIndex = uint120(_up(a.drawnIndex * grown));
            a.realizedFees += uint120(((_up(_owedRay(a)) - before) * a.liquidityFee) / 1e4);
        }
        a.lastUpdateTimestamp = uint40(block.timestamp);
    }

    function _accrue(uint256 id) private {
        if (id >= assets.length) revert AssetNotListed();
        assets[id] = _now(id);
    }

    function _use(uint256 id, uint256 amount) private returns (Asset storage a, Spoke storage s) {
        (a, s) = (assets[id], spokes[id][msg.sender]);
        assets[id] = _now(id);
        if (amount == 0) revert InvalidAmount();
        if (!s.active) revert SpokeNotActive();
        if (s.halted) revert SpokeHalted();
    }

    function _controlled(uint256 id, uint256 amount) private returns (Asset storage a) {
        _accrue(id);
        a = assets[id];
        if (msg.sender != a.reinvestmentController) revert OnlyReinvestmentController();
        if (amount == 0) revert InvalidAmount();
    }

    function _received(Asset storage a, uint256 there) private view {
        uint256 balance = IERC20(a.underlying).balanceOf(address(this));
        if (balance < there) revert InsufficientTransferred(there - balance);
    }

    function _pay(uint256 id, uint256 amount, address to) private {
        assets[id].liquidity -= uint120(amount);
        _rate(id);
        IERC20(assets[id].underlying).safeTransfer(to, amount);
    }

    function _shrink(Asset storage a, Spoke storage s, uint256 drawn, PremiumDelta calldata delta)
        private
        returns (uint256 shares)
    {
        if (drawn == 0 && delta.restoredPremiumRay == 0) revert InvalidAmount();
        uint256 owed = _up(s.drawnShares * uint256(a.drawnIndex));
        if (drawn > owed) revert SurplusDrawnRestored(owed);
        shares = (drawn * RAY) / a.drawnIndex;
        (a.drawnShares, s.drawnShares) = (a.drawnShares - uint120(shares), s.drawnShares - uint120(shares));
        _premium(a, s, delta);
    }

    function _premium(Asset storage a, Spoke storage s, PremiumDelta calldata delta) private {
        (a.premiumShares, a.premiumOffsetRay) = _changed(a.premiumShares, a.premiumOffsetRay, a, delta);
        (s.premiumShares, s.premiumOffsetRay) = _changed(s.premiumShares, s.premiumOffsetRay, a, delta);
    }

    function _changed(uint120 shares, int200 offset, Asset memory a, PremiumDelta calldata delta)
        private
        pure
        returns (uint120 more, int200 beyond)
    {
        int256 left = int256(uint256(shares)) + delta.sharesDelta;
        if (left < 0) revert InvalidPremiumChange();
        (more, beyond) = (uint120(uint256(left)), int200(offset + delta.offsetRayDelta));
        if (_premiumRay(more, beyond, a) + delta.restoredPremiumRay != _premiumRay(shares, offset, a)) {
            revert InvalidPremiumChange();
        }
    }

    function _rate(uint256 id) private {
        assets[id].drawnRate = uint96(_rateOf(assets[id], rates[id]));
    }

    function _rateOf(Asset memory a, Rates memory r) private pure returns (uint256) {
        uint256 drawn = _up(a.drawnShares * uint256(a.drawnIndex));
        uint256 base = r.baseDrawnRate * BP;
        if (drawn == 0) return base;
        uint256 used = Math.ceilDiv(drawn * RAY, a.liquidity + drawn + a.swept);
        uint256 kink = r.optimalUsageRatio * BP;
        uint256 before = r.rateGrowthBeforeOptimal * BP;
        if (used <= kink) return base + Math.ceilDiv(_up(before * used) * RAY, kink);
        return base + before + Math.ceilDiv(_up(r.rateGrowthAfterOptimal * BP * (used - kink)) * RAY, RAY - kink);
    }

    function _total(Asset memory a) private pure returns (uint256) {
        return uint256(a.liquidity) + a.swept + _up(_owedRay(a)) - a.realizedFees;
    }

    function _worth(Asset memory a, uint256 shares, bool up) private pure returns (uint256) {
        return Math.mulDiv(
            shares, _total(a) + VIRTUAL, a.addedShares + VIRTUAL, up ? Math.Rounding.Ceil : Math.Rounding.Floor
        );
    }

    function _owedRay(Asset memory a) private pure returns (uint256) {
        uint256 premium = _premiumRay(a.premiumShares, a.premiumOffsetRay, a);
        return a.drawnShares * uint256(a.drawnIndex) + premium + a.deficitRay;
    }

    function _premiumRay(uint120 shares, int200 offset, Asset memory a) private pure returns (uint256) {
        int256 ray = int256(shares * uint256(a.drawnIndex)) - offset;
        if (ray < 0) revert InvalidPremiumChange();
        return uint256(ray);
    }

    function _up(uint256 ray) private pure returns (uint256) {
        return Math.ceilDiv(ray, RAY);
    }
}
