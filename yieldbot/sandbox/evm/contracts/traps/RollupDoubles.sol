// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A double of the OP stack's GasPriceOracle since Isthmus, whose package is on no registry: the operator fee with the
/// published arithmetic (Isthmus: gas * scalar / 10^6 + constant; Jovian: gas * scalar * 100 + constant). All else is
/// the real oracle of Fjord, called as an OP chain's proxy calls it: at the address of its implementation.
contract IsthmusOracleDouble {
    address internal constant REAL = 0xc0d3C0d3C0d3c0D3C0D3C0d3C0d3C0D3C0D3000f;

    bool internal isEcotone; // the real oracle's storage
    bool internal isFjord;
    bool internal isJovian;
    uint64 internal operatorFeeConstant;
    uint32 internal operatorFeeScalar;

    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        uint256 scaled = gasUsed * operatorFeeScalar;
        return (isJovian ? scaled * 100 : scaled / 10 ** 6) + operatorFeeConstant;
    }

    fallback() external {
        (bool done, bytes memory said) = REAL.delegatecall(msg.data);
        assembly {
            switch done
            case 0 { revert(add(said, 32), mload(said)) }
            default { return(add(said, 32), mload(said)) }
        }
    }
}

/// A double of Arbitrum's precompile ArbGasInfo: a byte on L1 costs `PER_BYTE` wei.
contract ArbGasInfoDouble {
    uint256 internal constant PER_BYTE = 5 * 10 ** 9;

    function getPricesInWei() external pure returns (uint256, uint256, uint256, uint256, uint256, uint256) {
        return (PER_BYTE * 140, PER_BYTE, 2 * 10 ** 12, 10 ** 8, 0, 10 ** 8);
    }
}
