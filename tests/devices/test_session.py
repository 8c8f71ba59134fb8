"""One connection's manners, case by case: what comes in, what is done about it."""

from typing import Any

import pytest

from daozhang.devices import topics
from daozhang.devices.mqtt.packets import (
    V4,
    V5,
    Ack,
    Acked,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
)
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.session import (
    MOST_WINDOW,
    Act,
    Admit,
    Alarm,
    Close,
    Delivered,
    Listens,
    Said,
    Send,
    Session,
    Stage,
)

MER, DEV = "mer_1", "dev_1"
ALL = frozenset(topics.DOWN)


def sent(acts: list[Act], level: int) -> list[Packet]:
    return [packet for act in acts if isinstance(act, Send) for packet in Reader(1 << 20, level).feed(act.data)]


def opened(level: int = V4, kinds: frozenset[str] = frozenset(), **more: Any) -> Session:
    session = Session()
    acts = list(session.heard([Connect(level, DEV, username=DEV, password=b"s", **more)]))
    assert isinstance(acts[0], Admit)
    assert list(session.fits(MER, DEV)) == []
    list(session.admitted(MER, DEV, kinds, bool(kinds)))
    assert session.stage is Stage.OPEN
    return session


def test_nothing_comes_before_connect() -> None:
    session = Session()
    acts = list(session.heard([Ping()]))
    assert isinstance(acts[-1], Close) and session.stage is Stage.CLOSED
    assert list(session.heard([Connect(V4, DEV)])) == []


def test_a_second_connect_ends_it() -> None:
    session = opened(V5)
    acts = list(session.heard([Connect(V5, DEV)]))
    assert sent(acts, V5) == [Disconnect(Reason.PROTOCOL_ERROR)] and isinstance(acts[-1], Close)


def test_what_came_too_early_is_done_after_admission() -> None:
    session = Session()
    early = Publish(topics.up(MER, DEV, "ack"), b"{}", 1, 9)
    assert [type(act) for act in session.heard([Connect(V4, DEV, username=DEV), early, Ping()])] == [Admit]
    acts = list(session.admitted(MER, DEV, frozenset(), False))
    assert Said("ack", b"{}", 9) in acts and sent(acts, V4) == [Connack(0), Ping(True)]


def test_too_much_before_admission_ends_it() -> None:
    session = Session()
    acts = list(session.heard([Connect(V4, DEV), *[Ping()] * 40]))
    assert isinstance(acts[-1], Close)


@pytest.mark.parametrize(("level", "reason", "code"), [
    (V4, Reason.BAD_LOGIN, 4), (V4, Reason.BANNED, 5), (V4, Reason.BUSY, 3), (V4, Reason.CLIENT_ID, 2), (V5, Reason.BAD_LOGIN, 0x86),
])  # fmt: skip
def test_a_refusal_says_why(level: int, reason: Reason, code: int) -> None:
    session = Session()
    list(session.heard([Connect(level, DEV)]))
    acts = list(session.refused(reason, "no"))
    assert sent(acts, level) == [Connack(code)] and isinstance(acts[-1], Close)


def test_an_identity_does_not_take_another_client_id() -> None:
    session = Session()
    list(session.heard([Connect(V5, "dev_2", username=DEV)]))
    acts = list(session.fits(MER, DEV))
    assert Alarm("foreign_client_id", "dev_2") in acts and sent(acts, V5) == [Connack(Reason.CLIENT_ID)]


@pytest.mark.parametrize("will", [
    Will(topics.down(MER, DEV, "announce"), b"x"), Will(topics.up(MER, "dev_2", "ack"), b"x"), Will("$SYS/x", b"x"),
    Will(topics.up(MER, DEV, "evidence"), b"x", 0, True), Will(topics.up(MER, DEV, "evidence"), b"x", 2),
])  # fmt: skip
def test_a_will_stays_at_home(will: Will) -> None:
    session = Session()
    list(session.heard([Connect(V5, DEV, will=will)]))
    acts = list(session.fits(MER, DEV))
    assert any(isinstance(act, Alarm) for act in acts) and sent(acts, V5) == [Connack(Reason.NOT_AUTHORIZED)]


def test_its_own_topics_and_no_others() -> None:
    session = opened(V4)
    wanted = ["#", "+/voice", "$SYS/#", "$share/a/dz/v1/#", "dz/v1/mer_1/+/down/announce", "dz/v1/+/dev_1/down/announce",
              topics.down(MER, "dev_2", "announce"), topics.up(MER, DEV, "ack"), f"dz/v1/{MER}/{DEV}/#",
              f"dz/v1/{MER}/{DEV}/down/announce/#"]  # fmt: skip
    acts = list(session.heard([Subscribe(5, tuple((one, 1) for one in wanted))]))
    assert sent(acts, V4) == [Suback(5, (0x80,) * len(wanted))]
    assert len([act for act in acts if isinstance(act, Alarm)]) == len(wanted) and session.kinds == frozenset()
    acts = list(session.heard([Subscribe(6, ((topics.down(MER, DEV, "announce"), 2), (f"dz/v1/{MER}/{DEV}/down/+", 0)))]))
    assert sent(acts, V4) == [Suback(6, (1, 0))] and Listens(ALL) in acts


