// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {TestToken} from "../TestToken.sol";

/// DOUBLES of savings tokens that pay a stated rate by the second: Sky's sUSDS, sDAI with its Pot, and Spark Savings v2,
/// with the published interfaces, integers, rounding and errors of the real ones, whose contracts no registry offers.
/// They are NOT the real ones: anybody may set the rate, the bounds and the cap, and take what a vault holds; what drips
/// is minted by the sandbox's token in place of Sky's books; there are no permits and no upgrades. docs/protocols.md says
/// what they were held against.

abstract contract Compounding {
    uint256 internal constant RAY = 1e27;

    /// x to the power of n by squaring, each product rounded to the nearest.
    function _power(uint256 x, uint256 n) internal pure returns (uint256 z) {
        z = n % 2 == 0 ? RAY : x;
        for (n /= 2; n != 0; n /= 2) {
            x = (x * x + RAY / 2) / RAY;
            if (n % 2 != 0) z = (z * x + RAY / 2) / RAY;
        }
    }

    function _up(uint256 x, uint256 y) internal pure returns (uint256) {
        return x == 0 ? 0 : (x - 1) / y + 1;
    }
}

/// Shares of 18 decimals as an ERC-20, with the checks and messages that all of these have.
abstract contract SavingsShares {
    string public name;
    string public symbol;
    string private _prefix;
    uint8 public constant decimals = 18;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    constructor(string memory symbol_, string memory prefix) {
        (name, symbol, _prefix) = (symbol_, symbol_, prefix);
    }

    function _need(bool holds, string memory what) internal view {
        if (!holds) revert(string.concat(_prefix, what));
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        return _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        _need(balanceOf[from] >= value, "/insufficient-balance");
        _spend(from, value);
        return _move(from, to, value);
    }

    function _move(address from, address to, uint256 value) private returns (bool) {
        _need(to != address(0) && to != address(this), "/invalid-address");
        _need(balanceOf[from] >= value, "/insufficient-balance");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
        return true;
    }

    function _spend(address from, uint256 value) internal {
        uint256 allowed = allowance[from][msg.sender];
        if (from == msg.sender || allowed == type(uint256).max) return;
        _need(allowed >= value, "/insufficient-allowance");
        allowance[from][msg.sender] = allowed - value;
    }

    function _give(address to, uint256 shares) internal {
        _need(to != address(0) && to != address(this), "/invalid-address");
        balanceOf[to] += shares;
        totalSupply += shares;
        emit Transfer(address(0), to, shares);
    }

    function _burn(address owner, uint256 shares) internal {
        _need(balanceOf[owner] >= shares, "/insufficient-balance");
        _spend(owner, shares);
        balanceOf[owner] -= shares;
        totalSupply -= shares;
        emit Transfer(owner, address(0), shares);
    }
}

