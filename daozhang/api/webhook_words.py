"""What became of a delivery, for the person who looks after the receiving program: what, why, and how to mend it."""

from typing import NamedTuple


class Words(NamedTuple):
    zh: str
    en: str


_NO_ANSWER = {
    "timeout": Words("15秒内没有应答:收到后先答 2xx,再慢慢处理", "no answer within 15 s: answer 2xx first, and do the work afterwards"),
    "DNS_FAILURE": Words("域名解析不到:检查域名", "the name cannot be looked up: check it"),
    "CONNECT_REFUSED": Words("连接被拒绝:程序没有在这个端口上监听", "the connection was refused: nothing listens at this port"),
    "CONNECT_FAILED": Words("连接不上:检查地址、防火墙和路由", "no connection could be made: check the address, firewall and routes"),
    "TLS_HANDSHAKE_FAILED": Words("TLS 没有谈成:检查证书是否有效、完整、与域名相符", "TLS was not agreed: is the certificate valid, complete, and for this name?"),
    "CONNECTION_RESET_AFTER_SEND": Words("没有应答就断开了连接", "the connection was cut before an answer came"),
    "HTTP_BODY_TRUNCATED": Words("应答不完整", "the answer was cut off"),
    "HTTP_BODY_TOO_LONG": Words("应答头过长", "the head of the answer has no end"),
    "HTTP_BODY_UNREADABLE": Words("应答不是 HTTP:地址是否写成了 http 而服务是 https?", "the answer is not HTTP: is the address http where the server speaks https?"),
}  # fmt: skip
_PLACES = {
    "loopback": Words("这台机器自己", "this machine itself"),
    "private": Words("内部网络", "a private network"),
    "link-local": Words("本地链路", "the local link"),
    "multicast": Words("组播地址", "a multicast address"),
    "metadata": Words("云主机元数据", "a cloud's metadata"),
    "unreadable": Words("看不懂的地址", "an address that cannot be read"),
}
_STATUS = {
    410: Words("接收方说这个地址已作废(410):已停用", "the receiver says that this address is gone (410): it was disabled"),
    429: Words("接收方要求慢一点(429)", "the receiver asks us to slow down (429)"),
}


def place_words(place: str) -> Words:
    """Where an address leads that we do not call."""
    where = _PLACES.get(place, Words(place, place))
    return Words(f"地址指向{where.zh},不会发送:换成公网地址", f"the address leads to {where.en}, where we send nothing: use a public one")


def error_words(status: int, error: str) -> Words:
    """Why an attempt failed."""
    if not status:
        if error.startswith("forbidden: "):
            place = error.rpartition(" ")[2]
            return place_words(place) if place in _PLACES else Words("这个地址我们不会发送", "this is an address to which we send nothing")
        return _NO_ANSWER.get(error, Words(f"没有应答({error})", f"no answer ({error})"))
    if status in _STATUS:
        return _STATUS[status]
    if 300 <= status < 400:
        return Words(f"应答是转向({status}),我们不跟随:登记最终地址", f"it redirects ({status}), which we do not follow: register the final address")
    if status in (401, 403):
        return Words(f"接收方拒绝({status}):签名用的是这个地址的密钥吗?", f"the receiver refused ({status}): does it check with this endpoint's secret?")
    if 400 <= status < 500:
        return Words(f"接收方答 {status}:不认识的事件也应答 2xx", f"the receiver answered {status}: answer 2xx to events it does not know, too")
    return Words(f"接收方出错({status}):看它的日志", f"the receiver failed ({status}): see its log")


def warning_words(state: str, failures: int) -> Words | None:
    """What the owner must know; None while all is well."""
    if state == "failing":
        return Words(f"连续 {failures} 次没有送达;一直不好会在首次失败约三天后停用。修好后会自动补发",
                     f"{failures} deliveries in a row failed; about three days after the first it will be disabled."
                     " Once it is mended, what is missing follows by itself")  # fmt: skip
    if state == "disabled":
        return Words("已停用,不再发送。修好后重新启用(PATCH enabled=true),从停下的地方接着发",
                     "disabled: nothing is sent. Mend it, then enable it (PATCH enabled=true); it goes on where it stopped")  # fmt: skip
    return None
