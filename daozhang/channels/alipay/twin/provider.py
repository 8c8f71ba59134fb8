"""A service provider's leave to act for the merchant: a code, or the token for refreshing, exchanged for app_auth_token."""

from collections.abc import Mapping
from typing import Any

from daozhang.channels.alipay.twin.gate import Partner
from daozhang.channels.alipay.twin.trade import Failed, Reply

_YEAR_S = 31_536_000


def exchange(partner: Partner | None, app_id: str, biz: Mapping[str, Any], auth_app_id: str, user_id: str) -> Reply:
    """Raises Failed."""
    if partner is None or app_id != partner.app_id:
        raise Failed("isv.insufficient-isv-permissions", "ISV权限不足", "40006")
    match biz.get("grant_type"):
        case "authorization_code":
            wanted, given, refusal = partner.code, biz.get("code"), ("isv.code-invalid", "授权码code无效")
        case "refresh_token":
            wanted, given, refusal = partner.refresh, biz.get("refresh_token"), ("isv.refresh-token-invalid", "刷新令牌无效")
        case _:
            raise Failed("isv.grant-type-invalid", "grant_type 错误", "40002")
    if not wanted or given != wanted:
        raise Failed(*refusal, "40002")
    told = {"user_id": user_id, "auth_app_id": auth_app_id, "app_auth_token": partner.token, "app_refresh_token": partner.refresh,
            "expires_in": _YEAR_S, "re_expires_in": 2 * _YEAR_S}  # fmt: skip
    return {"code": "10000", "msg": "Success", **told, "tokens": [told]}
