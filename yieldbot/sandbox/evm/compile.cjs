// Compiles the sandbox's contracts with solcjs from npm packages: node compile.cjs <node_modules> {<unit> <out.json>}...
// Units of one process share a compiler that is warm; the caller can run several processes at once. Of a unit's sources
// the contracts that they define are compiled, and of what these import only what they need. Settings follow each
// protocol's own build, less the metadata, so that what runs on the sandbox is what runs on chain.
'use strict';
const fs = require('fs');
const path = require('path');

const [modules, ...asked] = process.argv.slice(2);
const OURS = path.join(__dirname, 'contracts');
const aave = (names) => names.map((n) => `@aave-dao/aave-v3-origin/src/contracts/${n}.sol`);
const own = (folder) => fs.readdirSync(path.join(OURS, folder)).filter((name) => name.endsWith('.sol')).sort()
  .map((name) => path.join(folder, name)); // every source of a folder
const OZ5 = [
  'openzeppelin-contracts/contracts/=@openzeppelin/contracts/',
  'openzeppelin-contracts-upgradeable/contracts/=@openzeppelin/contracts-upgradeable/',
  'solidity-utils/contracts/=@bgd-labs/solidity-utils/src/contracts/',
];

const UNITS = {
  ours: { solc: 'solc', evm: 'shanghai', runs: 200, remap: OZ5, sources: own('.') },
  doubles: { solc: 'solc', evm: 'shanghai', runs: 200, remap: OZ5, sources: own('doubles') },
  traps: { solc: 'solc', evm: 'shanghai', runs: 200, remap: OZ5, sources: ['traps/Traps.sol', 'traps/NumberedVault.sol',
    'traps/RollupDoubles.sol'] },
  aave: { solc: 'solc', evm: 'shanghai', runs: 200, remap: OZ5, sources: aave([
    'protocol/configuration/PoolAddressesProvider', 'protocol/configuration/ACLManager',
    'instances/PoolInstance', 'instances/PoolConfiguratorInstance', 'instances/ATokenInstance',
    'instances/VariableDebtTokenInstance', 'misc/AaveOracle', 'misc/DefaultReserveInterestRateStrategyV2',
    'helpers/AaveProtocolDataProvider', 'rewards/RewardsController', 'rewards/EmissionManager',
    'rewards/transfer-strategies/PullRewardsTransferStrategy',
    ...['Borrow', 'Configurator', 'FlashLoan', 'Liquidation', 'Pool', 'Supply'].map((n) => `protocol/libraries/logic/${n}Logic`),
    'dependencies/openzeppelin/upgradeability/InitializableUpgradeabilityProxy']) },
  stata: { solc: 'solc', evm: 'shanghai', runs: 200, remap: OZ5,
    sources: aave(['extensions/stata-token/StataTokenV2']) },
  morpho: { solc: 'solc-0.8.19', evm: 'paris', runs: 999999, viaIR: true,
    sources: ['@morpho-org/morpho-blue/src/Morpho.sol', '@morpho-org/morpho-blue/src/mocks/OracleMock.sol'] },
  irm: { solc: 'solc', evm: 'paris', runs: 999999, viaIR: true, remap: OZ5,
    sources: ['sphere-mezo-solidity-files/domains/morphoIrm/contracts/AdaptiveCurveIrm.sol'] },
  metamorpho: { solc: 'solc', evm: 'paris', runs: 200, viaIR: true, remap: OZ5,
    sources: ['sphere-mezo-solidity-files/domains/metamorpho/contracts/MetaMorpho.sol'] },
  aerodrome: { solc: 'solc', evm: 'paris', runs: 200, remap: OZ5, sources: ['Pool', 'Router', 'factories/PoolFactory',
    'factories/FactoryRegistry'].map((n) => `sphere-mezo-solidity-files/domains/aerodrome/contracts/${n}.sol`) },
  slipstream: { solc: 'solc-0.7.6', evm: 'istanbul', runs: 200, sources: ['core/CLPool', 'core/CLFactory',
    'core/fees/DynamicSwapFeeModule', 'periphery/SwapRouter'
  ].map((n) => `sphere-mezo-solidity-files/domains/aerodrome-slipstream/contracts/${n}.sol`) },
};

function read(name) {
  for (const base of [OURS, modules]) {
    const file = path.join(base, name);
    if (fs.existsSync(file)) return fs.readFileSync(file, 'utf8');
  }
  return null;
}

function compile(unit) {
  const solc = require(path.join(modules, unit.solc));
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(unit.sources.map((name) => [name, { content: read(name) }])),
    settings: {
      remappings: unit.remap || [],
      optimizer: { enabled: true, runs: unit.runs },
      viaIR: Boolean(unit.viaIR),
      evmVersion: unit.evm,
      metadata: { bytecodeHash: 'none' },
      outputSelection: Object.fromEntries(unit.sources.map((name) =>
        [name, { '*': ['abi', 'evm.bytecode.object', 'evm.bytecode.linkReferences'] }])),
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), {
    import: (name) => { const found = read(name); return found === null ? { error: 'not found' } : { contents: found }; },
  }));
  const errors = (output.errors || []).filter((e) => e.severity === 'error');
  if (errors.length) throw new Error(errors[0].formattedMessage);
  const contracts = {};
  for (const file of Object.values(output.contracts)) {
    for (const [name, made] of Object.entries(file)) {
      if (made.evm.bytecode.object) {
        contracts[name] = { abi: made.abi, bytecode: made.evm.bytecode.object, links: made.evm.bytecode.linkReferences };
      }
    }
  }
  return contracts;
}

for (let at = 0; at < asked.length; at += 2) {
  const [name, outFile] = asked.slice(at, at + 2);
  if (!UNITS[name]) throw new Error(`unknown unit ${name}; known: ${Object.keys(UNITS).join(' ')}`);
  fs.writeFileSync(outFile + '.part', JSON.stringify(compile(UNITS[name])));
  fs.renameSync(outFile + '.part', outFile);
}
