"""A second client of ACP 5.1.0, written from the wire's description alone; the product is not imported and ``openssl`` does all
the cryptography. What it and the twin agree on is not one author's mistake made twice.
"""

import base64
import hashlib
import os
import subprocess
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_BEIJING = timezone(timedelta(hours=8))
COMPANY = "中国银联股份有限公司"


def openssl(*words: str, given: bytes = b"") -> bytes:
    """Raises CalledProcessError when openssl says no."""
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=30).stdout


def digest(fields: Mapping[str, str]) -> bytes:
    """What is signed: the hexadecimal SHA-256 of the sorted non-empty members."""
    members = sorted((key, value) for key, value in fields.items() if value and key != "signature")
    return hashlib.sha256("&".join(key + "=" + value for key, value in members).encode("utf-8")).hexdigest().encode()


class SecondClient:
    """Credentials as ``sandbox credentials`` prints them. ``at``: the shop's clock."""

    def __init__(self, given: Mapping[str, Any], folder: Path, at: datetime) -> None:
        self._given, self._folder, self.at = given, folder, at.astimezone(_BEIJING)
        self.access = "0"
        self._key = folder / "merchant.pem"
        pfx = folder / "merchant.pfx"
        pfx.write_bytes(base64.b64decode(given["merchant_pfx_base64"]))
        unlock = ("-passin", f"pass:{given['pfx_password']}")
        self._key.write_bytes(openssl("pkcs12", "-in", str(pfx), "-nodes", "-nocerts", *unlock))
        certificate = openssl("pkcs12", "-in", str(pfx), "-nokeys", "-clcerts", *unlock)
        serial = openssl("x509", "-noout", "-serial", given=certificate).decode().strip().removeprefix("serial=")
        self.cert_id = str(int(serial, 16))
        (folder / "root.pem").write_text(given["root_certificate"])
        (folder / "middle.pem").write_text(given["middle_certificate"])

    def ask(self, place: str, kind: str, sub: str, **more: str) -> dict[str, str]:
        """One request; the believed reply. Raises AssertionError for one that is not to be believed."""
        moment = (more.pop("txnTime", "") or f"{self.at:%Y%m%d%H%M%S}")
        fields = {
            "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "txnType": kind, "txnSubType": sub, "bizType": "000000",
            "channelType": "08", "accessType": self.access, "merId": self._given["mer_id"], "certId": self.cert_id, "txnTime": moment, **more,
        }  # fmt: skip
        fields["signature"] = self.sign(digest(fields))
        url = f"{self._given['base_url']}/gateway/api/{place}.do"
        body = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=20) as reply:
            said = split(reply.read().decode("utf-8"))
        assert self.believes(said), said
        return said

    def sign(self, message: bytes) -> str:
        return base64.b64encode(openssl("dgst", "-sha256", "-sign", str(self._key), given=message)).decode()

    def believes(self, said: Mapping[str, str]) -> bool:
        """Chain, company and signature, each by openssl."""
        leaf, public, seal = (self._folder / f"{os.urandom(4).hex()}.{name}" for name in ("leaf", "public", "seal"))
        leaf.write_text(said["signPubKeyCert"])
        seal.write_bytes(base64.b64decode(said["signature"]))
        try:
            openssl("verify", "-CAfile", str(self._folder / "root.pem"), "-untrusted", str(self._folder / "middle.pem"), str(leaf))
            subject = openssl("x509", "-noout", "-subject", "-nameopt", "utf8,sep_multiline", "-in", str(leaf)).decode()
            public.write_bytes(openssl("x509", "-noout", "-pubkey", "-in", str(leaf)))
            openssl("dgst", "-sha256", "-verify", str(public), "-signature", str(seal), given=digest(said))
        except subprocess.CalledProcessError:
            return False
        return COMPANY in subject

    # -- the transactions ----------------------------------------------------------------------------------------------------

    def pay(self, order: str, fen: int, code: str, back_url: str, **more: str) -> dict[str, str]:
        return self.ask("backTransReq", "01", "06", orderId=order, txnAmt=str(fen), currencyCode="156", qrNo=code, termId="00000001",
                        backUrl=back_url, **more)  # fmt: skip

    def apply(self, order: str, fen: int, back_url: str) -> dict[str, str]:
        return self.ask("backTransReq", "01", "07", orderId=order, txnAmt=str(fen), currencyCode="156", backUrl=back_url)

    def query(self, order: str, moment: str, **more: str) -> dict[str, str]:
        return self.ask("queryTrans", "00", "00", orderId=order, txnTime=moment, **more)

    def reverse(self, order: str, moment: str) -> dict[str, str]:
        return self.ask("backTransReq", "99", "01", orderId=order, txnTime=moment)

    def undo(self, order: str, fen: int, original: str, back_url: str) -> dict[str, str]:
        return self.ask("backTransReq", "31", "00", orderId=order, txnAmt=str(fen), origQryId=original, backUrl=back_url)

    def refund(self, order: str, fen: int, original: str, back_url: str) -> dict[str, str]:
        return self.ask("backTransReq", "04", "00", orderId=order, txnAmt=str(fen), origQryId=original, backUrl=back_url)

    def file(self, day: str) -> dict[str, str]:
        return self.ask("backTransReq", "76", "01", settleDate=day, fileType="00")


def split(text: str) -> dict[str, str]:
    """A plain reply: members joined by ``&``, the first ``=`` divides; a certificate brings its own line ends."""
    return dict(member.split("=", 1) for member in text.split("&"))  # type: ignore[misc]


def unpacked(said: Mapping[str, str]) -> bytes:
    return zlib.decompress(base64.b64decode(said["fileContent"]))
