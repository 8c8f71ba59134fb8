"""Merchants, stores, tills, keys and channel accounts: as much as is needed to pay."""

import hashlib
from dataclasses import asdict, replace
from typing import Any

from starlette.responses import Response

from daozhang.api.auth import SCOPES, Guard
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import MerchantChange, NewAccount, NewKey, NewMerchant, NewStore, NewTill
from daozhang.core.directory import ApiKey, Merchant, Page, Shop, Till
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.ports import AccountRow
from daozhang.core.texts import rfc3339
from daozhang.flow.house import House

_HIDDEN = ("bucket", "sha256", "created_ms", "revoked_ms")


def shown(record: Any, kind: str) -> dict[str, Any]:
    """A record as the API shows it: no hash, no shard, times as text."""
    values = {name: value for name, value in asdict(record).items() if name not in _HIDDEN}
    if "scopes" in values:
        values["scopes"] = sorted(values["scopes"])
    return {"object": kind, **values, "created_at": rfc3339(record.created_ms)}


class DirectoryDoors:
    """The doors of who is who. ``seal`` closes secrets before they are stored."""

    def __init__(self, house: House, guard: Guard, seal: Any) -> None:
        self._house, self._guard, self._seal = house, guard, seal

    def doors(self) -> list[Door]:
        read, write = "directory:read", "directory:write"
        return [
            Door("POST", "/v1/merchants", self.new_merchant, "新商户", "new merchant", write, NewMerchant, statuses=(201,)),
            Door("GET", "/v1/merchants", self.merchants, "商户列表", "list merchants", read, query=("cursor", "limit")),
            Door("GET", "/v1/merchants/{id}", self.merchant, "一个商户", "one merchant", read),
            Door("PATCH", "/v1/merchants/{id}", self.change_merchant, "修改商户", "change a merchant", write, MerchantChange),
            Door("POST", "/v1/stores", self.new_store, "新门店", "new store", write, NewStore, statuses=(201,)),
            Door("GET", "/v1/stores", self.stores, "门店列表", "list stores", read, query=("cursor", "limit")),
            Door("GET", "/v1/stores/{id}", self.store, "一个门店", "one store", read),
            Door("POST", "/v1/tills", self.new_till, "新收银台", "new till", write, NewTill, statuses=(201,)),
            Door("GET", "/v1/tills", self.tills, "收银台列表", "list tills", read, query=("cursor", "limit")),
            Door("GET", "/v1/tills/{id}", self.till, "一个收银台", "one till", read),
            Door("POST", "/v1/keys", self.new_key, "新密钥(只显示一次)", "new key (shown once)", write, NewKey, statuses=(201,)),
            Door("GET", "/v1/keys", self.keys, "密钥列表", "list keys", read),
            Door("DELETE", "/v1/keys/{id}", self.revoke_key, "吊销密钥", "revoke a key", write),
            Door("POST", "/v1/channel_accounts", self.new_account, "新渠道账户", "new channel account", write, NewAccount, statuses=(201,)),
            Door("GET", "/v1/channel_accounts", self.accounts, "渠道账户列表", "list channel accounts", read),
        ]  # fmt: skip

    def _own(self, asked: Asked, ident: str) -> str:
        """The merchant a caller may touch: its own, or any of its mode for a platform key."""
        if asked.caller.key.merchant and ident != asked.caller.key.merchant:
            raise Problem("not_found")
        return ident

    def _id(self, prefix: str, bucket: int) -> str:
        return self._house.new_id(prefix, bucket)

    async def new_merchant(self, asked: Asked) -> Response:
        if asked.caller.key.merchant:
            raise Problem("not_allowed", "only a platform key makes merchants")
        now = self._house.clock.now_ms()
        ident = f"mer_{ulid(now, self._house.rand.bytes(9), self._house.rand.bytes(1)[0])}"
        merchant = Merchant(ident, bucket_of_merchant(ident), asked.body.name, asked.caller.key.livemode, now,
                            asked.body.late_policy, asked.body.late_after_s, asked.body.trade)  # fmt: skip
        await self._house.directory.add_merchant(merchant)
        return answer(shown(merchant, "merchant"), 201)

    async def merchants(self, asked: Asked) -> Response:
        if asked.caller.key.merchant:
            own = await self._guard.merchant(asked.caller.key.merchant)
            return answer({"data": [shown(own, "merchant")], "has_more": False, "next_cursor": None})
        page = await self._house.directory.merchants(asked.query("cursor"), asked.limit())
        mine = [row for row in page.rows if row.livemode == asked.caller.key.livemode]
        return _listed(Page(mine, page.next_cursor, page.has_more), "merchant")

    async def merchant(self, asked: Asked) -> Response:
        found = await self._guard.merchant(self._own(asked, asked.path("id")))
        if found.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        return answer(shown(found, "merchant"))

    async def change_merchant(self, asked: Asked) -> Response:
        found = await self._guard.merchant(self._own(asked, asked.path("id")))
        if found.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        wanted = {name: getattr(asked.body, name) for name in ("name", "late_policy", "late_after_s", "trade")}
        changed = replace(found, **{name: value for name, value in wanted.items() if value is not None})
        await self._house.directory.change_merchant(changed)
        self._guard.forget()
        return answer(shown(changed, "merchant"))

    async def new_store(self, asked: Asked) -> Response:
        merchant = await self._guard.merchant(asked.merchant)
        shop = Shop(
            self._id("sto", merchant.bucket), merchant.bucket, merchant.id, asked.body.name, self._house.clock.now_ms()
        )
        await self._house.directory.add_shop(shop)
        return answer(shown(shop, "store"), 201)

    async def stores(self, asked: Asked) -> Response:
        return _listed(await self._house.directory.shops(asked.merchant, asked.query("cursor"), asked.limit()), "store")

    async def store(self, asked: Asked) -> Response:
        return _one(await self._house.directory.shop(asked.merchant, asked.path("id")), "store")

    async def new_till(self, asked: Asked) -> Response:
        merchant = await self._guard.merchant(asked.merchant)
        if await self._house.directory.shop(merchant.id, asked.body.store) is None:
            raise Problem("bad_field", "no such store", errors=[{"pointer": "/store", "detail": "no such store"}])
        till = Till(self._id("till", merchant.bucket), merchant.bucket, merchant.id, asked.body.store, asked.body.name,
                    self._house.clock.now_ms())  # fmt: skip
        await self._house.directory.add_till(till)
        return answer(shown(till, "till"), 201)

    async def tills(self, asked: Asked) -> Response:
        return _listed(await self._house.directory.tills(asked.merchant, asked.query("cursor"), asked.limit()), "till")

    async def till(self, asked: Asked) -> Response:
        return _one(await self._house.directory.till(asked.merchant, asked.path("id")), "till")

    async def new_key(self, asked: Asked) -> Response:
        scopes = frozenset(asked.body.scopes)
        if not scopes <= frozenset(SCOPES):
            raise Problem("bad_field", "scopes are among: " + ", ".join(SCOPES))
        if not scopes <= asked.caller.key.scopes:
            raise Problem("not_allowed", "a key gives only rights that it has itself")
        merchant = await self._guard.merchant(asked.merchant)
        secret = f"dz_{'live' if merchant.livemode else 'test'}_sk_{self._house.rand.bytes(24).hex()}"
        key = ApiKey(self._id("key", merchant.bucket), merchant.bucket, merchant.id, merchant.livemode, scopes,
                     hashlib.sha256(secret.encode()).hexdigest(), self._house.clock.now_ms())  # fmt: skip
        await self._house.directory.add_key(key)
        return answer({**shown(key, "key"), "secret": secret}, 201)

    async def keys(self, asked: Asked) -> Response:
        rows = await self._house.directory.keys(asked.merchant)
        told = [{**shown(row, "key"), "revoked_at": rfc3339(row.revoked_ms)} for row in rows]
        return answer({"data": told, "has_more": False, "next_cursor": None})

    async def revoke_key(self, asked: Asked) -> Response:
        done = await self._house.directory.revoke_key(asked.merchant, asked.path("id"), self._house.clock.now_ms())
        if not done:
            raise Problem("not_found")
        self._guard.forget()
        return answer({"id": asked.path("id"), "object": "key", "revoked": True})

    async def new_account(self, asked: Asked) -> Response:
        merchant = await self._guard.merchant(asked.merchant)
        wanted: NewAccount = asked.body
        channel = self._house.shelf.get(wanted.channel)
        if channel is None:
            raise Problem("bad_field", "no such channel", errors=[{"pointer": "/channel", "detail": "no such channel"}])
        if wanted.livemode != merchant.livemode:
            raise Problem("wrong_mode")
        _complete("settings", wanted.settings, channel.manifest["settings"], wanted.settings)
        _complete("secrets", wanted.secrets, channel.manifest["secrets"], wanted.settings)
        row = AccountRow(self._id("acc", merchant.bucket), merchant.bucket, merchant.id, channel.name, wanted.livemode,
                         wanted.fee_rate, dict(wanted.settings), dict(wanted.secrets))  # fmt: skip
        channel.wire.open_account(row, channel.manifest)  # unusable keys and wrong hosts are refused here
        await self._house.directory.add_account(row, self._seal.close(row.id, row.secrets))
        return answer(_account(row), 201)

    async def accounts(self, asked: Asked) -> Response:
        rows = await self._house.directory.accounts(asked.merchant)
        mine = [_account(row) for row in rows if row.livemode == asked.caller.key.livemode]
        return answer({"data": mine, "has_more": False, "next_cursor": None})


