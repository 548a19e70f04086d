"""moto's AWS KMS, in this process or on a loopback port, with MessageType=DIGEST as AWS documents it.

moto (5.2) ignores MessageType and hashes the message; AWS signs a digest of 32 bytes unchanged and refuses other
lengths (API_Sign). ``digests`` adds that. Without it moto stands for a KMS that signs something else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.exceptions import ValidationException
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@contextmanager
def digests() -> Iterator[None]:
    """Context in which moto signs a digest as AWS does."""
    asked = threading.local()
    answer, sign = KmsResponse.sign, ECDSAPrivateKey.sign

    def answers(self: Any) -> str:
        asked.digest = self._get_param("MessageType") == "DIGEST"
        return str(answer(self))

    def signs(self: Any, message: bytes, signing_algorithm: str) -> bytes:
        if not asked.digest:
            return bytes(sign(self, message, signing_algorithm))
        if len(message) != 32:
            raise ValidationException(f"Digest is invalid length for algorithm {signing_algorithm}.")
        return bytes(self.private_key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256()))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KmsResponse, "sign", answers)
        patch.setattr(ECDSAPrivateKey, "sign", signs)
        yield


@contextmanager
def served() -> Iterator[str]:
    """moto on a loopback port; yields its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def aws_environment(folder: Path) -> dict[str, str]:
    """Environment variables with false credentials, and without this machine's AWS settings."""
    nothing = str(folder / "no-such-file")
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "never-to-be-shown",
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def make_key(spec: str = "ECC_SECG_P256K1", usage: str = "SIGN_VERIFY", endpoint_url: str | None = None) -> str:
    """A new key's id."""
    client = boto3.client("kms", region_name=REGION, endpoint_url=endpoint_url)
    return str(client.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])
