"""Encrypted columns, blind indexes and the hashing of idempotency keys.

Nothing here logs, and no error carries a value.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_NONCE_BYTES = 12
_INDEX_BYTES = 16
_PROOF_BYTES = 16
_KEY_ID = re.compile(rb"[A-Za-z0-9_.-]{1,32}")
HEAD_BYTES = 34
"""How much of an encrypted value tells under which key it is, at most: version, length, and an id of 32 characters."""


class DecryptionFailed(Exception):
    """A stored value cannot be opened: unknown key, changed bytes, or a value moved from another row."""


class Keyring:
    """AES-256-GCM under the first of several keys; every one of them still decrypts.

    A value is one version byte, the length and the text of the key's id, a random 12-byte nonce and the
    ciphertext with its tag. The header and the place it is bound to are authenticated with it.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id.encode(): AESGCM(key) for key_id, key in keys.items()}
        self._active = next(iter(self._ciphers))
        self.proofs = _proofs(keys)
        """By which each key is known again, by id, the active one first."""

    @property
    def active(self) -> str:
        """The id of the key that encrypts."""
        return self._active.decode()

    def encrypt(self, plaintext: bytes, *, bound_to: str) -> bytes:
        """Encrypt under the active key; only the same `bound_to` opens it again."""
        header = bytes([_VERSION, len(self._active)]) + self._active
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._active].encrypt(nonce, plaintext, header + bound_to.encode())
        return header + nonce + sealed

    def decrypt(self, value: bytes, *, bound_to: str) -> bytes:
        """Open what `encrypt` made, under whichever live key it names.

        Raises:
            DecryptionFailed: malformed, unknown key, changed, or bound to another place.
        """
        if len(value) < 2 or value[0] != _VERSION:
            raise DecryptionFailed("the value is not in a form that this version writes")
        body = 2 + value[1]
        cipher = self._ciphers.get(value[2:body])
        if cipher is None:
            raise DecryptionFailed("the value was written under a key that is not configured")
        nonce, sealed = value[body : body + _NONCE_BYTES], value[body + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, value[:body] + bound_to.encode())
        except (InvalidTag, ValueError):
            raise DecryptionFailed("the value was changed or belongs to another place") from None


class IndexKind(StrEnum):
    """What a blind index is made of; the same text of two kinds gives two indexes."""

    GUEST_ID = "guest_id"
    EMAIL = "email"
    PHONE = "phone"
    LAST_NAME = "last_name"
    CONFIRMATION = "confirmation"
    RESERVATION = "reservation"


class BlindIndex:
    """Keyed hashes by which encrypted rows are found by equality, and by nothing else.

    An index is the length and the text of its key's id and 16 bytes of HMAC-SHA256. The hotel is part of it,
    so that nobody can follow a guest from one hotel to another by comparing columns.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {key_id.encode(): key for key_id, key in keys.items()}
        self._active = next(iter(self._keys))
        self.proofs = _proofs(keys)
        """By which each key is known again, by id, the active one first."""

    @property
    def active(self) -> str:
        """The id of the key that indexes."""
        return self._active.decode()

    def index(self, kind: IndexKind, value: str, *, hotel_id: str) -> bytes:
        """Give the index to store, under the active key; `value` is already folded."""
        return self._under(self._active, kind, value, hotel_id)

    def indexes(self, kind: IndexKind, value: str, *, hotel_id: str) -> list[bytes]:
        """Give the indexes to look for, one under each live key."""
        return [self._under(key_id, kind, value, hotel_id) for key_id in self._keys]

    def formers(self, kind: IndexKind, value: str, *, hotel_id: str) -> list[bytes]:
        """Give the indexes of a value under the keys of before."""
        return [self._under(key_id, kind, value, hotel_id) for key_id in self._keys if key_id != self._active]

    def _under(self, key_id: bytes, kind: IndexKind, value: str, hotel_id: str) -> bytes:
        mac = _mac(self._keys[key_id], kind.value, hotel_id, value)[:_INDEX_BYTES]
        return bytes([len(key_id)]) + key_id + mac


class Marks:
    """Keyed hashes by which an erased guest is known again, and by nothing else.

    They cannot be made anew once the guest is gone, so that they must survive every rotation: their key comes from the
    secret that is never rotated, under a label of its own. The hotel is part of a mark.
    """

    def __init__(self, secret: bytes) -> None:
        """Derive the key from the secret of idempotency keys."""
        self._key = _mac(secret, "marks of erased guests")

    def mark(self, kind: str, *values: str, hotel_id: str) -> bytes:
        """Give the 16 bytes that stand for `values`, which are folded already."""
        return _mac(self._key, kind, hotel_id, *values)[:_INDEX_BYTES]


class IdempotencyHasher:
    """HMACs of idempotency keys and of the requests they stand for.

    The secret is its own and is never rotated: the uniqueness of a key must survive a rotation of others.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.proofs = _proofs({"": secret})
        """By which the secret is known again, under no id."""

    def key_hash(self, *, client: str, hotel_id: str, key: str) -> bytes:
        """Give the 32 bytes under which a caller's key is stored."""
        return _mac(self._secret, "key", client, hotel_id, key)

    def fingerprint(self, *, method: str, path: str, if_match: str | None, body: Any) -> bytes:
        """Give the 32 bytes that tell one request from another; `body` is JSON-like and made canonical."""
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        return _mac(self._secret, "request", method, path, if_match or "", canonical)


