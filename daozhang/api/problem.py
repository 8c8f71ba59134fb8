"""Every error of the doors: RFC 9457, what, why and how to mend it, in Chinese and English."""

from typing import Any, NamedTuple

import msgspec
from starlette.responses import Response


class Kind(NamedTuple):
    """``retryable``: the same request may succeed later without a change."""

    status: int
    zh: str
    en: str
    mend_zh: str
    mend_en: str
    retryable: bool = False


KINDS: dict[str, Kind] = {
    "bad_json": Kind(400, "请求体不是合法的 JSON", "The body is not valid JSON",
                     "发送 UTF-8 编码的 JSON 对象", "send a JSON object in UTF-8"),
    "bad_field": Kind(422, "有字段不符合要求", "A field is not acceptable",
                      "按 errors 里指出的位置改正", "mend the places that errors names"),
    "bad_query": Kind(400, "查询参数不对", "A query parameter is not acceptable",
                      "按 detail 改正参数", "mend the parameter that detail names"),
    "bad_cursor": Kind(400, "游标不对", "The cursor is not one of ours",
                       "使用上一次应答里的 next_cursor,不要修改", "use next_cursor of an earlier answer, unchanged"),
    "key_missing": Kind(400, "缺少 Idempotency-Key", "Idempotency-Key is missing",
                        "每个会动钱的请求都带一个新的 Idempotency-Key", "send a new Idempotency-Key with each request that moves money"),
    "key_malformed": Kind(400, "Idempotency-Key 不合法", "Idempotency-Key is malformed",
                          "用1到255个可见的 ASCII 字符", "use 1 to 255 visible ASCII characters"),
    "idempotency_key_reused": Kind(422, "这个键用于过另一个请求", "Idempotency-Key was used with a different request",
                                   "换一个新的键;先查原来那一笔", "use a new key; look at the earlier one first"),
    "no_key": Kind(401, "没有提供 API 密钥", "No API key was given",
                   "在 Authorization 里写 Bearer 和密钥", "send Authorization: Bearer and the key"),
    "bad_key": Kind(401, "API 密钥无效或已吊销", "The API key is not known or was revoked",
                    "使用有效的密钥;丢失的密钥请重新创建", "use a valid key; make a new one when it is lost"),
    "not_allowed": Kind(403, "这个密钥没有此项权限", "This key has no right to do that",
                        "换用带所需权限的密钥", "use a key with the scope that detail names"),
    "wrong_mode": Kind(403, "测试密钥不能动正式数据", "A test key does not touch live objects, nor a live key test ones",
                       "换用同一模式的密钥", "use a key of the same mode"),
    "not_found": Kind(404, "没有这个对象", "There is no such object",
                      "核对编号", "check the id"),
    "no_route": Kind(404, "没有这个地址", "There is nothing at this address",
                     "看 /v1/openapi.json", "see /v1/openapi.json"),
    "wrong_method": Kind(405, "这个地址不支持此方法", "This address does not take this method",
                         "看应答里的 Allow", "see the Allow header"),
    "too_long": Kind(413, "请求体过大", "The body is too long", "缩小请求体", "send less"),
    "wrong_type": Kind(415, "内容类型不对", "The content type is not acceptable",
                       "用 application/json", "send application/json"),
    "sale_taken": Kind(409, "这个单号已有未完成或已付的支付", "This sale has an open or paid attempt",
                       "先看那一笔的结论;没收到钱之前不要再收", "look at that payment first; do not charge again before it is not_paid or returned"),
    "channel_shut": Kind(409, "这个支付渠道现在收不了款,什么都没有做", "This channel takes no payments at the moment; nothing was done",
                         "请顾客换个钱包付", "ask to pay with another wallet"),
    "wrong_code": Kind(422, "扫到的不是付款码", "What was scanned is no payment code",
                       "请顾客打开付款码再扫", "ask the payer to open the payment code and scan again"),
    "no_account": Kind(409, "商户没有开通这个渠道", "The merchant has no account at this channel",
                       "先添加渠道账户", "add a channel account first"),
    "account_unusable": Kind(409, "渠道账户的密钥或网关不可用", "The channel account's keys or gateway cannot be used",
                             "更正渠道账户", "mend the channel account"),
    "over_refund": Kind(409, "退款超过可退金额", "More than is left to give back",
                        "按 detail 里的可退金额退", "refund at most what detail names"),
    "not_refundable": Kind(409, "这笔支付现在不能退款", "This payment cannot be refunded",
                           "先看这笔的状态", "look at the payment's status first"),
    "no_question": Kind(409, "这笔支付没有待回答的问题", "This payment has no open question",
                        "不用回答", "nothing to answer"),
    "paid_already": Kind(409, "这笔已经收款,不能关单", "It is paid and cannot be closed",
                         "要退钱请撤销或退款", "reverse or refund it to give the money back"),
    "moved": Kind(409, "这笔支付正在变化", "The payment is moving at this moment",
                  "稍等再试", "wait a moment and try again", True),
    "rollout_under_way": Kind(409, "同类设备已有推送在进行", "Another roll-out is under way for these devices",
                              "先看 GET /v1/rollouts;等它结束,或中止它", "see GET /v1/rollouts; wait for its end, or abort it"),
    "rollout_ended": Kind(409, "这次推送已经结束", "This roll-out has ended",
                          "需要时重新推送", "make a new one if it is needed"),
    "incident_ended": Kind(409, "这个事件已经结束", "The incident is over",
                           "再次发生时重新开一个事件", "open a new one when it happens again"),
    "image_refused": Kind(422, "镜像清单不被接受", "The image's manifest is not acceptable",
                          "用推送密钥重新签名(daozhang rollout create)", "sign it with the roll-out key (daozhang rollout create)"),
    "too_many_codes": Kind(429, "这个收银台一分钟内扫了太多无效的付款码", "This till has tried too many codes that are none",
                           "按 Retry-After 再试;请顾客刷新付款码", "try again after Retry-After; ask the payer to refresh the code", True),
    "serial_taken": Kind(409, "这个序列号已在使用", "This serial is at work already",
                         "先停用原来的设备", "revoke the device that has it first"),
    "bad_enrol_code": Kind(403, "入网码无效、已用过、已过期,或序列号不符", "The code is unknown, used, too old, or for another serial",
                           "在商户端重新取一个入网码", "ask for a new code"),
    "device_not_active": Kind(409, "设备不在使用中", "The device is not active",
                              "先让设备入网;已停用的请重新登记", "enrol it first; register a revoked one anew"),
    "unavailable": Kind(503, "系统暂时不可用,什么都没有做", "We cannot keep a promise at the moment; nothing was done",
                        "请勿重复收款;按 Retry-After 再试", "do not charge again; try again after Retry-After", True),
    "overloaded": Kind(503, "请求过多,这一次什么都没有做", "Too many requests at this moment; this one did nothing",
                       "过 Retry-After 秒,用同一个 Idempotency-Key 再发;先前发过的可能已收款,以查询为准",
                       "send it again after Retry-After seconds with the same Idempotency-Key; an earlier try may have taken the money: look it up", True),
    "bad_url": Kind(422, "这个回调地址不能用", "This webhook address cannot be used",
                    "用公网可达的 https 地址", "use an https address that is reachable from the internet"),
    "endpoint_disabled": Kind(409, "这个回调地址已停用", "This webhook endpoint is disabled",
                              "修好后重新启用(PATCH enabled=true),再试", "mend it, enable it again (PATCH enabled=true), then try again"),
    "too_many": Kind(409, "数量已达上限", "There are as many as there may be",
                     "先删除不用的", "delete one that is not used first"),
    "slow_down": Kind(429, "请求太快", "Too many requests with this key",
                      "按 Retry-After 等待后再试;看 RateLimit 应答头", "wait for Retry-After; see the RateLimit header", True),
    "unknown_version": Kind(400, "不认识这个接口版本", "There is no such version of the API",
                            "用应答里 versions 列出的日期,或不带 Daozhang-Version", "use one of the dates in versions, or leave Daozhang-Version out"),
    "no_bill": Kind(409, "渠道没有给出这一天的账单", "The channel gives no bill of this day",
                    "看 detail 里渠道的说法;账单一般在次日10点后才有", "see in detail what the channel said; bills are usually there after ten the next morning"),
    "bad_bill": Kind(409, "账单文件不可信,什么都没有采用", "The bill's file cannot be believed; nothing of it was used",
                     "重新下载;仍不对时联系渠道", "fetch it again; ask the channel if it stays so"),
    "no_sandbox": Kind(409, "这里没有沙箱", "There is no sandbox here",
                       "沙箱命令只用于测试环境", "sandbox commands are for the test system"),
    "internal": Kind(500, "我们出错了", "We made a mistake",
                     "先查这笔支付的结论,不要重复收款;把 request_id 发给我们", "look the payment up before charging again; send us the request_id"),
}  # fmt: skip


