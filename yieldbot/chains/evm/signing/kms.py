"""Signs with a key in AWS KMS (ECC_SECG_P256K1): the key never leaves AWS, which signs only the approved digest.

Sign with MessageType DIGEST, https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html: AWS hashes nothing, so
ECDSA_SHA_256 signs our keccak-256 digest as it is. The answer is DER (RFC 3279, section 2.2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.signing.sign import address_of, assembled, to_sign, with_parity
from yieldbot.errors import ConfigError, SafetyError, TransientError, YieldbotError
from yieldbot.model.ids import Address
from yieldbot.model.settings import KmsKey
from yieldbot.model.tx import ApprovedTx, SignedTx

if TYPE_CHECKING:
    from yieldbot.chains.evm.signing.safe import ApprovedSafeTx

SPEC = "ECC_SECG_P256K1"
NEEDED = f"make one of spec {SPEC}, usage SIGN_VERIFY"
SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a03420004")
"""The bytes before x and y in the SubjectPublicKeyInfo of a key on secp256k1 (RFC 5480; uncompressed point)."""
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 10, 3
"""Timeouts of a request to AWS, and how often it is tried."""

INSTALL = "AWS KMS needs the package boto3, which is not installed: pip install boto3 (yieldbot's extra kms)"
LATER = (
    "Throttl",
    "LimitExceeded",
    "TooManyRequests",
    "KeyUnavailable",
    "DependencyTimeout",
    "KMSInternal",
    "Internal",
)
"""Parts of AWS error codes after which a later try may succeed."""
REMEDIES = {
    "AccessDenied": "refused the permission: allow kms:GetPublicKey and kms:Sign on this key to these AWS credentials",
    "NotFound": "knows no such key: correct key_id and region",
    "Disabled": "says that the key is disabled: enable it",
    "KMSInvalidState": "says that the key cannot be used as it is (waiting to be deleted, say): see its status in AWS",
    "InvalidKeyUsage": f"says that the key does not sign: {NEEDED}",
    "UnsupportedOperation": f"says that the key does not sign: {NEEDED}",
    "InvalidArn": "knows no such key: correct key_id",
    "Validation": "finds the request invalid: correct key_id, and the key's spec and usage",
    "UnrecognizedClient": "does not know these AWS credentials: correct or renew them",
    "InvalidClientTokenId": "does not know these AWS credentials: correct or renew them",
    "InvalidSignature": "does not know these AWS credentials: correct or renew them",
    "IncompleteSignature": "does not know these AWS credentials: correct or renew them",
    "ExpiredToken": "says that these AWS credentials have expired: renew them (`aws sso login`, say)",
}
"""Message and remedy by the beginning of AWS's error code. AWS's own text is never shown, since it names accounts."""


class KmsClient:
    """The two requests to AWS about one key. boto3 and AWS's settings are loaded with the first request."""

    __slots__ = ("_client", "_key")

    def __init__(self, key: KmsKey) -> None:
        self._key = key
        self._client: Any = None

    def address(self) -> Address:
        """The key's address. Raises ConfigError if it is not a signing key on secp256k1 or AWS refuses, TransientError
        if AWS cannot be reached."""
        answer = self._request("get_public_key")
        spec, usage = answer.get("KeySpec", answer.get("CustomerMasterKeySpec")), answer.get("KeyUsage")
        if spec != SPEC or usage != "SIGN_VERIFY":
            raise ConfigError(f"{self._named()} is of spec {spec}, usage {usage}: {NEEDED}")
        try:
            return address_of(public_key(answer["PublicKey"]))
        except (KeyError, ValueError):
            raise TransientError(f"{self._named()}: AWS answered with no public key on secp256k1") from None

    def sign(self, digest: bytes) -> tuple[int, int]:
        """(r, s) of a signature over a digest of 32 bytes. Raises ConfigError, TransientError, and SafetyError for an
        answer that is no signature."""
        answer = self._request("sign", Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")
        try:
            return ecdsa_signature(answer["Signature"])
        except (KeyError, ValueError):
            raise SafetyError("DIGEST_MISMATCH", f"{self._named()}: what came back is no signature") from None

    def _named(self) -> str:
        return f"AWS KMS key {self._key.key_id}"

    def _request(self, method: str, **given: Any) -> Any:
        try:
            import botocore.exceptions as aws
        except ImportError:
            raise ConfigError(INSTALL) from None
        try:
            if self._client is None:
                self._client = self._connected()
            return getattr(self._client, method)(KeyId=self._key.key_id, **given)
        except aws.ClientError as refusal:
            raise self._error_of(refusal.response) from None
        except (aws.ConnectionError, aws.HTTPClientError) as failure:
            raise TransientError(
                f"{self._named()}: AWS cannot be reached ({type(failure).__name__}): check the connection, region and "
                "endpoint_url"
            ) from None
        except aws.NoRegionError:
            raise ConfigError(f"{self._named()}: no region: name it as region, or set AWS_DEFAULT_REGION") from None
        except (aws.BotoCoreError, ValueError) as failure:  # ValueError: an endpoint_url that is none
            raise ConfigError(
                f"{self._named()}: AWS's settings cannot be used ({type(failure).__name__}): give credentials by "
                "AWS_PROFILE, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by the machine's role"
            ) from None

    def _connected(self) -> Any:
        import boto3
        from botocore.config import Config

        parts = self._key.key_id.split(":")
        of_arn = parts[3] if parts[0] == "arn" and len(parts) > 3 else None
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
        )
        return boto3.session.Session().client(
            "kms", region_name=self._key.region or of_arn, endpoint_url=self._key.endpoint_url, config=config
        )

    def _error_of(self, answer: Any) -> YieldbotError:
        """AWS's error answer as ours: TransientError if a later try may succeed, else ConfigError."""
        code = str(answer.get("Error", {}).get("Code", ""))
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or any(part in code for part in LATER):
            return TransientError(f"{self._named()}: AWS cannot serve it now ({code or status}): try again later")
        remedy = next((remedy for begin, remedy in REMEDIES.items() if code.startswith(begin)), None)
        message = remedy or f"answered with the error {code or status}: see it in AWS's documentation of KMS"
        return ConfigError(f"{self._named()}: AWS {message}")


