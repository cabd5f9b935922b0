"""Connecting: versions, client ids, take-over, keep-alive, connections that never finish."""

import time

import pytest
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

import wire as w
from broker import wait_until
from client import JSON, Paho, unique

# How late a timer of the broker may be on a busy machine, in seconds.
SLACK = 2.0


@pytest.mark.parametrize("version", [w.V31, w.V311, w.V5])
def test_versions_by_hand(broker, version):
    with w.Wire(broker.port()) as client:
        answer = client.connect(unique(), version)
        assert answer.body[0] == 0, "no session was there before"
        client.ping()
        client.send(w.packet(0xE0, b"\x00\x00" if version == w.V5 else b""))
        assert client.wait_closed() == []


def test_a_31_client_with_an_old_name_is_not_a_311_client(broker):
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique(), w.V31, protocol=b"MQTT"))
        answers = client.wait_closed()
        assert [answer.type for answer in answers] in ([], [w.CONNACK])
        assert all(answer.body[1] for answer in answers)


def test_assigned_client_id(broker):
    ids = set()
    for _ in range(3):
        with w.Wire(broker.port()) as client:
            props = properties_of(client.connect("", w.V5).body)
            length = int.from_bytes(props[0x12][:2], "big")
            name = props[0x12][2:2 + length].decode()
            assert broker.client(name) is not None
            ids.add(name)
    assert len(ids) == 3 and all(ids)


def properties_of(connack):
    """The properties of a CONNACK, by identifier, as bytes."""
    sizes = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
    length, used = w.read_varint(connack[2:])
    rest, found = connack[2 + used:2 + used + length], {}
    while rest:
        size = sizes.get(rest[0]) or 2 + int.from_bytes(rest[1:3], "big")
        found[rest[0]], rest = rest[1:1 + size], rest[1 + size:]
    return found


def test_empty_client_id_without_clean_session_is_refused(broker):
    with w.Wire(broker.port()) as client:
        client.send(w.connect("", w.V311, clean=False))
        assert client.expect(w.CONNACK).body == b"\x00\x02"  # [MQTT-3.1.3-8]
        assert client.wait_closed() == []


def test_anonymous_clients_are_refused_where_configured(start_broker):
    broker = start_broker(auth={"anonymous": False})
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique(), w.V311))
        assert client.expect(w.CONNACK).body == b"\x00\x05"
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique(), w.V5))
        assert client.expect(w.CONNACK).body[1] == 0x87


@pytest.mark.parametrize("listener", ["mqtt", "web"])
def test_take_over_311(broker, paho, opened, listener):
    client_id = unique("taken")
    first = paho(client_id=client_id)
    second = paho(client_id=client_id, transport="tcp" if listener == "mqtt" else "websockets")
    first.wait_disconnected()
    second.publish(unique(), "lives", 1)
    wait_until(lambda: [row["listener"] for row in broker.clients() if row["client_id"] == client_id] == [listener],
               "one client of that id, the second")


def test_take_over_5_tells_the_first(paho):
    client_id = unique("taken")
    first = paho(client_id=client_id, version="5.0")
    second = paho(client_id=client_id, version="5.0")
    assert first.wait_disconnected().value == 0x8E  # session taken over [MQTT-3.1.4-3]
    second.publish(unique(), "lives", 1)


def test_take_over_and_back_many_times(wire):
    client_id, topic = unique("pingpong"), unique()
    before = wire(client_id, w.V5)
    for _ in range(50):
        after = wire(client_id, w.V5)
        assert [(end.type, end.body[:1]) for end in before.wait_closed()] == [(w.DISCONNECT, b"\x8e")]
        before = after
    before.subscribe(topic)
    before.send(w.publish(topic, "once", version=w.V5))
    assert before.expect(w.PUBLISH).publish(w.V5)[2] == b"once"
    before.ping()


def test_take_over_of_a_json_client(broker, json_client, paho):
    client_id = unique("page")
    page = json_client()
    assert page.request("connect", ClientId=client_id)["Action"] == "ack"
    assert broker.client(client_id)["protocol"] == "JSON"
    paho(client_id=client_id)
    page.wait_closed()
    wait_until(lambda: broker.client(client_id)["protocol"] != "JSON", "the MQTT client in its place")


