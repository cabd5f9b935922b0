"""Each limit, at it and one beyond it: what the client is told in MQTT 5 and in MQTT 3.1.1, what becomes of the one too
many, and the limit's own counter, which counts it once. docs/configuration.md has the same as a table."""

import contextlib
import re

import pytest

import wire as w
from broker import ROOT, Broker, wait_until
from client import JSON, unique
from durability import EXPIRY

DURABLE = {w.V5: {"version": w.V5, "clean": False, "props": EXPIRY}, w.V311: {"version": w.V311, "clean": False}}
VERSIONS = pytest.mark.parametrize("version", [w.V5, w.V311])
# Counters are told with the heartbeats; $SYS would take its share of the retained messages.
PROMPT = {"supervisor": {"heartbeat_interval": "50 ms"}, "top": {"sys_interval": 0}}
TOO_LONG = {"length": ("x" * 20, "x" * 21, "listener_topics_too_long"), "levels": ("a/b/c", "a/b/c/d", "listener_topics_too_deep")}


@pytest.fixture(scope="module")
def small():
    """One broker for all limits that do not get in each other's way."""
    with Broker(limits={"packet_size": "1 KiB", "topic_length": 20, "topic_levels": 3, "subscriptions": 2, "in_flight": 3,
                        "client_id_length": 23}, **PROMPT) as broker:
        yield broker


@contextlib.contextmanager
def counted_once(broker, *names, times=1):
    """The counters of those names together grow by that much within the block, or soon after it."""
    def value():
        counters = broker.status()["counters"]
        return sum(counters.get(name, 0) for name in names)

    before = value()
    yield
    wait_until(lambda: value() >= before + times, f"{names} counted")
    assert value() == before + times


def ended_with(client, code):
    """The connection ends: MQTT 5 says why."""
    packets = client.wait_closed()
    if client.version == w.V5:
        assert [(packet.type, packet.body[0]) for packet in packets] == [(w.DISCONNECT, code)]
    else:
        assert packets == []


def refused(port, code, *arguments, **options):
    """CONNECT is answered by a CONNACK with that code, None by none, and the end."""
    with w.Wire(port) as client:
        client.send(w.connect(*arguments, **options))
        packets = client.wait_closed()
        assert [(packet.type, packet.body[1]) for packet in packets] == ([] if code is None else [(w.CONNACK, code)])


def publish(client, topic, payload, packet_id=1, retain=False):
    """At QoS 1. Returns the reason code of the PUBACK."""
    client.send(w.publish(topic, payload, 1, packet_id, retain, client.version))
    answer = client.expect(w.PUBACK)
    assert answer.body[:2] == w.u16(packet_id)
    return answer.body[2] if len(answer.body) > 2 else 0


# MARK: packets and their fields


@VERSIONS
def test_packet_size(small, opened, version):
    def of_size(size):
        return w.publish("t", b"x" * (size - len(w.publish("t", b"x" * (size - 10), version=version)) + size - 10),
                         version=version)

    client = opened(w.connected(small.port(), unique(), version))
    packet = of_size(1024)
    assert len(packet) == 1024
    client.send(packet)
    client.ping()
    with counted_once(small, "listener_packets_too_large"):
        client.send(of_size(1025))
        ended_with(client, 0x95)


def test_packet_size_in_json(small, opened):
    client = opened(JSON(small.port("web")))
    client.request("ping")
    with counted_once(small, "listener_packets_too_large"):
        client.send("publish", Topic="t", Payload="x" * 1100)
        assert client.wait_closed() == 1009


@VERSIONS
def test_client_id_length(small, version):
    w.connected(small.port(), "x" * 23, version).close()
    with counted_once(small, "listener_client_identifiers_too_long"):
        refused(small.port(), 0x85 if version == w.V5 else 2, "x" * 24, version)


