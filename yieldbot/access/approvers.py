"""Persons who approve plans, and the check that a signature is theirs. Pure.

An approval is a signature over the plan itself: its digest, its legs in words, the account, the chain, and the time
when the approval expires. A row that somebody merely writes into the database is not an approval.

- ``wallet``: EIP-712 typed data (https://eips.ethereum.org/EIPS/eip-712), signed by an EVM key: a keystore of ours or
  any wallet. Domain: name ``yieldbot``, version ``1``.
- ``passkey``: a WebAuthn assertion (https://www.w3.org/TR/webauthn-3/, 7.2) by an ES256 key, whose challenge is the
  EIP-712 digest of the same message. The person must have been verified (flag UV), on the page of the named origin.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.errors import ConfigError, InvariantError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.keccak import keccak
from yieldbot.model.spelling import did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
USER_PRESENT, USER_VERIFIED = 0x01, 0x04
"""Bits of the flags byte in authenticator data: UP and UV (WebAuthn, 6.1)."""
LONGEST = 4096
"""Most bytes of each part of an assertion."""
KINDS = ("wallet", "passkey")
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's digits: none is mistaken for another when read aloud."""
SIGN_IN = b"yieldbot sign-in\0"
"""First bytes of a challenge with which a person signs in. The challenge of an approval has 32 bytes and this one more,
so that neither is ever taken for the other."""
TYPES = {
    "Approval": [
        {"name": "plan", "type": "string"},
        {"name": "digest", "type": "bytes32"},
        {"name": "account", "type": "string"},
        {"name": "chain", "type": "string"},
        {"name": "expires", "type": "uint256"},
        {"name": "calls", "type": "string[]"},
    ],
}