def _account(row: AccountRow) -> dict[str, Any]:
    """Secrets go in and never come out."""
    return {"object": "channel_account", "id": row.id, "merchant": row.merchant, "channel": row.channel,
            "livemode": row.livemode, "fee_rate": row.fee_rate, "settings": row.settings,
            "secrets": {name: "••••" for name in sorted(row.secrets)}}  # fmt: skip


def _complete(what: str, given: dict[str, str], needed: dict[str, Any], settings: dict[str, str]) -> None:
    missing = [name for name, rule in needed.items() if _is_needed(rule, settings) and not given.get(name)]
    extra = [name for name in given if name not in needed]
    if missing or extra:
        errors = [{"pointer": f"/{what}/{name}", "detail": "missing"} for name in missing]
        errors += [{"pointer": f"/{what}/{name}", "detail": "unknown"} for name in extra]
        raise Problem("bad_field", f"{what}: {', '.join(missing + extra)}", errors=errors)


def _is_needed(rule: dict[str, Any], settings: dict[str, str]) -> bool:
    """Always (``required``), only where the settings say so (``when``), or everywhere else (``unless``)."""
    for word in ("when", "unless"):
        if word in rule:
            said = all(settings.get(name) == value for name, value in rule[word].items())
            return said == (word == "when")
    return bool(rule.get("required"))


def _one(record: Any, kind: str) -> Response:
    if record is None:
        raise Problem("not_found")
    return answer(shown(record, kind))


def _listed(page: Page, kind: str) -> Response:
    return answer({"data": [shown(row, kind) for row in page.rows], "has_more": page.has_more,
                   "next_cursor": page.next_cursor or None})  # fmt: skip
