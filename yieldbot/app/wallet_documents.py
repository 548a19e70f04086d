"""The documents of ``wallet``. None of them holds a private key."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part


class WrittenWallet(Document):
    """A keystore that was written."""

    name: str = Field(description="the wallet's name")
    address: str = Field(description="the key's address")
    keystore: str = Field(description="the keystore's file")


class NewWalletDocument(WrittenWallet):
    """A new key."""

    SCHEMA: ClassVar[str] = "wallet-new"


class ImportedWalletDocument(WrittenWallet):
    """An imported key."""

    SCHEMA: ClassVar[str] = "wallet-import"


class KeystoreWallet(Part):
    """A wallet whose key is in a keystore, or a keystore that no wallet names."""

    wallet: str | None = Field(description="the wallet's name; null: no wallet names the keystore")
    kind: Literal["keystore"] = Field(default="keystore", description="where the key is")
    address: str | None = Field(description="the key's address; null: the keystore cannot be read, or names none")
    keystore: str = Field(description="the keystore's file")
    fault: str | None = Field(description="why it cannot be used safely; null: it can")


class HeldWallet(Part):
    """A wallet whose key is not in a keystore."""

    wallet: str = Field(description="the wallet's name")
    kind: str = Field(description="where the key is")
    address: str = Field(description="the wallet's address")
    keystore: None = Field(default=None, description="always null")
    fault: None = Field(default=None, description="always null")


class KmsWallet(HeldWallet):
    """A wallet whose key is in AWS KMS."""

    kind: Literal["kms"] = Field(default="kms", description="where the key is")
    key_id: str = Field(description="the key's id, ARN or alias")
    region: str | None = Field(description="the AWS region; null: that of the ARN or of AWS's own settings")
    endpoint_url: str | None = Field(description="another endpoint of AWS KMS; null: Amazon's own")


class LedgerWallet(HeldWallet):
    """A wallet whose key is on a Ledger."""

    kind: Literal["ledger"] = Field(default="ledger", description="where the key is")
    path: str = Field(description="the BIP-32 path")


class SafeWallet(HeldWallet):
    """A Safe."""

    kind: Literal["safe"] = Field(default="safe", description="where the key is")
    owner: str = Field(description="the wallet of the owner that signs its proposals")
    service_url: str | None = Field(
        description="URL of Safe's transaction service; null: proposals are only written to data_dir"
    )


AnyWallet = Annotated[KeystoreWallet | KmsWallet | LedgerWallet | SafeWallet, Field(discriminator="kind")]


class WalletListDocument(Document):
    """The keystores found and the wallets configured."""

    SCHEMA: ClassVar[str] = "wallet-list"

    wallets: tuple[AnyWallet, ...] = Field(description="keystores, then wallets whose key is elsewhere")

    @property
    def exit_code(self) -> int:
        """The exit code: 1 where one of them has a fault, else 0."""
        return int(any(row.fault for row in self.wallets))


class WalletAddressDocument(Document):
    """The address of a key in AWS KMS or on a Ledger."""

    SCHEMA: ClassVar[str] = "wallet-address"

    kind: str = Field(description="`kms` or `ledger`")
    address: str = Field(description="the key's address")


class KmsAddressDocument(WalletAddressDocument):
    """The address of a key in AWS KMS."""

    key_id: str = Field(description="the key's id, ARN or alias")
    region: str | None = Field(description="the AWS region; null: that of the ARN or of AWS's own settings")
    endpoint_url: str | None = Field(description="another endpoint of AWS KMS; null: Amazon's own")


class LedgerAddressDocument(WalletAddressDocument):
    """The address of a key on a Ledger."""

    path: str = Field(description="the BIP-32 path")