@VERSIONS
@pytest.mark.parametrize("limit", TOO_LONG)
def test_topics(small, opened, limit, version):
    """PUBLISH, SUBSCRIBE and the will. UNSUBSCRIBE has no limit: a reload may have lowered it since the SUBSCRIBE."""
    fits, beyond, counter = TOO_LONG[limit]
    client = opened(w.connected(small.port(), unique(), version, will=(fits, "x", 0, False)))
    client.subscribe(fits)
    client.send(w.publish(fits, "x", version=version))
    assert client.expect(w.PUBLISH).publish(version)[0] == fits
    with counted_once(small, counter):
        client.send(w.publish(beyond, "x", 1, version=version))
        ended_with(client, 0x90)
    client = opened(w.connected(small.port(), unique(), version))
    with counted_once(small, counter):
        client.send(w.subscribe("fits", beyond, version=version))
        ended_with(client, 0x8F)
    client = opened(w.connected(small.port(), unique(), version))
    with counted_once(small, counter):
        refused(small.port(), 0x90 if version == w.V5 else None, unique(), version, will=(beyond, "x", 0, False))
    with counted_once(small, counter, times=0):
        client.send(w.unsubscribe(beyond, version=version))
        assert client.expect(w.UNSUBACK).body == w.u16(1) + (b"\x00\x11" if version == w.V5 else b"")


@pytest.mark.parametrize("limit", TOO_LONG)
def test_topics_in_json(small, opened, limit):
    fits, beyond, counter = TOO_LONG[limit]
    client = opened(JSON(small.port("web")))
    assert client.request("publish", Topic=fits, Payload="")["Action"] == "ack"
    for action in ("publish", "subscribe"):
        with counted_once(small, counter):
            answer = client.request(action, Topic=beyond, Payload="")
            assert (answer["Action"], answer["Code"]) == ("error", 422), answer
    assert client.request("unsubscribe", Topic=beyond)["Action"] == "ack"


# MARK: what one client holds


@VERSIONS
def test_subscriptions(small, opened, version):
    client = opened(w.connected(small.port(), unique(), version))
    client.subscribe("one", "two")
    with counted_once(small, "router_subscriptions_refused"):
        client.send(w.subscribe("two", "three", version=version))
        answer = client.expect(w.SUBACK)
        assert answer.body[-2:] == bytes([0, 0x97 if version == w.V5 else 0x80])
    client.send(w.unsubscribe("one", version=version))
    client.expect(w.UNSUBACK)
    client.subscribe("three")


@VERSIONS
def test_in_flight(small, opened, version):
    """Of a publisher that does not release its QoS 2 messages."""
    client = opened(w.connected(small.port(), unique(), version))
    for packet_id in (1, 2, 3):
        client.send(w.publish("t", "x", 2, packet_id, version=version))
        client.expect(w.PUBREC)
    client.send(w.packet(0x62, w.u16(2)))
    client.expect(w.PUBCOMP)
    client.send(w.publish("t", "x", 2, 4, version=version))
    client.expect(w.PUBREC)
    with counted_once(small, "listener_in_flight_exceeded", "router_in_flight_exceeded"):
        client.send(w.publish("t", "x", 2, 5, version=version))
        ended_with(client, 0x93)


# MARK: queues


def received(client, most):
    """The payloads of what comes before an answer to a PINGREQ, each acknowledged; no more than that many."""
    found = []
    while True:
        client.send(w.packet(w.PINGREQ << 4))
        before = len(found)
        while (packet := client.read()).type != w.PINGRESP:
            _, packet_id, payload = packet.publish(client.version)
            found.append(payload)
            client.send(w.packet(0x40, w.u16(packet_id)))
        assert len(found) <= most
        if len(found) == before and len(found) == most:
            return found


# The limit, payloads of 300 bytes under a topic of 36, how many of them fit, and the counter.
QUEUES = {"messages": ({"queue_messages": 3}, "router_queue_messages_exceeded"),
          "bytes": ({"queue_bytes": "1 KiB"}, "router_queue_bytes_exceeded")}
PAYLOADS = [b"%d" % number + b"x" * 300 for number in range(1, 6)]
KEPT = {"drop_oldest": PAYLOADS[2:], "drop_newest": PAYLOADS[:3], "disconnect": PAYLOADS[:3]}


