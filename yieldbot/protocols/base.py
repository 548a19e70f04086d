"""The Protocol classes (typing) that adapters implement are in ``protocols/evm/base.py`` and
``protocols/solana/base.py``. Each protocol is one file in its family's folder and is found by listing the package."""

from __future__ import annotations
