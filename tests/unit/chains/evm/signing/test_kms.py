"""The AWS KMS signer against moto's KMS: the account of a key, signatures, and AWS's refusals in our words."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.loaders import JSONFileLoader
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.kit.evm.signing import approved
from tests.kit.kms_server import REGION, aws_environment, digests, make_key
from tests.kit.wiring import OWNER, supply_tx
from yieldbot.chains.evm.signing.kms import INSTALL, KmsClient, KmsSigner, ecdsa_signature, public_key
from yieldbot.chains.evm.signing.sign import CURVE_ORDER, digest
from yieldbot.errors import ConfigError, SafetyError, TransientError
from yieldbot.model.ids import Address
from yieldbot.model.settings import KmsKey
from yieldbot.model.tx import ApprovedTx


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """botocore's files that describe AWS are read once: moto makes each test begin with a session that knows none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield


@pytest.fixture(autouse=True)
def _aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws(), digests():
        for name, value in aws_environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        yield


def key(**changes: Any) -> KmsKey:
    return KmsKey(**({"key_id": make_key(), "region": REGION} | changes))


def approved_of(owner: Address) -> ApprovedTx:
    from dataclasses import replace

    found = approved()
    tx = replace(supply_tx(), sender=owner)
    return replace(found, simulated=replace(found.simulated, tx=tx), digest=digest(tx))


def test_the_signature_is_low_and_the_accounts_whatever_aws_gives() -> None:
    from eth_account import Account
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    held = key()
    owner = KmsClient(held).address()
    signer = KmsSigner(held, owner)
    assert signer.address == owner and not signer.opened
    given_s, parities = set(), set()
    asked = KmsClient.sign

    def noted(self: KmsClient, wanted: bytes) -> tuple[int, int]:
        r, s = asked(self, wanted)
        given_s.add(s > CURVE_ORDER // 2)
        return r, s

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KmsClient, "sign", noted)
        for _ in range(200):
            signed = signer.sign(approved_of(owner))
            read = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
            assert read["s"] <= CURVE_ORDER // 2 and Account.recover_transaction(signed.raw) == owner
            parities.add(read["v"])
            if given_s == {True, False} and parities == {0, 1}:
                break
    assert given_s == {True, False} and parities == {0, 1} and signer.opened


def test_the_region_comes_from_the_key_its_arn_or_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    held = key()
    owner = KmsClient(held).address()
    arn = f"arn:aws:kms:{REGION}:123456789012:key/{held.key_id}"
    assert KmsClient(KmsKey(key_id=arn)).address() == owner
    with pytest.raises(ConfigError, match="no region: name it as region, or set AWS_DEFAULT_REGION"):
        KmsClient(KmsKey(key_id=held.key_id)).address()
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    boto3.client("kms").create_alias(AliasName="alias/yieldbot", TargetKeyId=held.key_id)
    assert KmsClient(KmsKey(key_id="alias/yieldbot")).address() == owner


def test_a_key_of_another_account_signs_nothing() -> None:
    with pytest.raises(ConfigError, match=f"not {OWNER}: correct address or key_id"):
        KmsSigner(key(), OWNER).sign(approved())


def test_a_key_that_changes_after_it_was_looked_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    held = key()
    owner = KmsClient(held).address()
    signer = KmsSigner(held, owner)
    signer.open()
    theirs = KmsClient(key()).sign(digest(approved_of(owner).simulated.tx))
    monkeypatch.setattr(KmsClient, "sign", lambda self, wanted: theirs)
    with pytest.raises(SafetyError, match="WRONG_KEY"):
        signer.sign(approved_of(owner))


def test_an_approval_of_other_bytes_never_reaches_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    held = key()
    owner = KmsClient(held).address()
    monkeypatch.setattr(KmsClient, "_request", lambda *args, **more: pytest.fail("AWS was asked"))
    with pytest.raises(SafetyError, match="DIGEST_MISMATCH"):
        KmsSigner(held, owner).sign(replace(approved_of(owner), digest=bytes(32)))


@pytest.mark.parametrize(
    ("spec", "usage"), [("ECC_NIST_P256", "SIGN_VERIFY"), ("RSA_2048", "SIGN_VERIFY"), ("RSA_2048", "ENCRYPT_DECRYPT")]
)
def test_a_key_of_another_kind_is_told(spec: str, usage: str) -> None:
    with pytest.raises(ConfigError, match="spec ECC_SECG_P256K1, usage SIGN_VERIFY"):
        KmsClient(key(key_id=make_key(spec, usage))).address()


