"""What somebody would sign, read without a terminal."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.kit.cli.decode import POOL, STRANGER, SUPPLY
from tests.kit.cli.decode_solana import OWNER, deposit
from yieldbot.app.context import Context
from yieldbot.app.decode import DecodeRequest, decode
from yieldbot.chains.solana.execution.build import NO_BLOCKHASH, compiled, message_bytes
from yieldbot.errors import ConfigError


def nothing(characters: int) -> str:
    raise AssertionError("nothing is piped in")


def test_a_call_is_read_whether_it_is_written_or_piped_in(tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    written = decode(DecodeRequest(data=SUPPLY, chain="base", to=POOL, piped=nothing), context)
    piped = decode(DecodeRequest(data="-", chain="8453", to=POOL, piped=lambda most: SUPPLY + "\n"), context)
    assert written == piped and written.exit_code == 0
    document = written.document.as_json()
    assert list(document)[:5] == ["schema", "chain_id", "to", "value_wei", "known"] and document["known"]
    assert written.lines[0].startswith("supply: supply(")
    stranger = decode(DecodeRequest(data=SUPPLY, chain="base", to=STRANGER, piped=nothing), context)
    assert stranger.lines[0].startswith("UNKNOWN CONTRACT")


def test_a_message_of_a_chain_that_no_file_describes(tmp_path: Path) -> None:
    file = tmp_path / "code.json"
    file.write_text(json.dumps({"chainId": 0, "address": STRANGER, "nonce": 3}))
    found = decode(DecodeRequest(typed=str(file), piped=nothing), Context(tmp_path / "yieldbot.toml"))
    document = found.document.as_json()
    assert (document["chain_id"], found.exit_code) == (None, 4) and "to" not in document and document["dangers"]


def test_a_transaction_on_solana_names_all_of_it(tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    text = base64.b64encode(message_bytes(compiled((deposit(),), OWNER, NO_BLOCKHASH))).decode()
    document = decode(DecodeRequest(data=text, chain="solana", piped=nothing), context).document.as_json()
    assert list(document) == ["schema", "chain_id", "payer", "signatures", "lookup_tables", "instructions"]
    with pytest.raises(ConfigError, match="--to means nothing on Solana"):
        decode(DecodeRequest(data=text, chain="solana", to=POOL, piped=nothing), context)
