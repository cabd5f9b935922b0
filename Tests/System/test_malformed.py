"""Packets that are wrong: each gets what the specification says, is logged, and hurts nobody else.

Version 5 answers with a reason; the earlier versions have none after CONNACK, so the connection just ends.
"""

import random
import re

import pytest

import wire as w
from broker import wait_until
from client import unique

MALFORMED, PROTOCOL, INVALID_TOPIC, INVALID_ALIAS = 0x81, 0x82, 0x90, 0x94
# Where the specification leaves open whether a packet is malformed or breaks the protocol.
EITHER = {MALFORMED, PROTOCOL}
TOPIC = w.text("a/b")


def props(encoded):
    return w.varint(len(encoded)) + encoded


# What a connected client sends, in version 5, and the reasons that may be answered.
AFTER_CONNECT = {
    "reserved packet type 0": (b"\x00\x00", EITHER),
    "remaining length of five bytes": (b"\x30\xff\xff\xff\xff\x7f", {MALFORMED}),
    "second CONNECT": (w.connect("again", w.V5), {PROTOCOL}),
    "CONNACK from a client": (w.packet(0x20, b"\x00\x00\x00"), EITHER),
    "SUBACK from a client": (w.packet(0x90, b"\x00\x01\x00\x00"), EITHER),
    "UNSUBACK from a client": (w.packet(0xB0, b"\x00\x01\x00\x00"), EITHER),
    "PINGRESP from a client": (w.packet(0xD0), EITHER),
    "PINGREQ with a body": (w.packet(0xC0, b"x"), {MALFORMED}),
    "PINGREQ with flags": (w.packet(0xC1), {MALFORMED}),
    "PUBLISH at QoS 3": (w.packet(0x36, TOPIC + b"\x00\x01\x00x"), {MALFORMED}),
    "PUBLISH at QoS 0 with DUP": (w.packet(0x38, TOPIC + b"\x00x"), EITHER),
    "PUBLISH without a body": (w.packet(0x30), {MALFORMED}),
    "PUBLISH whose topic runs over": (w.packet(0x30, b"\x00\xffabc"), {MALFORMED}),
    "PUBLISH without topic or alias": (w.publish("", "x", version=w.V5), {PROTOCOL}),
    "PUBLISH to +": (w.publish("a/+", "x", version=w.V5), {*EITHER, INVALID_TOPIC}),
    "PUBLISH to #": (w.publish("#", "x", version=w.V5), {*EITHER, INVALID_TOPIC}),
    "PUBLISH topic not UTF-8": (w.publish(b"a\xff", "x", version=w.V5), {MALFORMED, INVALID_TOPIC}),
    "PUBLISH topic overlong UTF-8": (w.publish(b"a\xc0\xaf", "x", version=w.V5), {MALFORMED, INVALID_TOPIC}),
    "PUBLISH topic with a surrogate": (w.publish(b"a\xed\xa0\x80", "x", version=w.V5), {MALFORMED, INVALID_TOPIC}),
    "PUBLISH topic with NUL": (w.publish(b"a\x00b", "x", version=w.V5), {MALFORMED, INVALID_TOPIC}),
    "PUBLISH without packet identifier": (w.packet(0x32, TOPIC), {MALFORMED}),
    "PUBLISH with packet identifier 0": (w.publish("a", "x", 1, 0, version=w.V5), EITHER),
    "PUBLISH alias 0": (w.publish("a", "x", version=w.V5, props=b"\x23\x00\x00"), {PROTOCOL, INVALID_ALIAS}),
    "PUBLISH alias beyond the maximum": (w.publish("a", "x", version=w.V5, props=b"\x23\xff\xff"), {INVALID_ALIAS}),
    "PUBLISH unknown alias": (w.publish("", "x", version=w.V5, props=b"\x23\x00\x07"), {PROTOCOL, INVALID_ALIAS}),
    "PUBLISH properties run over": (w.packet(0x30, TOPIC + b"\x7fx"), {MALFORMED}),
    "PUBLISH unknown property": (w.publish("a", "x", version=w.V5, props=b"\x7e\x00"), EITHER),
    "PUBLISH property of another packet": (w.publish("a", "x", version=w.V5, props=b"\x21\x00\x01"), EITHER),
    "PUBLISH property twice": (w.publish("a", "x", version=w.V5, props=b"\x01\x00\x01\x00"), {PROTOCOL}),
    "PUBLISH format indicator 2": (w.publish("a", "x", version=w.V5, props=b"\x01\x02"), EITHER),
    "PUBLISH response topic with +": (
        w.publish("a", "x", version=w.V5, props=b"\x08" + w.text("a/+")), {*EITHER, INVALID_TOPIC}),
    "PUBLISH subscription identifier": (w.publish("a", "x", version=w.V5, props=b"\x0b\x01"), EITHER),
    "PUBACK with flags": (w.packet(0x41, b"\x00\x01"), {MALFORMED}),
    "PUBACK of one byte": (w.packet(0x40, b"\x00"), {MALFORMED}),
    "PUBREL without flags": (w.packet(0x60, b"\x00\x01"), {MALFORMED}),
    "PUBACK unknown reason": (w.packet(0x40, b"\x00\x01\x77"), EITHER),
    "SUBSCRIBE without flags": (w.packet(0x80, b"\x00\x01\x00" + TOPIC + b"\x00"), {MALFORMED}),
    "SUBSCRIBE without filters": (w.packet(0x82, b"\x00\x01\x00"), EITHER),
    "SUBSCRIBE without options": (w.packet(0x82, b"\x00\x01\x00" + TOPIC), {MALFORMED}),
    "SUBSCRIBE identifier 0": (w.subscribe("a", packet_id=0, version=w.V5), EITHER),
    "SUBSCRIBE QoS 3": (w.subscribe("a", qos=3, version=w.V5), EITHER),
    "SUBSCRIBE reserved option bits": (w.subscribe("a", qos=0x40, version=w.V5), EITHER),
    "SUBSCRIBE retain handling 3": (w.subscribe("a", qos=0x30, version=w.V5), EITHER),
    "SUBSCRIBE subscription identifier 0": (w.subscribe("a", version=w.V5, props=b"\x0b\x00"), EITHER),
    "SUBSCRIBE filter not UTF-8": (w.subscribe(b"a\xff", version=w.V5), {MALFORMED, 0x8F}),
    "SUBSCRIBE empty filter": (w.subscribe("", version=w.V5), {*EITHER, 0x8F}),
    "SUBSCRIBE shared with no local": (w.subscribe("$share/g/a", qos=4, version=w.V5), {PROTOCOL}),
    "UNSUBSCRIBE without flags": (w.packet(0xA0, b"\x00\x01\x00" + TOPIC), {MALFORMED}),
    "UNSUBSCRIBE without filters": (w.packet(0xA2, b"\x00\x01\x00"), EITHER),
    "DISCONNECT with flags": (w.packet(0xE1, b"\x00\x00"), {MALFORMED}),
    "DISCONNECT with new session expiry": (
        w.packet(0xE0, b"\x00" + props(b"\x11\x00\x00\x00\x05")), {PROTOCOL}),
    "AUTH without a method": (w.packet(0xF0, b"\x18\x00"), EITHER),
}


