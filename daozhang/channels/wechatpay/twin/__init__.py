"""WeChat Pay's other side, written from the documents. It never looks at our side of the wire."""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from daozhang.channels.wechatpay.twin.gate import HashKeys, RsaKeys
from daozhang.channels.wechatpay.twin.wechat import WechatTwin

PORT = 2  # its place after the base port
TLS_PORT = 9  # the same wires in TLS, where /secapi/ asks for the merchant's certificate
_FROM, _UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
_CLEAR = serialization.NoEncryption()


def new_keys(rand: Callable[[int], bytes]) -> dict[str, Any]:
    """What one sandbox keeps for ever: the merchant's key and certificate, two platform certificates, a public key."""
    number = int.from_bytes(rand(6), "big")
    merchant, public = _rsa(), _rsa()
    client = _certificate(merchant, f"merchant {number}", rand)
    platform = [(_rsa(), place) for place in ("new", "old")]
    held = {f"{certificate.serial_number:X}": {"private": _pem(key), "certificate": _text(certificate)}
            for key, place in platform for certificate in [_certificate(key, f"platform {place}", rand)]}  # fmt: skip
    server = ec.generate_private_key(ec.SECP256R1())
    return {
        "appid": f"wx{rand(8).hex()}", "mchid": f"19{number % 10**8:08d}", "serial_no": f"{client.serial_number:X}",
        "private_key": _pem(merchant), "client_certificate": _text(client), "apiv3_key": rand(16).hex(),
        "apiv2_key": rand(16).hex(), "public_key_id": f"PUB_KEY_ID_01{rand(15).hex()}", "public_private": _pem(public),
        "public_key": _public(public), "platform": held,
        "tls": {"private": _pem(server), "certificate": _text(_certificate(server, "127.0.0.1", rand))},
        "tls_place": TLS_PORT - PORT,
    }  # fmt: skip


def make(held: dict[str, Any], rand: Callable[[int], bytes], append: Callable[[dict[str, Any]], None]) -> WechatTwin:
    """The twin over the keys that were kept."""
    own = {serial: pair["private"] for serial, pair in held["platform"].items()}
    merchant = serialization.load_pem_private_key(held["private_key"].encode(), None)
    keys = RsaKeys(own | {held["public_key_id"]: held["public_private"]}, held["public_key_id"], _public(merchant))
    return WechatTwin(held, keys, rand, append)


def make_simulated(secret: str, rand: Callable[[int], bytes]) -> WechatTwin:
    """The twin with a keyed hash in the place of RSA, for virtual time."""
    held = {"appid": "wx0000000000000001", "mchid": "1900000001", "serial_no": "0A1B2C3D", "apiv3_key": "3" * 32,
            "apiv2_key": "2" * 32}  # fmt: skip
    return WechatTwin(held, HashKeys(secret, "PUB_KEY_ID_0100000001"), rand)


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: Any) -> str:
    return str(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _CLEAR).decode())


def _public(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(key: Any, name: str, rand: Callable[[int], bytes]) -> x509.Certificate:
    """Signed by itself; valid for twenty years, so that the sandbox's clock may be moved."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    serial = (1 << 158) | int.from_bytes(rand(19), "big")
    places = [x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
    )
    return built.sign(key, hashes.SHA256())
