"""Firmware images: only what we signed, for this type, newer than what runs, whole, is ever started (attack A27).

The manifest is JSON signed like every message to a device, but with Ed25519: a device that was opened and read holds no
key that signs for others.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from daozhang.devices.health import software

_MOST_BYTES = 64 * 1024 * 1024


class Refused(Exception):
    """The image is not for us; ``why`` is one of: signature, type, rollback, size, hash, manifest."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image says of itself. ``least``: once committed, a device never goes back below it."""

    type: str
    version: str
    size: int
    sha256: str
    least: str = "0"
    kind: str = "firmware"


def made(image: bytes, device_type: str, version: str, key: Ed25519PrivateKey, least: str = "0", kind: str = "firmware") -> bytes:
    """The signed manifest of an image: JSON, a line feed, the signature in hexadecimal."""
    table = {"type": device_type, "version": version, "size": len(image), "sha256": hashlib.sha256(image).hexdigest(),
             "least": least, "kind": kind}  # fmt: skip
    text = json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
    return text + b"\n" + key.sign(text).hex().encode()


def accepted(manifest: bytes, image: bytes, key: Ed25519PublicKey, device_type: str, running: str, floor: str) -> Manifest:
    """The manifest of an image that may be started. ``floor`` is the least version this device ever promised to keep.

    Raises Refused: signature first, so that nothing unsigned is even read.
    """
    told = signed_by(manifest, key)
    if told.type != device_type or told.kind != "firmware":
        raise Refused("type")
    wanted, now, least = software(told.version), software(running) or (), software(floor) or ()
    if wanted is None or wanted <= now or wanted < least:
        raise Refused("rollback")
    whole(told, image)
    return told


def signed_by(manifest: bytes, key: Ed25519PublicKey) -> Manifest:
    """What the manifest says, when this key signed it. Raises Refused."""
    text, _, signature = manifest.partition(b"\n")
    try:
        key.verify(bytes.fromhex(signature.decode("ascii")), text)
    except (InvalidSignature, ValueError):
        raise Refused("signature") from None
    return _read(text)


def whole(told: Manifest, image: bytes) -> None:
    """Raises Refused unless these are the image's bytes, all of them."""
    if told.size != len(image) or len(image) > _MOST_BYTES:
        raise Refused("size")
    if hashlib.sha256(image).hexdigest() != told.sha256:
        raise Refused("hash")


def _read(text: bytes) -> Manifest:
    try:
        table: dict[str, Any] = json.loads(text)
        return Manifest(str(table["type"]), str(table["version"]), int(table["size"]), str(table["sha256"]), str(table["least"]),
                        str(table.get("kind", "firmware")))  # fmt: skip
    except (ValueError, KeyError, TypeError):
        raise Refused("manifest") from None


@dataclass
class Slots:
    """Two places for images. A new one is tried once; unless it says that it is well, the old one runs again.

    The old image stays in the other place until the new one is committed (the whole roll-out is well): only then the floor
    rises, so that a stopped roll-out can go back and nothing else can.
    """

    running: str
    floor: str = "0"
    other: str = ""
    other_least: str = "0"
    trying: Manifest | None = None
    tried: Manifest | None = None

    def install(self, told: Manifest) -> None:
        self.trying = told

    def boots(self) -> str:
        """What starts now: the new image the first time, the old one when the new one did not confirm itself."""
        self.tried, self.trying = self.trying, None
        return self.tried.version if self.tried else self.running

    def confirms(self) -> None:
        """The new image runs and reaches us: only now does it replace the old one."""
        if self.tried is not None:
            self.running, self.other, self.other_least = self.tried.version, self.running, self.tried.least
            self.tried = None

    def commits(self, version: str) -> None:
        """The roll-out of what runs is done: the counter against going back rises, and the old image is given up."""
        if version == self.running and self.other:
            self.floor = max(self.floor, self.other_least, key=lambda text: software(text) or ())
            self.other = ""

    def goes_back(self, version: str) -> bool:
        """Leave this version for the one before; False when that one is not to be had any more."""
        self.trying = self.tried = None
        if self.running != version:
            return True
        if not self.other:
            return False
        self.running, self.other = self.other, ""
        return True