@pytest.mark.parametrize("policy", KEPT)
@pytest.mark.parametrize("limit", QUEUES)
def test_queues(start_broker, opened, limit, policy):
    """Of a client that is away, and of one that is there and acknowledges nothing. Publishers are told nothing of it."""
    limits, counter = QUEUES[limit]
    broker = start_broker(limits={**limits, "queue_policy": policy, "in_flight": 1}, **PROMPT)
    publisher = opened(w.connected(broker.port()))
    for version in (w.V5, w.V311):
        name = unique()
        with w.connected(broker.port(), name, **DURABLE[version]) as away:
            away.subscribe(name, qos=1)
        wait_until(lambda: not broker.client(name), "its end")
        with counted_once(broker, counter, times=2), counted_once(broker, "router_messages_dropped", times=2):
            for payload in PAYLOADS:
                publish(publisher, name, payload)
        client = w.connected(broker.port(), name, **DURABLE[version])
        assert received(client, 3) == KEPT[policy]
        client.close()

    for options in (DURABLE[w.V5], DURABLE[w.V311], {"version": w.V5}, {"version": w.V311}):
        name = unique()
        client = opened(w.connected(broker.port(), name, **options))
        client.subscribe(name, qos=1)
        publish(publisher, name, b"in flight")
        _, packet_id, payload = client.expect(w.PUBLISH).publish(client.version)
        assert payload == b"in flight"
        is_ended, times = policy == "disconnect", 1 if policy == "disconnect" else 2
        with counted_once(broker, counter, times=times):
            for payload in PAYLOADS[:3 + times]:
                publish(publisher, name, payload)
        if is_ended:
            ended_with(client, 0x97)
            client, connack = w.Wire(broker.port()), None
            connack = opened(client).connect(name, **options)
            assert connack.body[0] == ("clean" in options)
            if "clean" in options:
                assert received(client, 4) == [b"in flight", *KEPT[policy]]
        else:
            client.send(w.packet(0x40, w.u16(packet_id)))
            assert received(client, 3) == KEPT[policy]


# MARK: what the whole broker holds


@VERSIONS
def test_sessions(start_broker, opened, version):
    broker = start_broker(limits={"sessions": 2}, **PROMPT)
    opened(w.connected(broker.port(), "one", version))
    w.connected(broker.port(), "two", **DURABLE[version]).close()
    wait_until(lambda: not broker.client("two"), "its end")
    with counted_once(broker, "router_sessions_refused"):
        refused(broker.port(), 0x97 if version == w.V5 else 3, "three", version)
    # A session that is there is no one more, and one that ends makes room.
    w.connected(broker.port(), "two", version).close()
    wait_until(lambda: not broker.client("two"), "its end")
    opened(w.connected(broker.port(), "three", version))
    with JSON(broker.port("web")) as client, counted_once(broker, "router_sessions_refused"):
        client.send("ping")
        client.wait_closed()


RETAINED = {"messages": ({"retained_messages": 2}, "router_retained_refused"),
            "bytes": ({"retained_bytes": "60 B"}, "router_retained_bytes_refused")}


@VERSIONS
@pytest.mark.parametrize("limit", RETAINED)
def test_retained(start_broker, opened, limit, version):
    """Before MQTT 5, where it can not be said, subscribers of now get the message, and only later ones do not."""
    limits, counter = RETAINED[limit]
    broker = start_broker(limits=limits, **PROMPT)
    client, watcher = opened(w.connected(broker.port(), unique(), version)), opened(w.connected(broker.port()))
    watcher.subscribe("r/#")
    kept = {f"r/{number}": b"x" * 27 for number in (1, 2)}
    for topic, payload in kept.items():
        assert publish(client, topic, payload, retain=True) == 0
    with counted_once(broker, counter):
        assert publish(client, "r/3", b"x" * 27, retain=True) == (0x97 if version == w.V5 else 0)
    assert publish(client, "r/1", b"y" * 27, retain=True) == 0  # in the place of another
    assert publish(client, "r/2", b"", retain=True) == 0
    assert publish(client, "r/4", b"z" * 27, retain=True) == 0  # in the room of one that is gone
    topics = ["r/1", "r/2", *(["r/3"] if version == w.V311 else []), "r/1", "r/2", "r/4"]
    assert [watcher.expect(w.PUBLISH).publish()[0] for _ in topics] == topics
    late = opened(w.connected(broker.port()))
    late.subscribe("r/#")
    found = dict(late.expect(w.PUBLISH).publish()[::2] for _ in range(2))
    assert found == {"r/1": b"y" * 27, "r/4": b"z" * 27}
    late.ping()


# MARK: the table


def test_the_documentation_has_every_limit_with_its_counter(small):
    text = (ROOT / "docs" / "configuration.md").read_text()
    limits = set(re.findall(r"^\| `(\w+)` ", text.split("<!-- limits -->")[1].split("<!-- end -->")[0], re.M))
    rows = re.findall(r"^\| (`.+?) \|.*\| (.+?) \|$", text.split("### At a limit")[1].split("\n## ")[0], re.M)
    named = [name for cell, _ in rows for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(limits), "each limit stands once"
    counters = {name for _, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    wait_until(lambda: counters <= small.status()["counters"].keys(), counters - small.status()["counters"].keys())
