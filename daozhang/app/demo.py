"""The demo shop of the sandbox: made once, so that the first command after ``ready`` can already take a payment."""

import hashlib
from dataclasses import dataclass
from typing import Any

from daozhang.app.sandbox_link import SandboxLink
from daozhang.core.directory import ApiKey, Merchant, Shop, Till
from daozhang.core.ids import bucket_of_merchant, ulid
from daozhang.core.ports import AccountRow, Clock, Rand
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore

SCOPES = frozenset({
    "payments:read", "payments:write", "refunds:write", "events:read", "directory:read", "directory:write",
    "sandbox", "operations",
})  # fmt: skip
_RATE = 380  # 0.38 %


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's ids and its key in clear (test mode only; it is kept in state.json, readable by the owner)."""

    api_key: str
    merchant: str
    store: str
    till: str


async def ensure(store: PgStore, seal: Seal, link: SandboxLink, clock: Clock, rand: Rand, kept: dict[str, Any]) -> Demo:
    """The demo of an earlier start when it is still whole, otherwise a new one; its account follows the twin's keys."""
    earlier = Demo(*(str(kept.get(name, "")) for name in ("api_key", "merchant", "store", "till")))
    found = await store.key_by_hash(sha256(earlier.api_key)) if earlier.api_key else None
    demo = earlier if found is not None and found.merchant == earlier.merchant else await _make(store, clock, rand)
    await _accounts(store, seal, link, rand, clock, demo)
    return demo


def sha256(key: str) -> str:
    """API keys are long and random: one round of a plain hash is enough at rest."""
    return hashlib.sha256(key.encode()).hexdigest()


async def _make(store: PgStore, clock: Clock, rand: Rand) -> Demo:
    now = clock.now_ms()
    # A merchant's bucket comes from its id, so the id's own bucket bits are free.
    merchant = f"mer_{ulid(now, rand.bytes(9), rand.bytes(1)[0])}"
    bucket = bucket_of_merchant(merchant)
    shop, till, key_id = (f"{prefix}_{ulid(now, rand.bytes(9), bucket)}" for prefix in ("sto", "till", "key"))
    await store.add_merchant(Merchant(merchant, bucket, "小李包子铺", False, now))
    await store.add_shop(Shop(shop, bucket, merchant, "小李包子铺 人民路店", now))
    await store.add_till(Till(till, bucket, merchant, shop, "1号收银台", now))
    secret = f"dz_test_sk_{rand.bytes(24).hex()}"
    await store.add_key(ApiKey(key_id, bucket, merchant, False, SCOPES, sha256(secret), now))
    return Demo(secret, merchant, shop, till)


async def _accounts(store: PgStore, seal: Seal, link: SandboxLink, rand: Rand, clock: Clock, demo: Demo) -> None:
    """Bind the merchant to the twins that run now (a new data folder of the sandbox has new keys)."""
    _, told = await link.call("GET", "/accounts")
    bucket = bucket_of_merchant(demo.merchant)
    for channel, given in told.items():
        settings, secrets = given["settings"], given["secrets"]
        held = await store.account_for(demo.merchant, channel, False)
        if held is not None and held.settings == settings and held.secrets == secrets:
            continue
        account_id = f"acc_{ulid(clock.now_ms(), rand.bytes(9), bucket)}"
        row = AccountRow(account_id, bucket, demo.merchant, channel, False, _RATE, settings, secrets)
        await store.add_account(row, seal.close(account_id, secrets))