@dataclass(frozen=True, slots=True)
class ToApprove:
    """The message that a person signs to approve a plan."""

    plan: str
    """The plan's id."""
    digest: bytes
    """SHA-256 of the whole plan and its lines, 32 bytes."""
    account: str
    """The account whose money it moves."""
    chain: str
    """The chain, as CAIP-2."""
    expires: int
    """Chain time from which the approval is no longer valid, in unix seconds."""
    calls: tuple[str, ...]
    """Each leg in words (``execution/plan_lines``)."""

    def typed(self) -> dict[str, Any]:
        """The EIP-712 document, as ``eth_signTypedData_v4`` takes it."""
        domain = [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}]
        return {
            "types": {"EIP712Domain": domain} | TYPES,
            "primaryType": "Approval",
            "domain": {"name": "yieldbot", "version": "1"},
            "message": {
                "plan": self.plan,
                "digest": "0x" + self.digest.hex(),
                "account": self.account,
                "chain": self.chain,
                "expires": self.expires,
                "calls": list(self.calls),
            },
        }

    def challenge(self) -> bytes:
        """The EIP-712 digest of the approval (32 bytes): what an EVM key signs, and the challenge of a passkey."""
        from eth_account.messages import encode_typed_data

        message = encode_typed_data(full_message=self.typed())
        return bytes(keccak(b"\x19" + message.version + message.header + message.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """A person who may approve."""

    name: str
    """The person's name, as in the journal."""
    kind: str
    """``wallet`` or ``passkey``."""
    address: str = ""
    """The wallet's address; empty for a passkey."""
    public_key: str = ""
    """The P-256 point as 04 || x || y, in hexadecimal; passkeys only."""
    origin: str = ""
    """Origin of the page, as https://yieldbot.example; passkeys only."""
    credential: str = ""
    """Credential id in base64url, for the page that asks for the passkey; passkeys only."""

    @property
    def key(self) -> str:
        """The key by which two rows are the same person: the address in lower case, or the public key in its normal
        form."""
        return (self.address or self.public_key).lower()

    def signed(self, asked: ToApprove, signature: str) -> bool:
        """Whether this person signed exactly this. signature: 65 bytes as 0x-hex of a wallet, or the JSON of a
        passkey's assertion."""
        if self.kind == "wallet":
            return _by_wallet(self.address, asked, signature)
        return self.answered(asked.challenge(), signature)

    def answered(self, challenge: bytes, assertion: str) -> bool:
        """Whether this person's passkey signed exactly this challenge, on the registered page, after verifying the
        person. assertion: the JSON of the passkey's assertion."""
        return self.kind == "passkey" and _by_passkey(self, challenge, assertion)

    @property
    def check_code(self) -> str:
        """60 bits of the key's SHA-256 in Crockford's base32, as ``7QK4-M2XD-9RTA``: two persons compare it by voice.
        The page that makes passkeys computes the same (``passkeys.js``)."""
        number = int.from_bytes(hashlib.sha256(f"yieldbot approver {self.key}".encode()).digest()[:8], "big") >> 4
        digits = "".join(BASE32[number >> shift & 31] for shift in range(55, -1, -5))
        return "-".join(digits[at : at + 4] for at in (0, 4, 8))


def plan_digest(plan: Mapping[str, Any], calls: Sequence[str]) -> bytes:
    """SHA-256 of a plan's document as stored in the journal, together with its lines (``execution/plan_lines``)."""
    text = json.dumps({"plan": plan, "calls": list(calls)}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def approver_of(doc: object) -> Approver:
    """A person from their row in the register. Raises ConfigError for an invalid row."""
    if not isinstance(doc, Mapping) or not all(isinstance(value, str) for value in doc.values()):
        raise ConfigError("a row of the approvers is no table of texts: `yieldbot approver list` shows those that are")
    known = {"name", "kind", "address", "public_key", "origin", "credential"}
    if not doc.keys() <= known or not {"name", "kind"} <= doc.keys():
        raise ConfigError(f"a row of the approvers must have name and kind, and may have {', '.join(sorted(known))}")
    found = Approver(**{str(name): str(value) for name, value in doc.items()})
    return checked(found)


def checked(found: Approver) -> Approver:
    """The person with a passkey's public key in its normal form. Raises ConfigError where name or key is invalid."""
    if NAME.fullmatch(found.name) is None:
        raise ConfigError(
            f"approver {found.name[:40]}: write letters, digits, dots, dashes, at most 64, a letter first"
        )
    if found.kind == "wallet":
        if ADDRESS.fullmatch(found.address) is None:
            raise ConfigError(f"approver {found.name}: --wallet is no address: write 0x and 40 hexadecimal digits")
        if int(found.address, 16) == 0:
            raise ConfigError(f"approver {found.name}: --wallet is the zero address, which nobody has the key of")
        return found
    if found.kind != "passkey":
        raise ConfigError(f"approver {found.name}: kind {found.kind[:40]}: {did_you_mean(found.kind, KINDS)}")
    if not found.origin.startswith(("https://", "http://localhost")):
        raise ConfigError(f"approver {found.name}: --origin is the page's, as https://yieldbot.example")
    return replace(found, public_key=_one_form(_point(found.public_key)))


def _by_wallet(address: str, asked: ToApprove, signature: str) -> bool:
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    if re.fullmatch(r"0x[0-9a-fA-F]{128}1[bBcC]", signature) is None:
        return False
    try:
        found = Account.recover_message(encode_typed_data(full_message=asked.typed()), signature=signature)
    except Exception:  # eth-keys raises a dozen unrelated errors for bytes that are no signature
        return False
    return str(found).lower() == address.lower()


def _by_passkey(person: Approver, challenge: bytes, signature: str) -> bool:
    """WebAuthn 7.2, steps 11 to 21: type, challenge, origin, relying party, presence, verification, signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    parts = _assertion(signature)
    if parts is None:
        return False
    data, client, signed = parts
    try:
        said = loads(client)
    except (ValueError, RecursionError):
        return False
    if not isinstance(said, dict) or said.get("type") != "webauthn.get" or said.get("crossOrigin") not in (None, False):
        return False
    if said.get("challenge") != base64.urlsafe_b64encode(challenge).rstrip(b"=").decode():
        return False
    if said.get("origin") != person.origin:
        return False
    party = person.origin.partition("://")[2].partition(":")[0]
    if data[:32] != hashlib.sha256(party.encode()).digest():
        return False
    if not data[32] & USER_PRESENT or not data[32] & USER_VERIFIED:
        return False
    try:
        _point(person.public_key).verify(signed, data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _assertion(text: str) -> tuple[bytes, bytes, bytes] | None:
    """Authenticator data, client data and signature from an assertion's JSON; None where it cannot be read."""
    try:
        doc = loads(text)
        found = [_bytes(doc[name]) for name in ("authenticatorData", "clientDataJSON", "signature")]
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return None
    data, client, signed = found
    if len(data) < 37 or max(map(len, found)) > LONGEST:
        return None
    return data, client, signed


def _bytes(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * LONGEST:
        raise ValueError("no base64url text")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _point(text: str) -> Any:
    """The public key. Raises ConfigError for bytes that are not a point of P-256."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), bytes.fromhex(text))
    except ValueError:
        raise ConfigError("--passkey is no public key: write the P-256 point as 04, x and y in hexadecimal") from None


def _one_form(point: Any) -> str:
    """A public key's normal form, 04 || x || y as hexadecimal in lower case: one point has several encodings."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return str(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex())


def register_of(text: str) -> dict[str, Approver]:
    """Persons by name, from a register's JSON. Raises InvariantError where the JSON is damaged, ConfigError for an
    invalid row."""
    try:
        doc = loads(text)
        rows = doc["approvers"]
        assert isinstance(rows, list)
    except (ValueError, TypeError, KeyError, AssertionError, RecursionError):
        raise InvariantError("the register of approvers is damaged: restore approvers.json from a copy") from None
    found: dict[str, Approver] = {}
    for row in rows:
        one = approver_of(row)
        if one.name in found:
            raise ConfigError(f"approver {one.name} stands twice in approvers.json: take one out")
        if (same := next((other.name for other in found.values() if other.key == one.key), None)) is not None:
            raise ConfigError(f"approvers {same} and {one.name} have the same key in approvers.json: take one out")
        found[one.name] = one
    return found
