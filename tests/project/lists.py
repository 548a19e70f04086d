"""Public lists of addresses, as npm packages have them: Aave's address book (with Chainlink's feeds), Morpho's,
Uniswap's and Safe's, and Uniswap's token list."""

import json
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest

from tests.kit import ROOT

NPM = ROOT / "node_modules"
READ = """
import { createRequire } from 'node:module';
import fs from 'node:fs';
const npm = process.argv[1], require = createRequire(npm + '/');
const book = await import(npm + '/@aave-dao/aave-address-book/dist/AaveAddressBook.mjs');
const morpho = await import(npm + '/@morpho-org/morpho-ts/lib/esm/index.js');
const uniswap = require('@uniswap/sdk-core');
const tokens = require('@uniswap/default-token-list/build/uniswap-default.tokenlist.json').tokens;
const called = JSON.parse(fs.readFileSync(npm + '/@aave-dao/aave-address-book/tokenlist.json')).tokens;
const aave = {}, aave_v4 = {}, chainlink = {}, listed = {};
const list = (chain, value) => {
  if (typeof value === 'string') (listed[chain] ??= []).push(...(value.match(/\\b0x[0-9a-fA-F]{40}\\b/g) ?? []));
  else if (value && typeof value === 'object') for (const inner of Object.values(value)) list(chain, inner);
};
for (const [name, b] of Object.entries(book)) {
  if (name.startsWith('Chainlink')) chainlink[name.slice(9).toLowerCase()] = b;
  if (name.startsWith('AaveV4')) {
    list(b.CHAIN_ID, b);
    const assets = Object.values(b.ASSETS).map((a) => a.UNDERLYING);
    aave_v4[name.slice(6).toLowerCase()] = {spokes: b.TOKENIZATION_SPOKES, hubs: b.HUBS, assets};
  }
  if (!name.startsWith('AaveV3') || !b.POOL) continue;
  aave[name.slice(6).toLowerCase()] = {
    chain: b.CHAIN_ID, pool: b.POOL, data_provider: b.AAVE_PROTOCOL_DATA_PROVIDER, oracle: b.ORACLE,
    rewards_controller: b.DEFAULT_INCENTIVES_CONTROLLER,
    decimals: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.decimals])),
    oracles: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.ORACLE])),
    stata: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.STATA_TOKEN])),
  };
  list(b.CHAIN_ID, {...b, ASSETS: b.ASSETS});
}
for (const [chain, a] of Object.entries(morpho.addressesRegistry)) list(chain, a);
for (const [name, map] of Object.entries(uniswap)) {
  if (!name.endsWith('_ADDRESSES') || typeof map !== 'object') continue;
  for (const [chain, a] of Object.entries(map)) list(chain, a);
}
for (const [chain, a] of Object.entries(uniswap.CHAIN_TO_ADDRESSES_MAP)) list(chain, a);
for (const id of Object.values(uniswap.ChainId)) {
  if (typeof id === 'number') list(id, uniswap.SWAP_ROUTER_02_ADDRESSES(id));
}
const safe = npm + '/@safe-global/safe-deployments/dist/assets/v1.4.1/multi_send_call_only.json';
const multisend = JSON.parse(fs.readFileSync(safe)).networkAddresses;
for (const token of tokens) list(token.chainId, token.address);
const registry = {morpho: morpho.addressesRegistry, morpho_blocks: morpho.deployments};
const numbers = (key, value) => typeof value === 'bigint' ? Number(value) : value;
console.log(JSON.stringify({aave, aave_v4, chainlink, listed, tokens, called, multisend, ...registry}, numbers));
"""


@cache
def lists() -> dict[str, Any]:
    """``aave`` (markets by name), ``aave_v4`` (tokenization spokes by chain), ``chainlink`` (feeds by chain and
    pair), ``listed`` (every address by chain id), ``tokens`` (Uniswap's), ``called`` (what contracts call themselves,
    Aave's), ``multisend`` (Safe's, by chain id), ``morpho`` and ``morpho_blocks`` (Morpho's contracts and the blocks
    of their deployment, by chain id)."""
    node = shutil.which("node")
    packages = ("@aave-dao/aave-address-book", "@morpho-org/morpho-ts", "@uniswap/sdk-core")
    if node is None or not all((NPM / name).is_dir() for name in packages):
        pytest.skip("node or the npm packages that list addresses are not installed: run scripts/test")
    words = [node, "--input-type=module", "-e", READ, str(NPM)]
    return dict(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
