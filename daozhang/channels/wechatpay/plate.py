"""A static code plate: the payer is on our page inside WeChat, and the page hands an order over to the wallet (JSAPI)."""

import base64
import json

from daozhang.channels.plug import Question
from daozhang.channels.wechatpay import sign
from daozhang.channels.wechatpay.account import Account
from daozhang.core.must import must


def payer(account: Account, q: Question) -> dict[str, str]:
    """Who pays, known by the app whose page it is: the sub-merchant's, the service provider's, or the merchant's."""
    must(q.payer, "a plate's payment is asked with who pays")
    if account.sub_mchid:
        return {"sub_openid" if account.sub_appid else "sp_openid": q.payer}
    return {"openid": q.payer}


def page(account: Account, prepay_id: str, now_ms: int, nonce: str) -> str:
    """What the page gives to ``getBrandWCPayRequest``, as JSON; the wallet believes our signature."""
    fields = {"appId": account.sub_appid or account.appid, "timeStamp": str(now_ms // 1000), "nonceStr": nonce,
              "package": f"prepay_id={prepay_id}"}  # fmt: skip
    if account.api == "v2":
        fields["signType"] = account.sign_type
        return json.dumps(fields | {"paySign": sign.sign_v2(fields, account.apiv2_key, account.sign_type)})
    text = "".join(f"{value}\n" for value in fields.values())
    signature = base64.b64encode(account.key.sign(text.encode())).decode()
    return json.dumps(fields | {"signType": "RSA", "paySign": signature})