@pytest.mark.parametrize("version", [w.V31, w.V311, w.V5])
def test_keep_alive_expires(wire, version):
    start = time.monotonic()
    silent, alive = wire(unique(), version, keep_alive=1), wire(unique(), version, keep_alive=1)
    while time.monotonic() - start < 1.2:
        alive.ping()
        with pytest.raises(TimeoutError):
            alive.read(0.3)
    ends = silent.wait_closed(1.5 + SLACK)
    assert 1.4 < time.monotonic() - start < 1.5 + SLACK  # one and a half times [MQTT-3.1.2-24]
    expected = [(w.DISCONNECT, b"\x8d")] if version == w.V5 else []
    assert [(end.type, end.body[:1]) for end in ends] == expected
    alive.ping(5)


def test_keep_alive_of_a_client_that_pings(wire):
    """Alive for three times the keep-alive, by pings alone."""
    client, start = wire(unique(), keep_alive=1), time.monotonic()
    while time.monotonic() - start < 3:
        client.ping(5)
        with pytest.raises(TimeoutError):
            client.read(0.6)
    client.ping(5)


def test_publishing_feeds_the_keep_alive(wire):
    client, start = wire(unique(), keep_alive=1), time.monotonic()
    while time.monotonic() - start < 2.5:
        client.send(w.publish("keep/alive", "x"))
        with pytest.raises(TimeoutError):
            client.read(0.5)
    client.ping(5)


def test_no_keep_alive(wire):
    client = wire(unique(), keep_alive=0)
    with pytest.raises(TimeoutError):
        client.read(2)
    client.ping()


@pytest.mark.parametrize("listener", ["mqtt", "web"])
@pytest.mark.parametrize("said", ["nothing", "half"])
def test_connections_that_never_finish_are_closed(start_broker, listener, said):
    broker = start_broker(limits={"connect_timeout": "1 s"})
    half = {"mqtt": w.connect("x")[:5], "web": b"GET / HTTP/1.1\r\nHost: local"}[listener]
    with Paho(broker.port()) as other, w.Wire(broker.port(listener)) as client:
        start = time.monotonic()
        client.send(half if said == "half" else b"")
        wait_end(client, 1 + SLACK)
        assert time.monotonic() - start > 0.9
        other.publish(unique(), "lives", 1)


def test_a_websocket_that_never_says_connect_is_closed(start_broker):
    broker = start_broker(limits={"connect_timeout": "1 s"})
    with JSON(broker.port("web"), subprotocols=["mqtt"]) as page:
        page.wait_closed(1 + SLACK)


def test_bytes_that_come_one_by_one(broker):
    with w.Wire(broker.port()) as client:
        for byte in w.connect(unique()) + w.subscribe("slow/" + "x" * 200) + w.publish("slow/" + "x" * 200, "hello"):
            client.send(bytes([byte]))
        client.expect(w.CONNACK)
        client.expect(w.SUBACK)
        assert client.expect(w.PUBLISH).publish()[2] == b"hello"


def test_publishing_before_connack(broker):
    """A client need not wait for CONNACK [MQTT-3.1.4-5]; many packets in one segment are all answered."""
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique()), w.subscribe("at/once", qos=1),
                    *[w.publish("at/once", str(number), 1, number + 1) for number in range(100)], w.packet(0xC0))
        kinds = [client.expect(w.CONNACK).type]
        while kinds.count(w.PUBLISH) < 100 or kinds.count(w.PUBACK) < 100 or w.PINGRESP not in kinds:
            kinds.append(client.read().type)
        assert kinds.count(w.SUBACK) == 1


def test_connack_properties_tell_the_limits(start_broker):
    broker = start_broker(limits={"packet_size": "64 KiB", "in_flight": 33})
    with w.Wire(broker.port()) as client:
        props = properties_of(client.connect(unique(), w.V5).body)
        assert int.from_bytes(props[0x27], "big") == 65536
        assert int.from_bytes(props[0x21], "big") == 33


def test_session_present_is_never_said_for_clean_sessions(paho):
    client_id = unique()
    for _ in range(2):
        client = paho(client_id=client_id, clean=True)
        assert not client.flags.session_present
        client.subscribe("clean/session")
        client.close()
    last = paho(client_id=client_id, clean=True)
    paho().publish("clean/session", "must not arrive", 1)
    last.expect_nothing_before(unique())


def wait_end(client, timeout):
    """Waits for the end of a stream that may hold anything, an HTTP answer for instance."""
    client.socket.settimeout(timeout)
    try:
        while client.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass


def user_properties():
    properties = Properties(PacketTypes.CONNECT)
    properties.UserProperty = ("key", "value")
    return properties


def test_properties_of_connect_are_accepted(paho):
    client = paho(version="5.0", properties=user_properties())
    client.publish(unique(), "lives", 1)
