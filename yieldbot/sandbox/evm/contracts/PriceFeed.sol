// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A settable price with Chainlink's AggregatorV3 interface (and its older latestAnswer, which Aave reads). It speaks
/// in every block, until it is told to stop.
contract PriceFeed {
    uint8 public constant decimals = 8;
    uint256 public constant version = 4;
    string public description;
    int256 private _answer;
    uint256 private _stoppedAt;

    constructor(string memory description_, int256 answer_) {
        description = description_;
        set(answer_);
    }

    function set(int256 answer_) public {
        _answer = answer_;
        _stoppedAt = 0;
    }

    function stop() external {
        _stoppedAt = block.timestamp;
    }

    function latestAnswer() external view returns (int256) {
        return _answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        uint256 updatedAt = _stoppedAt == 0 ? block.timestamp : _stoppedAt;
        return (1, _answer, updatedAt, updatedAt, 1);
    }
}
