"""A labelled double of an authenticator: makes WebAuthn assertions as a browser with a passkey does, on request with
faults."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey for one origin."""

    origin: str = "https://yieldbot.example"
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    @property
    def public(self) -> str:
        """Its public key as 04, x and y in hexadecimal."""
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()

    def assertion(self, challenge: bytes, *, flags: int = 0x05, party: str = "yieldbot.example", **said: Any) -> str:
        """The result of `navigator.credentials.get`, as JSON. said: members of the client data to replace."""
        client = json.dumps(
            {"type": "webauthn.get", "challenge": _text(challenge), "origin": self.origin, "crossOrigin": False} | said
        ).encode()
        data = hashlib.sha256(party.encode()).digest() + bytes([flags]) + (7).to_bytes(4, "big")
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        parts = {"authenticatorData": data, "clientDataJSON": client, "signature": signed}
        return json.dumps({name: _text(value) for name, value in parts.items()})


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
