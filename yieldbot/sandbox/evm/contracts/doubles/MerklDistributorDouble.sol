// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// A DOUBLE of Merkl's Distributor, whose contracts no registry offers: its claim call, its leaves (a hash of user, token and
/// cumulative amount) and its tree (each pair sorted). It is NOT the Distributor: anybody may set the root, there is no
/// dispute, no operator and no other recipient than the user.
contract MerklDistributorDouble {
    struct Claim {
        uint208 amount;
        uint48 timestamp;
        bytes32 merkleRoot;
    }

    error InvalidLengths();
    error InvalidProof();
    error NotWhitelisted();

    bytes32 public getMerkleRoot;
    mapping(address => mapping(address => Claim)) public claimed;

    event Claimed(address indexed user, address indexed token, uint256 amount);

    function setRoot(bytes32 root) external {
        getMerkleRoot = root;
    }

    function claim(
        address[] calldata users,
        address[] calldata tokens,
        uint256[] calldata amounts,
        bytes32[][] calldata proofs
    ) external {
        uint256 count = users.length;
        if (count == 0 || count != tokens.length || count != amounts.length || count != proofs.length) {
            revert InvalidLengths();
        }
        for (uint256 i = 0; i < count; i++) {
            if (users[i] != msg.sender) revert NotWhitelisted();
            bytes32 node = keccak256(abi.encode(users[i], tokens[i], amounts[i]));
            for (uint256 k = 0; k < proofs[i].length; k++) {
                bytes32 other = proofs[i][k];
                node = node < other ? keccak256(abi.encode(node, other)) : keccak256(abi.encode(other, node));
            }
            if (node != getMerkleRoot) revert InvalidProof();
            uint256 due = amounts[i] - claimed[users[i]][tokens[i]].amount;
            claimed[users[i]][tokens[i]] = Claim(uint208(amounts[i]), uint48(block.timestamp), getMerkleRoot);
            if (due > 0) require(IERC20(tokens[i]).transfer(users[i], due));
            emit Claimed(users[i], tokens[i], due);
        }
    }
}
