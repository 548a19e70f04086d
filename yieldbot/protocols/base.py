"""What a protocol adapter is. One file per protocol in this folder; discovery is by package listing."""

from __future__ import annotations