abstract contract SavingsDouble is SavingsShares, Compounding {
    TestToken internal immutable _token;

    constructor(TestToken token) { _token = token; }

    function drip() public virtual returns (uint256);
    function nowChi() public view virtual returns (uint256);
    function _come(uint256 assets, uint256 shares) internal virtual;
    function _go(address to, uint256 assets, uint256 shares) internal virtual;

    function asset() external view returns (address) { return address(_token); }
    function totalAssets() public view returns (uint256) { return convertToAssets(totalSupply); }
    function convertToAssets(uint256 shares) public view returns (uint256) { return shares * nowChi() / RAY; }
    function convertToShares(uint256 assets) public view returns (uint256) { return assets * RAY / nowChi(); }
    function previewDeposit(uint256 assets) external view returns (uint256) { return convertToShares(assets); }
    function previewMint(uint256 shares) external view returns (uint256) { return _up(shares * nowChi(), RAY); }
    function maxDeposit(address) external view virtual returns (uint256) { return type(uint256).max; }
    function maxRedeem(address owner) external view virtual returns (uint256) { return balanceOf[owner]; }
    function maxWithdraw(address owner) external view virtual returns (uint256) {
        return convertToAssets(balanceOf[owner]);
    }
    function previewRedeem(uint256 shares) external view virtual returns (uint256) { return convertToAssets(shares); }
    function previewWithdraw(uint256 assets) external view virtual returns (uint256) {
        return _up(assets * RAY, nowChi());
    }

    function deposit(uint256 assets, address to) external returns (uint256 shares) {
        shares = assets * RAY / drip();
        _enter(assets, shares, to);
    }

    function mint(uint256 shares, address to) external returns (uint256 assets) {
        assets = _up(shares * drip(), RAY);
        _enter(assets, shares, to);
    }

    function withdraw(uint256 assets, address to, address owner) external returns (uint256 shares) {
        shares = _up(assets * RAY, drip());
        _leave(assets, shares, to, owner);
    }

    function redeem(uint256 shares, address to, address owner) external returns (uint256 assets) {
        assets = shares * drip() / RAY;
        _leave(assets, shares, to, owner);
    }

    function _enter(uint256 assets, uint256 shares, address to) private {
        _need(to != address(0) && to != address(this), "/invalid-address");
        _come(assets, shares);
        _give(to, shares);
        emit Deposit(msg.sender, to, assets, shares);
    }

    function _leave(uint256 assets, uint256 shares, address to, address owner) private {
        _burn(owner, shares);
        _go(to, assets, shares);
        emit Withdraw(msg.sender, to, owner, assets, shares);
    }
}

/// What sUSDS and Spark's vaults have in common: rate, accumulator and its time in the vault itself.
abstract contract OwnRateDouble is SavingsDouble {
    uint192 public chi = uint192(RAY);
    uint64 public rho = uint64(block.timestamp);
    uint256 internal _rate = RAY;

    function nowChi() public view override returns (uint256) {
        return block.timestamp > rho ? _power(_rate, block.timestamp - rho) * chi / RAY : chi;
    }

    function drip() public override returns (uint256 now_) {
        now_ = nowChi();
        _earned(totalSupply * now_ / RAY - totalSupply * chi / RAY);
        (chi, rho) = (uint192(now_), uint64(block.timestamp));
    }

    function _earned(uint256 assets) internal virtual;

    function _come(uint256 assets, uint256) internal virtual override {
        _token.transferFrom(msg.sender, address(this), assets);
    }

    function _go(address to, uint256 assets, uint256) internal virtual override { _token.transfer(to, assets); }
}

contract SUsdsDouble is OwnRateDouble {
    constructor(TestToken usds_) SavingsShares("sUSDS", "SUsds") SavingsDouble(usds_) {}

    function usds() external view returns (address) { return address(_token); }
    function ssr() external view returns (uint256) { return _rate; }
    function file(bytes32 what, uint256 data) external {
        require(what == "ssr", "SUsds/file-unrecognized-param");
        require(data >= RAY, "SUsds/wrong-ssr-value");
        require(rho == block.timestamp, "SUsds/chi-not-up-to-date");
        _rate = data;
    }

    /// Drip and file in one transaction, as governance's spells do.
    function set(uint256 data) external {
        drip();
        this.file("ssr", data);
    }

    function _earned(uint256 assets) internal override { _token.mint(address(this), assets); }
}