def test_a_foreign_publish_is_refused_and_told() -> None:
    session = opened(V5)
    foreign = topics.down(MER, "dev_2", "announce")
    acts = list(session.heard([Publish(foreign, b"x", 1, 4)]))
    assert sent(acts, V5) == [Acked(Ack.PUBACK, 4, Reason.NOT_AUTHORIZED)] and Alarm("foreign_publish", foreign) in acts
    acts = list(opened(V4).heard([Publish(topics.down(MER, DEV, "announce"), b"x", 1, 4)]))
    assert isinstance(acts[-1], Close)


@pytest.mark.parametrize(("packet", "reason"), [
    (Publish(topics.up(MER, DEV, "ack"), b"x", 1, 4, retain=True), Reason.RETAIN), (Publish(topics.up(MER, DEV, "ack"), b"x", 2, 4), Reason.QOS),
    (Publish(topics.up(MER, DEV, "ack"), b"x", properties={"topic_alias": 9}), Reason.TOPIC_ALIAS),
    (Publish("", b"x", properties={"topic_alias": 3}), Reason.TOPIC_ALIAS), (Auth(), Reason.PROTOCOL_ERROR), (Connack(0), Reason.PROTOCOL_ERROR),
])  # fmt: skip
def test_what_is_not_offered_ends_it(packet: Packet, reason: Reason) -> None:
    acts = list(opened(V5).heard([packet]))
    assert sent(acts, V5) == [Disconnect(reason)] and isinstance(acts[-1], Close)


def test_an_alias_stands_for_its_topic() -> None:
    session = opened(V5)
    name = topics.up(MER, DEV, "heartbeat")
    acts = list(session.heard([Publish(name, b"1", properties={"topic_alias": 2}), Publish("", b"2", properties={"topic_alias": 2})]))
    assert acts == [Said("heartbeat", b"1", 0), Said("heartbeat", b"2", 0)]


def test_messages_need_a_listener_and_room() -> None:
    session = opened(V5)
    assert list(session.tell("announce", b"x", "m")) == []
    list(session.heard([Subscribe(1, ((topics.down(MER, DEV, "announce"), 1),))]))
    assert session.waiting_since is None
    for at in range(MOST_WINDOW):
        (packet,) = sent(list(session.tell("announce", b"x", f"m{at}", 60, 100.0 + at)), V5)
        assert packet.qos == 1 and packet.properties == {"message_expiry_s": 60} and not packet.retain  # type: ignore[union-attr]
    assert session.waiting_since == 100.0
    assert session.room == 0 and list(session.tell("announce", b"x", "more")) == []
    assert list(session.heard([Acked(Ack.PUBACK, 2)])) == [Delivered("m1", 0)]
    assert list(session.heard([Acked(Ack.PUBACK, 2)])) == [] and session.room == 1


def test_the_window_is_the_smaller_of_both() -> None:
    session = opened(V5, properties={"receive_maximum": 2}, kinds=ALL)
    assert session.room == 2
    small = opened(V5, properties={"maximum_packet": 30}, kinds=ALL)
    assert [type(act) for act in small.tell("announce", b"x" * 100, "m")] == [Alarm] and small.room == MOST_WINDOW


def test_a_session_that_is_present_keeps_its_subscriptions() -> None:
    assert opened(V4, kinds=frozenset({"announce"})).kinds == {"announce"}
    session = opened(V5, kinds=ALL)
    acts = list(session.heard([Unsubscribe(3, (topics.down(MER, DEV, "cmd"), "#"))]))
    assert session.kinds == ALL - {"cmd"} and sent(acts, V5)[0].codes == (0, Reason.NO_SUBSCRIPTION)  # type: ignore[union-attr]


def test_good_bye_is_clean_unless_the_will_is_wanted() -> None:
    assert list(opened(V5).heard([Disconnect()])) == [Close("said good-bye", True)]
    assert list(opened(V5).heard([Disconnect(Reason.WITH_WILL)])) == [Close("said good-bye", False)]


def test_keep_alive_has_a_limit_that_is_told() -> None:
    session = Session()
    list(session.heard([Connect(V5, "", keep_alive_s=0)]))
    (connack,) = sent(list(session.admitted(MER, DEV, frozenset(), False)), V5)
    told = connack.properties  # type: ignore[union-attr]
    assert told["server_keep_alive_s"] == session.keep_alive_s == 600 and told["assigned_client_id"] == DEV
    assert told["maximum_qos"] == 1 and told["retain_available"] == 0 and told["shared_available"] == 0
