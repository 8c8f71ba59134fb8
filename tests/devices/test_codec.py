"""The MQTT codec: what is written is read back, whole or in pieces; what is no MQTT is refused and nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daozhang.devices.mqtt import fields
from daozhang.devices.mqtt.packets import (
    V4,
    V5,
    Ack,
    Acked,
    Connack,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Ping,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from daozhang.devices.mqtt.read import Reader
from daozhang.devices.mqtt.write import encode

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TOPIC = TEXT.filter(lambda name: name and "+" not in name and "#" not in name)
DATA = st.binary(max_size=300)
ID = st.integers(1, 65_535)
_VALUES = {
    "byte": st.integers(0, 1), "u16": st.integers(1, 65_535), "u32": st.integers(1, 2**32 - 1), "text": TEXT, "bytes": DATA,
    "varint": st.integers(1, fields.MOST_VARINT), "pair": st.tuples(TEXT, TEXT),
}  # fmt: skip


def _table(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    kinds = {name: _VALUES[kind] for name, kind in fields.PROPERTIES.values()}
    some = {name: st.lists(kinds[name], min_size=1, max_size=3) if name in ("user", "subscription_id") else kinds[name] for name in names}
    return st.fixed_dictionaries({}, optional=some)


TABLE = _table([name for name, _ in fields.PROPERTIES.values()])
WILL = st.builds(Will, TOPIC, DATA, st.integers(0, 2), st.booleans(), st.just({}))


@st.composite
def publishes(draw: Any) -> Publish:
    qos = draw(st.integers(0, 2))
    return Publish(draw(TOPIC), draw(DATA), qos, draw(ID) if qos else 0, draw(st.booleans()), draw(st.booleans()) and qos > 0)


@st.composite
def connects(draw: Any) -> Connect:
    level = draw(st.sampled_from([V4, V5]))
    name = draw(TEXT | st.none())
    password = draw(DATA | st.none()) if name is not None or level == V5 else None
    table = draw(TABLE) if level == V5 else {}
    return Connect(level, draw(TEXT), draw(st.booleans()), draw(st.integers(0, 65_535)), name, password, draw(WILL | st.none()), table)


PACKETS = st.one_of(
    publishes(), st.builds(Acked, st.sampled_from(list(Ack)), ID), st.just(Ping()), st.just(Ping(True)), st.just(Disconnect()),
    st.builds(Connack, st.integers(0, 255), st.booleans()),
    st.builds(Subscribe, ID, st.lists(st.tuples(TEXT.filter(bool), st.integers(0, 2)), min_size=1, max_size=5).map(tuple)),
    st.builds(Unsubscribe, ID, st.lists(TEXT, min_size=1, max_size=5).map(tuple)),
    st.builds(Suback, ID, st.lists(st.integers(0, 255), max_size=5).map(tuple)), st.builds(Unsuback, ID),
)  # fmt: skip


def read(data: bytes, level: int) -> list[Packet]:
    return list(Reader(1 << 20, level).feed(data))


@given(st.lists(PACKETS, min_size=1, max_size=6), st.sampled_from([V4, V5]), st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back_in_any_pieces(packets: list[Packet], level: int, data: Any) -> None:
    wire = b"".join(encode(packet, level) for packet in packets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    reader, seen = Reader(1 << 20, level), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        seen += list(reader.feed(wire[start:end]))
    assert seen == packets and reader.waiting == 0


@given(connects())
@settings(max_examples=300, deadline=None)
def test_a_connect_says_its_own_level(packet: Connect) -> None:
    reader = Reader(1 << 20, V4)
    assert list(reader.feed(encode(packet, packet.level))) == [packet]
    assert reader.level == packet.level


@given(st.builds(Publish, TOPIC, DATA, st.just(1), ID, properties=TABLE.filter(lambda table: "topic_alias" not in table)))
@settings(max_examples=200, deadline=None)
def test_properties_of_5_come_back(packet: Publish) -> None:
    assert read(encode(packet, V5), V5) == [packet]


@given(st.binary(max_size=400), st.sampled_from([V4, V5]))
@settings(max_examples=1000, deadline=None)
def test_noise_is_refused_or_waited_for(noise: bytes, level: int) -> None:
    try:
        for packet in Reader(4096, level).feed(noise):
            assert packet is not None
    except Malformed as wrong:
        assert wrong.reason >= 0x80 and str(wrong)


@given(PACKETS, st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([V4, V5]))
@settings(max_examples=1000, deadline=None)
def test_one_wrong_byte_breaks_nothing_but_its_packet(packet: Packet, place: int, byte: int, level: int) -> None:
    wire = bytearray(encode(packet, level))
    wire[place % len(wire)] = byte
    try:
        seen = read(bytes(wire), level)
    except Malformed as wrong:
        assert isinstance(wrong.reason, Reason)
    else:
        assert all(encode(one, level) for one in seen)


BAD = [
    (b"\x00\x00", V4, "no first byte like this"), (b"\x10\xff\xff\xff\xff\x01", V4, "a length of five bytes"),
    (b"\x36\x05\x00\x01a\x00\x01", V4, "QoS 3"), (b"\x38\x03\x00\x01a", V4, "a repeat of QoS 0"),
    (b"\x32\x05\x00\x01a\x00\x00", V4, "packet id 0"), (b"\x30\x03\x00\x01#", V4, "a wildcard topic"),
    (b"\x30\x02\x00\x00", V4, "no topic"), (b"\x30\x04\x00\x02\xff\xfe", V4, "not UTF-8"),
    (b"\x30\x05\x00\x03\xed\xa0\x80", V4, "half a surrogate pair"), (b"\x30\x03\x00\x01\x00", V4, "NUL"),
    (b"\x80\x02\x00\x01", V4, "reserved bits"), (b"\x82\x02\x00\x01", V4, "no filter"), (b"\x82\x06\x00\x01\x00\x01a\x03", V4, "QoS 3"),
    (b"\xc0\x01\x00", V4, "a ping with a body"), (b"\xf0\x00", V4, "AUTH of 5 in 3.1.1"),
    (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", V4, "the reserved connect flag"),
    (b"\x10\x0c\x00\x04MQTT\x04\x42\x00\x3c\x00\x00", V4, "a password without a name"),
    (b"\x10\x0c\x00\x04MQTT\x03\x02\x00\x3c\x00\x00", V4, "level 3"), (b"\x10\x0c\x00\x04MQTX\x04\x02\x00\x3c\x00\x00", V4, "another protocol"),
    (b"\x30\x09\x00\x01a\x04\x23\x00\x00\x00x", V5, "alias 0 and rubbish"), (b"\x30\x05\x00\x01a\x02\x7f", V5, "an unknown property"),
    (b"\x30\x08\x00\x01a\x04\x01\x00\x01\x00", V5, "a property twice"), (b"\x30\x05\x00\x01a\x80\x00", V5, "a number longer than needed"),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "level", "why"), BAD, ids=[why for _, _, why in BAD])
def test_what_the_protocol_forbids(wire: bytes, level: int, why: str) -> None:
    with pytest.raises(Malformed):
        read(wire, level)


def test_a_length_over_the_limit_is_refused_before_the_body_comes() -> None:
    reader = Reader(4096, V4)
    with pytest.raises(Malformed) as wrong:
        list(reader.feed(b"\x30\x80\x80\x80\x80"[:4] + b"\x7f"))
    assert wrong.value.reason is Reason.TOO_LARGE
    assert list(Reader(4096, V4).feed(b"\x30\xff\x1f")) == []
