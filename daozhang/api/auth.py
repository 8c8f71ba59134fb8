"""Who is asking, and what for. Keys are compared by hash and remembered for a few seconds."""

import hashlib
from dataclasses import dataclass

from starlette.requests import Request

from daozhang.api.problem import Problem
from daozhang.core.directory import ApiKey, Merchant
from daozhang.flow.house import House

_LIVES_MS = 5_000
_CREDENTIALS = "integration.signature"  # what says who calls us was not accepted
SCOPES = (
    "payments:read", "payments:write", "refunds:write", "events:read", "directory:read", "directory:write", "sandbox",
    "operations",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that was let in, and the merchant it may speak for ("" for a platform key that named none)."""

    key: ApiKey
    merchant: str

    @property
    def name(self) -> str:
        return f"key:{self.key.id[-6:]}"


class Guard:
    """Lets callers in. A revoked key is out after at most five seconds in every process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._keys: dict[str, tuple[int, ApiKey]] = {}
        self._merchants: dict[str, tuple[int, Merchant]] = {}

    async def identify(self, request: Request) -> Caller:
        """Who asks; what it may do is another question. Raises Problem."""
        secret = _secret_of(request)
        if not secret:
            raise Problem("no_key", cause=_CREDENTIALS, headers={"WWW-Authenticate": "Bearer"})
        key = await self._key(secret)
        merchant = key.merchant
        if not merchant:
            merchant = request.headers.get("daozhang-merchant", "")
            if merchant:
                known = await self.merchant(merchant)
                if known.livemode != key.livemode:
                    raise Problem("not_found")
        return Caller(key, merchant)

    def remembered(self, request: Request) -> Caller | None:
        """Who asks, when that is known without asking the store; for a refusal that must cost nothing."""
        kept = self._keys.get(_hash(_secret_of(request)))
        return Caller(kept[1], kept[1].merchant) if kept is not None else None

    async def _key(self, secret: str) -> ApiKey:
        sha256 = _hash(secret)
        now = self._house.clock.now_ms()
        kept = self._keys.get(sha256)
        if kept is not None and kept[0] > now:
            return kept[1]
        found = await self._house.directory.key_by_hash(sha256)
        if found is None or found.revoked_ms:
            raise Problem("bad_key", cause=_CREDENTIALS, headers={"WWW-Authenticate": "Bearer"})
        if len(self._keys) > 10_000:
            self._keys.clear()
        self._keys[sha256] = (now + _LIVES_MS, found)
        return found

    async def merchant(self, merchant_id: str) -> Merchant:
        """The merchant, remembered for a few seconds. Raises Problem."""
        now = self._house.clock.now_ms()
        kept = self._merchants.get(merchant_id)
        if kept is not None and kept[0] > now:
            return kept[1]
        found = await self._house.directory.merchant(merchant_id) if merchant_id else None
        if found is None:
            raise Problem("not_found", "merchant")
        if len(self._merchants) > 10_000:
            self._merchants.clear()
        self._merchants[merchant_id] = (now + _LIVES_MS, found)
        return found

    def forget(self) -> None:
        self._keys.clear()
        self._merchants.clear()


def may(caller: Caller, scope: str) -> None:
    """Raises Problem unless the key has this right."""
    if scope and scope not in caller.key.scopes:
        raise Problem("not_allowed", f"scope: {scope}")


def _secret_of(request: Request) -> str:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
