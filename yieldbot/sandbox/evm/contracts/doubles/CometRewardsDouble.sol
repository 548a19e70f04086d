// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

interface ITracked {
    function accrueAccount(address account) external;
    function baseTrackingAccrued(address account) external view returns (uint64);
    function baseAccrualScale() external view returns (uint64);
}

/// A DOUBLE of Compound's CometRewards, whose contracts no registry offers: its interface and its arithmetic (what a Comet
/// tracked, rescaled to the token's decimals, less what was claimed). It is NOT CometRewards: anybody may configure it, and
/// nobody but the owner of a reward may claim.
contract CometRewardsDouble {
    struct Config {
        address token;
        uint64 rescaleFactor;
        bool shouldUpscale;
    }

    error NotSupported(address comet);
    error NotPermitted(address account);

    mapping(address => Config) public rewardConfig;
    mapping(address => mapping(address => uint256)) public rewardsClaimed;

    event RewardClaimed(address indexed src, address indexed recipient, address indexed token, uint256 amount);

    function setRewardConfig(address comet, address token) external {
        uint64 tracked = ITracked(comet).baseAccrualScale();
        uint64 one = uint64(10 ** IERC20Metadata(token).decimals());
        rewardConfig[comet] = tracked > one ? Config(token, tracked / one, false) : Config(token, one / tracked, true);
    }

    function getRewardOwed(address comet, address account) external returns (address token, uint256 owed) {
        ITracked(comet).accrueAccount(account);
        return (_config(comet).token, _all(comet, account) - rewardsClaimed[comet][account]);
    }

    function claim(address comet, address src, bool shouldAccrue) external {
        if (src != msg.sender) revert NotPermitted(msg.sender);
        if (shouldAccrue) ITracked(comet).accrueAccount(src);
        uint256 all = _all(comet, src);
        uint256 owed = all - rewardsClaimed[comet][src];
        if (owed == 0) return;
        rewardsClaimed[comet][src] = all;
        address token = _config(comet).token;
        require(IERC20(token).transfer(src, owed));
        emit RewardClaimed(src, src, token, owed);
    }

    function _config(address comet) private view returns (Config memory config) {
        config = rewardConfig[comet];
        if (config.token == address(0)) revert NotSupported(comet);
    }

    function _all(address comet, address account) private view returns (uint256) {
        Config memory config = _config(comet);
        uint256 tracked = ITracked(comet).baseTrackingAccrued(account);
        return config.shouldUpscale ? tracked * config.rescaleFactor : tracked / config.rescaleFactor;
    }
}