contract SparkVaultDouble is OwnRateDouble {
    uint256 public constant MAX_VSR = 1.000000021979553151239153027e27;
    uint256 public minVsr = RAY;
    uint256 public maxVsr = RAY;
    uint256 public depositCap;

    constructor(TestToken token, string memory symbol_) SavingsShares(symbol_, "SparkVault") SavingsDouble(token) {}

    function vsr() external view returns (uint256) { return _rate; }
    function setDepositCap(uint256 most) external { depositCap = most; }
    function setVsrBounds(uint256 least, uint256 most) external {
        require(least >= RAY, "SparkVault/vsr-too-low");
        require(most <= MAX_VSR, "SparkVault/vsr-too-high");
        require(least <= most, "SparkVault/min-vsr-gt-max-vsr");
        (minVsr, maxVsr) = (least, most);
    }
    function setVsr(uint256 rate) external {
        require(rate >= minVsr, "SparkVault/vsr-too-low");
        require(rate <= maxVsr, "SparkVault/vsr-too-high");
        drip();
        _rate = rate;
    }
    function take(uint256 value) external { _push(msg.sender, value); }

    function assetsOutstanding() external view returns (uint256) {
        (uint256 all, uint256 here) = (totalAssets(), _here());
        return all >= here ? all - here : 0;
    }
    function maxDeposit(address) external view override returns (uint256) {
        return depositCap <= totalAssets() ? 0 : depositCap - totalAssets();
    }
    function maxRedeem(address owner) external view override returns (uint256) {
        uint256 most = _here() * RAY / nowChi();
        return most > balanceOf[owner] ? balanceOf[owner] : most;
    }
    function maxWithdraw(address owner) external view override returns (uint256) {
        uint256 owned = convertToAssets(balanceOf[owner]);
        return _here() > owned ? owned : _here();
    }
    function previewRedeem(uint256 shares) external view override returns (uint256 assets) {
        assets = convertToAssets(shares);
        require(_here() >= assets, "SparkVault/insufficient-liquidity");
    }
    function previewWithdraw(uint256 assets) external view override returns (uint256) {
        require(_here() >= assets, "SparkVault/insufficient-liquidity");
        return _up(assets * RAY, nowChi());
    }

    function _here() private view returns (uint256) { return _token.balanceOf(address(this)); }
    function _earned(uint256) internal override {}

    function _come(uint256 assets, uint256 shares) internal override {
        require(totalAssets() + assets <= depositCap, "SparkVault/deposit-cap-exceeded");
        super._come(assets, shares);
    }

    function _go(address to, uint256 assets, uint256) internal override { _push(to, assets); }

    function _push(address to, uint256 assets) private {
        require(assets <= _here(), "SparkVault/insufficient-liquidity");
        _token.transfer(to, assets);
    }
}

/// The Pot, and in the place of the Vat the Dai (45 decimals) that belongs to it.
contract PotDouble is Compounding {
    uint256 public dsr = RAY;
    uint256 public chi = RAY;
    uint256 public rho = block.timestamp;
    uint256 public Pie;
    mapping(address => uint256) public pie;
    mapping(address => uint256) public dai;

    function drip() public returns (uint256 now_) {
        now_ = _power(dsr, block.timestamp - rho) * chi / RAY;
        dai[address(this)] += Pie * (now_ - chi);
        (chi, rho) = (now_, block.timestamp);
    }
    function set(uint256 rate) external {
        drip();
        dsr = rate;
    }
    function join(uint256 wad) external {
        require(block.timestamp == rho, "Pot/rho-not-updated");
        pie[msg.sender] += wad;
        Pie += wad;
        dai[address(this)] += chi * wad;
    }
    function exit(uint256 wad) external {
        pie[msg.sender] -= wad;
        Pie -= wad;
        dai[address(this)] -= chi * wad;
    }
}

contract SDaiDouble is SavingsDouble {
    PotDouble public immutable pot;

    constructor(TestToken dai, PotDouble pot_) SavingsShares("sDAI", "SavingsDai") SavingsDouble(dai) { pot = pot_; }

    function vat() external view returns (address) { return address(pot); }

    function nowChi() public view override returns (uint256) {
        uint256 since = pot.rho();
        return block.timestamp > since ? _power(pot.dsr(), block.timestamp - since) * pot.chi() / RAY : pot.chi();
    }

    function drip() public override returns (uint256) {
        return block.timestamp > pot.rho() ? pot.drip() : pot.chi();
    }

    function _come(uint256 assets, uint256 shares) internal override {
        _token.transferFrom(msg.sender, address(0xdead), assets);
        pot.join(shares);
    }

    function _go(address to, uint256 assets, uint256 shares) internal override {
        pot.exit(shares);
        _token.mint(to, assets);
    }
}
