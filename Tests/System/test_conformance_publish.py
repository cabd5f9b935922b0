"""PUBLISH: topics, flags, what is retained, and what becomes of a message that is not accepted."""

import contextlib

import pytest

import wire as w
from broker import wait_until
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_byte_order_mark_is_kept(wire, version):
    """It is a character of the topic [MQTT-1.5.4-3]: a topic without it is another one."""
    topic, client = unique("bom"), wire(unique(), version)
    marked = BOM + topic.encode() + BOM
    client.subscribe(topic)
    client.subscribe(marked)
    client.send(w.publish(marked, "marked", version=version), w.publish(topic, "plain", version=version))
    for name, payload in ((marked, b"marked"), (topic.encode(), b"plain")):
        found, _, said = client.expect(w.PUBLISH).publish(version)
        assert (found.encode(), said) == (name, payload)


def test_a_topic_of_65535_bytes(wire):
    """Or with as many levels as the configuration allows, 128."""
    client = wire()
    for topic in ("x" * 65_535, "/" * 127):
        client.subscribe(topic)
        client.send(w.publish(topic, "x"))
        assert client.expect(w.PUBLISH).publish()[0] == topic


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_a_topic_beyond_the_limits_is_refused(start_broker, opened, version):
    broker = start_broker(limits={"topic_length": 10, "topic_levels": 3})
    for topic, is_accepted in (("x" * 10, True), ("x" * 11, False), ("a/b/c", True), ("a/b/c/d", False)):
        client = opened(w.connected(broker.port(), unique(), version))
        client.send(w.publish(topic, "x", version=version))
        if is_accepted:
            client.ping()
        else:
            assert [end.body[:1] for end in client.wait_closed()] == ([b"\x90"] if version == w.V5 else [])


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_dup_is_not_passed_on(wire, version, qos):
    """[MQTT-3.3.1-3]: the subscriber sees it for the first time."""
    topic, publisher, subscriber = unique("dup"), wire(unique(), version), wire(unique(), version)
    subscriber.subscribe(topic, qos=qos)
    packet = w.publish(topic, "x", qos, 5, version=version)
    publisher.send(bytes([packet[0] | 8]) + packet[1:])
    message = subscriber.expect(w.PUBLISH)
    assert (message.flags & 8, message.qos, message.publish(version)[2]) == (0, qos, b"x")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_retained_message_of_qos_0_replaces(wire, version):
    topic, client = unique("retained"), wire(unique(), version)
    client.send(w.publish(topic, "one", 1, 1, retain=True, version=version))
    client.expect(w.PUBACK)
    client.send(w.publish(topic, "two", 0, retain=True, version=version))  # of 3.1.1 [MQTT-3.3.1-7]
    client.subscribe(topic, qos=1)
    message = client.expect(w.PUBLISH)
    assert (message.publish(version)[2], message.qos, message.retain) == (b"two", 0, True)
    client.send(w.publish(topic, "", retain=True, version=version))
    client.expect(w.PUBLISH)


@pytest.mark.parametrize("version", VERSIONS)
def test_retained_messages_outlive_their_publisher(wire, version):
    """They are no part of its session [MQTT-3.1.2-7 of 3.1.1], which ends here."""
    topic, client_id = unique("retained"), unique()
    with wire(client_id, version) as client:
        client.send(w.publish(topic, "kept", 1, 1, retain=True, version=version))
        client.expect(w.PUBACK)
        client.send(w.packet(0xE0, b"\x00\x00" if version == w.V5 else b""))
        client.wait_closed()
    again = wire(client_id, version)
    again.subscribe(topic)
    assert again.expect(w.PUBLISH).publish(version)[2] == b"kept"
    again.send(w.publish(topic, "", retain=True, version=version))
    again.expect(w.PUBLISH)


@pytest.mark.parametrize("qos,answer", [(1, w.PUBACK), (2, w.PUBREC)])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_may_not_be_retained_is_answered(start_broker, opened, version, qos, answer):
    """MQTT 5 is told; the others are acknowledged, as they have to be or be closed [MQTT-3.3.5-2 of 3.1.1]."""
    broker = start_broker(limits={"retained_messages": 0})
    client = opened(w.connected(broker.port(), unique(), version))
    client.send(w.publish("a", "x", qos, 9, retain=True, version=version))
    assert client.expect(answer).body[:3] == w.u16(9) + (b"\x97" if version == w.V5 else b"")
    client.ping()


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_a_packet_that_finds_no_memory_closes_its_connection(start_broker, opened, version):
    """A passing error [MQTT-4.8.0-2 of 3.1.1]; the others are served, and so is the next one."""
    broker = start_broker(limits={"memory": "16 MiB", "packet_size": "7 MiB"})
    bystander = opened(w.connected(broker.port(), unique()))
    packet = w.publish("large", b"x" * (6 << 20), version=version)
    clients = [opened(w.connected(broker.port(), unique(), version)) for _ in range(4)]
    for client in clients:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(packet[:-1])
    wait_until(lambda: broker.counted("arena_exhausted") and len(broker.clients()) < 5, "one that was closed")
    bystander.ping()
    for client in clients:
        client.close()
    again = opened(w.connected(broker.port(), unique(), version))
    again.send(packet)
    again.ping()


BAD_STRINGS = {"content type": b"\x03" + w.text(b"\xff"), "response topic": b"\x08" + w.text(b"a\xff"),
               "response topic with #": b"\x08" + w.text("a/#"), "empty response topic": b"\x08" + w.text(""),
               "user property's name": b"\x26" + w.text(b"\xff") + w.text("v"),
               "user property's value": b"\x26" + w.text("n") + w.text(b"\x00")}


@pytest.mark.parametrize("name", BAD_STRINGS)
def test_strings_of_publish_are_utf8(wire, name):
    client = wire(unique(), w.V5)
    client.send(w.publish("a", "x", version=w.V5, props=BAD_STRINGS[name]))
    ends = client.wait_closed()
    assert [end.type for end in ends] == [w.DISCONNECT] and ends[0].body[0] in (0x81, 0x82, 0x90)