@pytest.mark.parametrize("name", AFTER_CONNECT)
def test_after_connect_version_5(wire, name):
    packet, allowed = AFTER_CONNECT[name]
    client, bystander = wire(unique(), w.V5), wire()
    client.send(packet)
    ends = client.wait_closed()
    if ends and ends[0].type == w.SUBACK:  # a bad filter may also be refused on its own
        assert ends[0].body[-1] in allowed
    else:
        assert [end.type for end in ends] == [w.DISCONNECT] and ends[0].body[0] in allowed, ends
    bystander.ping()


# The same without version 5's properties.
AFTER_CONNECT_311 = {
    "reserved packet type 0": b"\x00\x00",
    "reserved packet type 15": w.packet(0xF0),
    "remaining length of five bytes": b"\x30\xff\xff\xff\xff\x7f",
    "second CONNECT": w.connect("again"),
    "CONNACK from a client": w.packet(0x20, b"\x00\x00"),
    "PINGREQ with a body": w.packet(0xC0, b"x"),
    "PUBLISH at QoS 3": w.packet(0x36, TOPIC + b"\x00\x01x"),
    "PUBLISH without a body": w.packet(0x30),
    "PUBLISH with an empty topic": w.publish("", "x"),
    "PUBLISH to +": w.publish("a/+", "x"),
    "PUBLISH topic not UTF-8": w.publish(b"a\xff", "x"),
    "PUBLISH topic with NUL": w.publish(b"a\x00b", "x"),
    "PUBLISH with packet identifier 0": w.publish("a", "x", 1, 0),
    "PUBACK of three bytes": w.packet(0x40, b"\x00\x01\x00"),
    "PUBREL without flags": w.packet(0x60, b"\x00\x01"),
    "SUBSCRIBE without flags": w.packet(0x80, b"\x00\x01" + TOPIC + b"\x00"),
    "SUBSCRIBE without filters": w.packet(0x82, b"\x00\x01"),
    "SUBSCRIBE QoS 3": w.subscribe("a", qos=3),
    "SUBSCRIBE with version 5's options": w.subscribe("a", qos=4),
    "UNSUBSCRIBE without filters": w.packet(0xA2, b"\x00\x01"),
    "DISCONNECT with a body": w.packet(0xE0, b"\x00"),
}