def test_a_key_that_is_not_there_or_disabled_is_told() -> None:
    with pytest.raises(ConfigError, match="knows no such key: correct key_id and region"):
        KmsClient(key(key_id="00000000-0000-0000-0000-000000000000")).address()
    held = key()
    owner = KmsClient(held).address()
    boto3.client("kms", region_name=REGION).disable_key(KeyId=held.key_id)
    with pytest.raises(ConfigError) as refused:
        refusing(held, ClientError({"Error": {"Code": "DisabledException", "Message": "arn:aws:..."}}, "Sign"), owner)
    assert "enable it" in str(refused.value)


def refusing(held: KmsKey, failure: Exception, owner: Address) -> None:
    """A signature asked for while AWS fails so."""

    class Client:
        def get_public_key(self, **given: Any) -> Any:
            raise failure

        sign = get_public_key

    signer = KmsSigner(held, owner)
    signer._client._client = Client()
    signer.sign(approved_of(owner))


@pytest.mark.parametrize(
    ("failure", "kind", "remedy"),
    [
        ("AccessDeniedException", ConfigError, "allow kms:GetPublicKey and kms:Sign"),
        ("NotFoundException", ConfigError, "correct key_id and region"),
        ("DisabledException", ConfigError, "enable it"),
        ("KMSInvalidStateException", ConfigError, "see its status"),
        ("InvalidKeyUsageException", ConfigError, "SIGN_VERIFY"),
        ("UnrecognizedClientException", ConfigError, "correct or renew them"),
        ("ExpiredTokenException", ConfigError, "renew them"),
        ("SomethingNew", ConfigError, "SomethingNew"),
        ("ThrottlingException", TransientError, "try again later"),
        ("KeyUnavailableException", TransientError, "try again later"),
        ("KMSInternalException", TransientError, "try again later"),
        (EndpointConnectionError(endpoint_url="https://kms.example"), TransientError, "check the connection"),
        (ReadTimeoutError(endpoint_url="https://kms.example"), TransientError, "check the connection"),
    ],
)
def test_awss_refusals_in_one_line_without_its_own_words(failure: Any, kind: type[Exception], remedy: str) -> None:
    if isinstance(failure, str):
        said = {"Error": {"Code": failure, "Message": "User arn:aws:iam::1234:user/me"}}
        failure = ClientError({**said, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Sign")
    with pytest.raises(kind) as refused:
        refusing(KmsKey(key_id="alias/x"), failure, OWNER)
    line = str(refused.value)
    assert line.startswith("AWS KMS key alias/x: AWS ") and remedy in line and "\n" not in line and "1234" not in line
    assert refused.value.__cause__ is None and "never-to-be-shown" not in line


def test_without_credentials_or_an_address_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match=r"settings cannot be used \(ProfileNotFound\): give credentials by"):
        KmsClient(KmsKey(key_id="x", region=REGION)).address()
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(ConfigError, match=r"settings cannot be used \(ValueError\)"):
        KmsClient(KmsKey(key_id="x", region=REGION, endpoint_url="nowhere")).address()


def test_without_boto3_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **more: Any) -> Any:
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ImportError(name)
        return real(name, *args, **more)

    signer = KmsSigner(KmsKey(key_id="x"), OWNER)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError) as refused:
        signer.open()
    assert str(refused.value) == INSTALL and "pip install boto3" in INSTALL


@given(st.integers(1, CURVE_ORDER - 1), st.integers(1, CURVE_ORDER - 1))
def test_der_is_read_as_it_is_written(r: int, s: int) -> None:
    der = encode_dss_signature(r, s)
    assert ecdsa_signature(der) == (r, s)
    for broken in (der[:-1], der + b"\0", b"\x31" + der[1:], der[:1] + bytes([der[1] ^ 1]) + der[2:]):
        with pytest.raises(ValueError):
            ecdsa_signature(broken)


@pytest.mark.parametrize(
    "der",
    ["", "3000", "3006020101020181", "300702020001020101", "3003020101", "3009020101020101020101", "300402000200"],
)
def test_what_is_no_strict_der_is_refused(der: str) -> None:
    with pytest.raises(ValueError):
        ecdsa_signature(bytes.fromhex(der))


@given(st.binary(max_size=100))
def test_junk_is_refused(der: bytes) -> None:
    for read in (ecdsa_signature, public_key):
        try:
            read(der)
        except ValueError:
            continue
        assert read is ecdsa_signature and der[0] == 0x30