class KmsSigner:
    """Signs with a key in AWS KMS. No request is made before ``open`` or the first signature."""

    __slots__ = ("_address", "_client", "_opened")

    def __init__(self, key: KmsKey, address: Address) -> None:
        """``address``: the wallet's in yieldbot.toml; ``open`` checks that the key belongs to it."""
        self._client = KmsClient(key)
        self._address = address
        self._opened = False

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._address

    def __repr__(self) -> str:
        return f"KmsSigner({self._address})"

    @property
    def opened(self) -> bool:
        """Whether AWS has shown that the key belongs to the address."""
        return self._opened

    def open(self) -> None:
        """Fetch the key's address from AWS, once, and compare it. Raises ConfigError, TransientError."""
        if self._opened:
            return
        found = self._client.address()
        if found.lower() != self._address.lower():
            raise ConfigError(f"the AWS KMS key is of {found}, not {self._address}: correct address or key_id")
        self._opened = True

    def sign(self, approved: ApprovedTx) -> SignedTx:
        """Sign an approved transaction. Raises SafetyError, ConfigError, TransientError: then there is no signature."""
        digest = to_sign(approved)
        self.open()
        return assembled(approved, self._address, *self._client.sign(digest))

    def sign_safe(self, approved: ApprovedSafeTx) -> bytes:
        """An owner's signature over a Safe transaction: r, s, v. Raises SafetyError, ConfigError, TransientError."""
        self.open()
        return with_parity(approved.hash, self._address, *self._client.sign(approved.hash))


def public_key(der: bytes) -> bytes:
    """x and y (64 bytes) of a SubjectPublicKeyInfo on secp256k1. Raises ValueError for anything else."""
    if len(der) != len(SPKI) + 64 or not der.startswith(SPKI):
        raise ValueError("no uncompressed public key on secp256k1")
    return der[len(SPKI) :]


def ecdsa_signature(der: bytes) -> tuple[int, int]:
    """r and s of an Ecdsa-Sig-Value, strictly DER: SEQUENCE of two positive INTEGERs, nothing after it.

    Raises ValueError for anything else.
    """
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise ValueError("no DER sequence of the answer's length")
    numbers, rest = [], der[2:]
    while rest:
        if len(rest) < 3 or rest[0] != 0x02 or not 1 <= rest[1] <= min(33, len(rest) - 2):
            raise ValueError("no DER integer")
        word, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if word[0] & 0x80 or (len(word) > 1 and word[0] == 0 and not word[1] & 0x80):
            raise ValueError("a negative or padded integer")
        numbers.append(int.from_bytes(word, "big"))
    if len(numbers) != 2:
        raise ValueError(f"{len(numbers)} integers, not two")
    return numbers[0], numbers[1]