# MQTT 3.1 says of the flags only that they are not used.
LENIENT_31 = {
    "PUBREL without flags", "SUBSCRIBE without flags", "SUBSCRIBE with version 5's options", "DISCONNECT with a body"}


@pytest.mark.parametrize(
    "name, version",
    [(name, w.V311) for name in AFTER_CONNECT_311]
    + [(name, w.V31) for name in AFTER_CONNECT_311 if name not in LENIENT_31])
def test_after_connect_311(wire, name, version):
    client, bystander = wire(unique(), version), wire()
    client.send(AFTER_CONNECT_311[name])
    assert client.wait_closed() == []
    bystander.ping()


def raw_connect(flags=2, level=5, tail=b"", name=b"MQTT", properties=b"\x00"):
    return w.packet(0x10, w.text(name) + bytes([level, flags]) + b"\x00\x00" + properties + tail)


ID = w.text("id")
# A first packet, and the codes that a CONNACK may carry; None: it may also just be closed.
FIRST = {
    "PUBLISH first": (w.publish("a", "x"), {None}),
    "PINGREQ first": (w.packet(0xC0), {None}),
    "an HTTP request": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", {None}),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), {None}),
    "zeros": (bytes(64), {None}),
    "protocol name": (raw_connect(name=b"MQTX", tail=ID), {None, 0x01, 0x81, 0x84}),
    "version 6": (raw_connect(level=6, tail=ID), {0x01, 0x84}),
    "version 0": (raw_connect(level=0, tail=ID), {0x01, 0x84}),
    "flags in the fixed header": (b"\x11" + raw_connect(tail=ID)[1:], {None, 0x81}),
    "reserved flag": (raw_connect(flags=3, tail=ID), {None, 0x81}),
    "will QoS 3": (raw_connect(flags=0x1E, tail=ID + b"\x00" + TOPIC + TOPIC), {None, 0x81}),
    "will QoS without a will": (raw_connect(flags=0x0A, tail=ID), {None, 0x81}),
    "will retain without a will": (raw_connect(flags=0x22, tail=ID), {None, 0x81}),
    "will topic with #": (
        raw_connect(flags=6, tail=ID + b"\x00" + w.text("a/#") + TOPIC), {None, 0x81, 0x82, 0x90}),
    "no client id": (raw_connect(), {None, 0x81}),
    "client id runs over": (raw_connect(tail=b"\x00\x09abc"), {None, 0x81}),
    "client id not UTF-8": (raw_connect(tail=w.text(b"\xff")), {None, 0x81, 0x85}),
    "client id with NUL": (raw_connect(tail=w.text(b"a\x00")), {None, 0x81, 0x85}),
    "bytes after the end": (raw_connect(tail=ID + b"x"), {None, 0x81}),
    "user name missing": (raw_connect(flags=0x82, tail=ID), {None, 0x81}),
    "receive maximum 0": (raw_connect(properties=props(b"\x21\x00\x00"), tail=ID), {None, 0x81, 0x82}),
    "maximum packet size 0": (raw_connect(properties=props(b"\x27\x00\x00\x00\x00"), tail=ID), {None, 0x81, 0x82}),
    "session expiry twice": (
        raw_connect(properties=props(b"\x11\x00\x00\x00\x00\x11\x00\x00\x00\x00"), tail=ID), {None, 0x82}),
    "authentication data without method": (
        raw_connect(properties=props(b"\x16\x00\x01x"), tail=ID), {None, 0x81, 0x82}),
    "unknown authentication method": (
        raw_connect(properties=props(b"\x15" + w.text("SPHINX")), tail=ID), {0x8C}),
    "3.1.1: reserved flag": (raw_connect(flags=3, level=4, properties=b"", tail=ID), {None}),
    "3.1.1: password without user name": (
        raw_connect(flags=0x42, level=4, properties=b"", tail=ID + TOPIC), {None}),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_packet(broker, wire, name):
    packet, allowed = FIRST[name]
    bystander = wire()
    with w.Wire(broker.port()) as client:
        client.send(packet)
        answers = client.wait_closed()
    assert len(answers) <= 1 and all(answer.type == w.CONNACK for answer in answers), answers
    assert (answers[0].body[1] if answers else None) in allowed
    bystander.ping()


@pytest.mark.parametrize("listener", ["mqtt", "web"])
def test_torn_off_at_every_byte(broker, wire, listener):
    """Connections that end within a packet, wherever that is, leave nothing behind."""
    stream = w.connect(unique(), w.V5) + w.subscribe("a/b", version=w.V5) + w.publish("a/b", "x", 2, version=w.V5)
    if listener == "web":
        stream = (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
                  b"Sec-WebSocket-Protocol: mqtt\r\n\r\n" + bytes([0x82, 0x80 | len(stream)]) + bytes(4) + stream)
    before = broker.status()["connections"]
    for length in range(len(stream)):
        with w.Wire(broker.port(listener)) as client:
            client.send(stream[:length])
    bystander = wire()
    bystander.ping()
    wait_until(lambda: broker.status()["connections"] == before + 1, "the torn connections to be gone")


def test_malformed_packets_are_logged_with_client_and_cause(broker, wire):
    client_id, since = unique("liar"), broker.log.mark()
    wire(client_id, w.V5).send(w.packet(0x36, TOPIC))
    line = broker.log.wait(rf"{client_id}.*broke the protocol", since=since)
    assert re.search(r"(?i)qos", line), line


def test_a_storm_of_malformed_packets_is_rate_limited_in_the_log(start_broker):
    """A thousand of them make far fewer lines, and the lines say how many there were."""
    broker = start_broker(log={"connections": False})
    since = broker.log.mark()
    for number in range(1000):
        with w.Wire(broker.port()) as client:
            client.send(w.connect(f"storm-{number}", w.V5), w.packet(0x36, TOPIC))
            client.wait_closed()
    assert 1 <= len(broker.log.all("(?i)malformed|qos|protocol", since)) < 200
    with w.connected(broker.port()) as client:
        client.ping()
    assert broker.worker("mqtt")["restarts"] == 0
    wait_until(lambda: broker.counted("malformed_packets") == 1000, "all of them to be counted")


def test_random_bytes(wire, broker):
    """Ten thousand packets of noise from a fixed seed: the worker lives and serves."""
    seed = 20261122
    print("seed", seed)
    random_ = random.Random(seed)
    for _ in range(500):
        with w.Wire(broker.port()) as client:
            try:
                client.send(w.connect("noise", random_.choice([w.V31, w.V311, w.V5])))
                for _ in range(20):
                    client.send(w.packet(random_.randrange(256), random_.randbytes(random_.randrange(40))))
            except ConnectionError:
                continue
    wire().ping()
