"""F31: the power goes in the middle of a firmware download. A device of its own, a signed image, and what it did with the half."""

import asyncio
import base64
import contextlib
import os
import time
from typing import Any

from daozhang.cli.device import enrolled
from daozhang.cli.link import Link
from daozhang.cli.say import Talk

_TYPE, _BEFORE = "scanner_box", "1.4.0"
_IMAGE_BYTES = 300_000
_INSTALLED_S = 90.0


async def torn(talk: Talk, link: Link, till: str) -> list[dict[str, Any]]:
    """One row: where it broke, where it went on, what ran meanwhile and what runs at the end. Raises Oops."""
    from daozhang.sandbox.device.fleet import simulate

    device = {"api": link.api, **enrolled(link, _TYPE, till)}
    place, said = f"/devices/{device['device']}", list[dict[str, Any]]()
    life = asyncio.ensure_future(simulate([device], frozenset({"torn"}), "", 0, said.append))
    ran: set[str] = set()
    version = f"9.{int(time.time())}.0"
    began = time.monotonic()
    made: dict[str, Any] = {}

    def runs() -> str:
        reported = str(link.must("GET", place)["reported"].get("software") or "")
        ran.update({reported} - {""})
        return reported

    try:
        await _until(lambda: runs() == _BEFORE, 20)
        made = await asyncio.to_thread(link.must, "POST", "/rollouts", _signed(talk, version))
        installed = await _until(lambda: runs() == version, _INSTALLED_S)
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
        _tidy_up(link, device["device"], made)
    cuts, images = ([line for line in said if line["event"] == event] for event in ("download cut", "image"))
    holds = installed and len(cuts) == len(images) == 1 and 0 < cuts[0]["at"] < cuts[0]["of"] and cuts[0]["runs"] == _BEFORE and ran == {_BEFORE, version}
    told: dict[str, Any] = {
        "cut_at": cuts[0]["at"] if cuts else None, "of": _IMAGE_BYTES, "went_on_at": images[0]["went_on_at"] if images else None,
        "ran": sorted(ran), "seconds": round(time.monotonic() - began, 1), "holds": bool(holds),
    }  # fmt: skip
    talk.show(f"{'✓' if holds else '✗'} {talk.pick('断在', 'cut at')} {told['cut_at']}/{told['of']}, {talk.pick('接着从', 'went on at')} {told['went_on_at']}, "
              f"{talk.pick('运行过', 'ran')} {' → '.join(told['ran'])}, {told['seconds']} s")  # fmt: skip
    return [told]


def _signed(talk: Talk, version: str) -> dict[str, Any]:
    from daozhang.devices.firmware import made
    from daozhang.gateway.rollout_key import opened, private_file

    image = os.urandom(_IMAGE_BYTES)
    manifest = made(image, _TYPE, version, opened(private_file(talk.data / "gateway"))).decode()
    return {"manifest": manifest, "image": base64.b64encode(image).decode(), "stages": [100], "soak_s": 1, "boot_s": 30}


def _tidy_up(link: Link, device: str, made: dict[str, Any]) -> None:
    """The roll-out may wait for other devices of the type: it ends here."""
    if made and link.must("GET", f"/rollouts/{made['id']}")["state"] in ("rolling", "paused"):
        link.call("POST", f"/rollouts/{made['id']}/abort")  # it may have ended by itself meanwhile
    link.must("DELETE", f"/devices/{device}")


async def _until(holds: Any, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not (found := bool(await asyncio.to_thread(holds))) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return found
