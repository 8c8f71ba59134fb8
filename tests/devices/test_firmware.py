"""A27: an image that is not ours, not for this device, older, cut off or changed is never started; a bad one is left again."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daozhang.devices.firmware import Refused, Slots, accepted, made
from daozhang.sandbox.device.box import Box

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
IMAGE = bytes(range(256)) * 40
SHA = hashlib.sha256(IMAGE).hexdigest()


def refused(manifest: bytes, image: bytes = IMAGE, running: str = "1.4.0", floor: str = "1.2", device_type: str = "speaker") -> str:
    with pytest.raises(Refused) as why:
        accepted(manifest, image, KEY.public_key(), device_type, running, floor)
    return why.value.why


def test_ours_newer_and_whole_is_accepted() -> None:
    told = accepted(made(IMAGE, "speaker", "1.4.1", KEY), IMAGE, KEY.public_key(), "speaker", "1.4.0", "1.2")
    assert (told.version, told.size) == ("1.4.1", len(IMAGE))


@pytest.mark.parametrize(("version", "running", "floor"), [("1.4.0", "1.4.0", "0"), ("1.3.9", "1.4.0", "0"), ("1.1.0", "1.0.0", "1.2"), ("x", "1.0", "0"), ("1.10", "1.9.9", "1.11")])
def test_nothing_goes_back(version: str, running: str, floor: str) -> None:
    assert refused(made(IMAGE, "speaker", version, KEY), running=running, floor=floor) == "rollback"


def test_what_is_not_ours_or_not_whole_is_refused() -> None:
    good = made(IMAGE, "speaker", "2.0.0", KEY)
    assert refused(made(IMAGE, "speaker", "2.0.0", OTHER)) == "signature"
    assert refused(good.replace(b"2.0.0", b"3.0.0")) == "signature" and refused(b"") == "signature" and refused(b"{}\nzz") == "signature"
    assert refused(good, device_type="printer") == "type"
    assert refused(good, IMAGE[: len(IMAGE) // 2]) == "size"
    assert refused(good, IMAGE[:-1] + b"!") == "hash"
    assert refused(b"[]\n" + KEY.sign(b"[]").hex().encode()) == "manifest"


def test_a_bad_image_is_left_again_and_a_good_one_raises_the_floor() -> None:
    slots = Slots("1.4.0")
    told = accepted(made(IMAGE, "speaker", "2.0.0", KEY, least="1.9"), IMAGE, KEY.public_key(), "speaker", slots.running, slots.floor)
    slots.install(told)
    assert slots.boots() == "2.0.0" and slots.boots() == "1.4.0" and slots.running == "1.4.0"
    slots.install(told)
    assert slots.boots() == "2.0.0"
    slots.confirms()
    assert (slots.boots(), slots.floor) == ("2.0.0", "0")  # until the whole roll-out is well, it can go back
    slots.commits("2.0.0")
    assert (slots.floor, slots.goes_back("2.0.0"), slots.running) == ("1.9", False, "2.0.0")
    assert refused(made(IMAGE, "speaker", "1.5.0", KEY), running="1.4.0", floor=slots.floor) == "rollback"


def test_a_box_says_why_it_does_not_take_an_image() -> None:
    public = KEY.public_key().public_bytes_raw().hex()
    box = Box("dev_1", firmware_key=public)

    def update(manifest: bytes, n: int) -> dict[str, object]:
        box.images = {SHA: IMAGE}
        args = {"manifest": manifest.decode(), "sha256": SHA}
        message = {"device": "dev_1", "n": n, "command_id": "cmd_1", "command": "update", "args": args}
        return box.hears("cmd", json.dumps(message).encode(), 1)[0][1]

    assert update(made(IMAGE, "speaker", "1.9.0", OTHER), 1) == {"command_id": "cmd_1", "state": "failed", "why": "signature", "refused": "signature"}
    assert update(made(IMAGE, "speaker", "1.3.0", KEY), 2)["why"] == "rollback"
    assert update(made(IMAGE, "speaker", "1.9.0", KEY), 3)["state"] == "done" and box.slots.running == "1.9.0" and box.slots.other == "1.4.0"
    config = made(b"{}", "speaker", "3.0.0", KEY, kind="config")
    assert update(config, 4)["why"] == "type" and update(made(IMAGE[1:], "speaker", "3.0.0", KEY), 5)["why"] == "size"
    assert Box("dev_1").hears("cmd", json.dumps({"device": "dev_1", "n": 1, "command_id": "c", "command": "update", "args": {}}).encode(), 1)[0][1]["why"] == "signature"
