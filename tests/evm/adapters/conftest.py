"""A sandbox of each file's own: thousands of blocks are mined and put back on it, and anvil keeps only the states of
the newest few hundred, so that other folders' tests would find too little history left."""

from tests.kit.evm.own_sandbox import chain as chain
from tests.kit.evm.own_sandbox import own_sandbox as own_sandbox