class RowCipher:
    """JSON values of single columns, bound to table, column, hotel and row."""

    def __init__(self, keyring: Keyring, *, table: str) -> None:
        self._keyring = keyring
        self._table = table

    def seal(self, column: str, value: Any, *, hotel_id: str | None, row: str) -> bytes:
        """Encrypt `value` (JSON-like, or bytes that are JSON already) for one place."""
        plaintext = value if isinstance(value, bytes) else orjson.dumps(value)
        return self._keyring.encrypt(plaintext, bound_to=self._place(column, hotel_id, row))

    def seal_present(self, column: str, value: Any, *, hotel_id: str | None, row: str) -> bytes | None:
        """Encrypt `value`, or give nothing for nothing."""
        return None if value is None else self.seal(column, value, hotel_id=hotel_id, row=row)

    def open(self, column: str, value: bytes, *, hotel_id: str | None, row: str) -> bytes:
        """Decrypt to JSON text."""
        return self._keyring.decrypt(value, bound_to=self._place(column, hotel_id, row))

    def open_json(self, column: str, value: bytes | None, *, hotel_id: str | None, row: str) -> Any:
        """Decrypt to a JSON value; nothing stays nothing."""
        return None if value is None else orjson.loads(self.open(column, value, hotel_id=hotel_id, row=row))

    def _place(self, column: str, hotel_id: str | None, row: str) -> str:
        # A hotel id has no bar in it, and the row comes last: no two places are written alike.
        return "|".join((self._table, column, hotel_id or "", row))


def encrypted_under(value: bytes) -> str | None:
    """Give the id of the key that an encrypted value names, or the first bytes of one; None for what is none."""
    if len(value) < 2 or value[0] != _VERSION:
        return None
    return _named(value[2 : 2 + value[1]], value[1])


def indexed_under(value: bytes) -> str | None:
    """Give the id of the key that a blind index names; None for what is no blind index."""
    if not value or len(value) != 1 + value[0] + _INDEX_BYTES:
        return None
    return _named(value[1 : 1 + value[0]], value[0])


def _named(key_id: bytes, length: int) -> str | None:
    return key_id.decode() if len(key_id) == length and _KEY_ID.fullmatch(key_id) else None


def _proofs(keys: Mapping[str, bytes]) -> Mapping[str, bytes]:
    # Half of an HMAC of a constant: it tells whether 32 random bytes are the same ones, and nothing else about them.
    made = {key_id: _mac(key, "proof of a key", key_id)[:_PROOF_BYTES] for key_id, key in keys.items()}
    return MappingProxyType(made)


def _mac(key: bytes, *parts: str) -> bytes:
    # Lengths keep ("a", "bc") and ("ab", "c") apart.
    message = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
    return hmac.new(key, message, hashlib.sha256).digest()