class Problem(Exception):
    """Raised anywhere behind the doors; answered once. ``more`` adds members such as errors or payment."""

    def __init__(self, code: str, detail: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(code)
        self.code, self.detail, self.more = code, detail, more
        self.headers = dict(headers or {})


def respond(problem: Problem, language: str, request_id: str, path: str) -> Response:
    """The answer for a problem."""
    kind = KINDS[problem.code]
    title = kind.zh if language == "zh" else kind.en
    body: dict[str, Any] = {
        "type": f"urn:daozhang:problem:{problem.code}",
        "title": title,
        "status": kind.status,
        "detail": problem.detail or (kind.mend_zh if language == "zh" else kind.mend_en),
        "instance": path,
        "code": problem.code,
        "request_id": request_id,
        "retryable": kind.retryable,
        "next_step": {"zh": kind.mend_zh, "en": kind.mend_en},
        **problem.more,
    }
    headers = {"Content-Language": "zh-CN" if language == "zh" else "en", **problem.headers}
    if kind.retryable:
        headers.setdefault("Retry-After", "1")
    return Response(msgspec.json.encode(body), kind.status, headers, "application/problem+json")


def preferred(wanted: str) -> str:
    """zh or en, by the first of the two that an Accept-Language names."""
    wanted = wanted.lower()
    places = {name: wanted.find(name) for name in ("zh", "en") if name in wanted}
    return min(places, key=lambda name: places[name]) if places else "zh"
