"""Ed25519 keys: the private one a PEM file, the public one 32 bytes in base64."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dfedge.errors import UsageError


def make_key(path: Path) -> Ed25519PrivateKey:
    """Write a new private key that only its owner may read.

    Raises:
        UsageError: it cannot be written there, or there is something already.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path}: is there already; a key that is lost cannot be made again, so choose another "
            "place"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; choose another place") from error
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        UsageError: there is none, or one of another kind.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise UsageError(f"--key {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"--key {path}: is no private Ed25519 key without a password; "
            "`dfedge sign keygen` makes one"
        )
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key as browsers are given it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
