"""SUBSCRIBE and UNSUBSCRIBE, their answers, and which bytes match which."""

import unicodedata

import pytest

import wire as w
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]


def subscribe(pairs, packet_id=1, version=w.V311, props=b""):
    """(filter, options) of each."""
    return w.packet(0x82, w.u16(packet_id) + w.properties(version, props)
                    + b"".join(w.text(name) + bytes([options]) for name, options in pairs))


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_carry_the_identifier(wire, version):
    client = wire(unique(), version)
    for packet_id in (1, 255, 256, 65_535, 1):  # [MQTT-3.8.4-2], [MQTT-3.10.4-5]
        client.send(w.subscribe("a", packet_id=packet_id, version=version))
        assert client.expect(w.SUBACK).body[:2] == w.u16(packet_id)
        client.send(w.unsubscribe("a", "never", packet_id=packet_id, version=version))
        assert client.expect(w.UNSUBACK).body[:2] == w.u16(packet_id)


@pytest.mark.parametrize("version", VERSIONS)
def test_codes_come_in_the_order_of_the_filters(wire, version):
    client, levels = wire(unique(), version), [2, 0, 1, 1, 0, 2]
    client.send(subscribe([(f"order/{number}", qos) for number, qos in enumerate(levels)], version=version))
    assert client.expect(w.SUBACK).body == w.u16(1) + w.properties(version) + bytes(levels)  # [MQTT-3.9.3-1]


@pytest.mark.parametrize("version,code", [(w.V311, 0x80), (w.V5, 0x97)])
def test_a_refused_subscription_has_a_code_of_its_version(start_broker, opened, version, code):
    """Among others that are granted; with no words that could be too long for the client [MQTT-3.9.2-1]."""
    broker = start_broker(limits={"subscriptions": 2})
    client = opened(w.connected(broker.port(), unique(), version))
    client.send(subscribe([("a", 1), ("b", 0), ("c", 2), ("a", 2)], version=version))
    assert client.expect(w.SUBACK).body == w.u16(1) + w.properties(version) + bytes([1, 0, code, 2])


BAD_FILTERS = {"not UTF-8": b"a\xff", "a surrogate": b"\xed\xa0\x80", "U+0000": b"a\x00b", "cut off": b"a\xe2\x98"}


@pytest.mark.parametrize("bad", BAD_FILTERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_filters_are_utf8(wire, version, bad):
    """[MQTT-3.8.3-1], [MQTT-3.10.3-1]; a good filter before it changes nothing."""
    for packet in (w.subscribe("good", BAD_FILTERS[bad], version=version),
                   w.unsubscribe("good", BAD_FILTERS[bad], version=version)):
        client = wire(unique(), version)
        client.send(packet)
        assert [end.body[0] for end in client.wait_closed()] == ([0x81] if version == w.V5 else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_unsubscribing_compares_bytes(wire, version):
    """[MQTT-3.10.4-1]: a filter that matches the same topics is another filter."""
    topic, client = unique("bytes"), wire(unique(), version)
    client.subscribe(f"{topic}/+")
    others = [f"{topic}/a", f"{topic}/#", f"{topic.upper()}/+", f"{topic}/+/", f"/{topic}/+"]
    client.send(w.unsubscribe(*others, packet_id=2, version=version))
    answer = client.expect(w.UNSUBACK)
    assert answer.body == w.u16(2) + (b"\x00" + b"\x11" * len(others) if version == w.V5 else b"")
    client.send(w.publish(f"{topic}/a", "x", version=version))
    assert client.expect(w.PUBLISH).publish(version)[2] == b"x"
    client.send(w.unsubscribe(f"{topic}/+", packet_id=3, version=version))
    client.expect(w.UNSUBACK)
    client.send(w.publish(f"{topic}/a", "x", version=version))
    client.ping()


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_unsubscribing_lets_begun_messages_finish(wire, version, qos):
    """[MQTT-3.10.4-3]: what was sent is acknowledged to its end."""
    topic, client = unique("finish"), wire(unique(), version)
    client.subscribe(topic, qos=qos)
    wire().send(w.publish(topic, "begun", 2, 1), w.packet(0x62, w.u16(1)))
    message = client.expect(w.PUBLISH)
    assert message.qos == qos
    client.send(w.unsubscribe(topic, packet_id=2, version=version))
    client.expect(w.UNSUBACK)
    packet_id = w.u16(message.publish(version)[1])
    if qos == 1:
        client.send(w.packet(0x40, packet_id))
    else:
        client.send(w.packet(0x50, packet_id))
        assert client.expect(w.PUBREL).body == packet_id
        client.send(w.packet(0x70, packet_id))
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_replacing_a_subscription_loses_nothing(wire, version):
    """[MQTT-3.8.4-4]: a hundred times in the middle of two thousand messages, with another QoS each time."""
    topic, publisher, client = unique("replace"), wire(), wire(unique(), version)
    client.subscribe(topic, qos=0)
    expected = 0
    for part in range(100):
        publisher.send(*[w.publish(topic, str(part * 20 + number)) for number in range(20)])
        client.send(w.subscribe(topic, qos=part % 3, packet_id=part + 1, version=version))
        while True:
            found = client.read()
            if found.type == w.SUBACK:
                break
            assert found.publish(version)[2] == str(expected).encode()
            expected += 1
    while expected < 2000:
        assert client.expect(w.PUBLISH).publish(version)[2] == str(expected).encode()
        expected += 1


def test_topics_are_not_normalised(wire):
    """[MQTT-4.7.3-4]: each of these is a topic of its own, although people may not see it."""
    prefix, client = unique("é"), wire()
    names = [unicodedata.normalize("NFC", prefix), unicodedata.normalize("NFD", prefix), prefix.upper(), f"/{prefix}",
             f"{prefix}/", f"{prefix}//", f" {prefix}", f"{prefix} ", f"{prefix}\t", f"{prefix}%2F", f"{prefix}/./",
             f"{prefix}/../{prefix}", f"{prefix}\\"]
    assert len(set(names)) == len(names)
    for number, name in enumerate(names):
        subscriber = wire()
        subscriber.subscribe(name)
        client.send(*[w.publish(other, str(index)) for index, other in enumerate(names)])
        topic, _, payload = subscriber.expect(w.PUBLISH).publish()
        assert (topic, payload) == (name, str(number).encode())
        subscriber.ping()


def test_a_copy_names_all_its_subscriptions(wire):
    """[MQTT-3.3.4-4]: those that match, in any order; one without an identifier adds none, a replaced one its new one."""
    topic, client, publisher = unique("named"), wire(unique(), w.V5), wire()
    for name, identifier in ((f"{topic}/#", 5), (f"{topic}/a", 268_435_455), (f"{topic}/b", 9), (f"{topic}/+", 0),
                             (f"{topic}/#", 7)):
        props = b"\x0b" + w.varint(identifier) if identifier else b""
        client.send(w.subscribe(name, qos=1, version=w.V5, props=props))
        client.expect(w.SUBACK)
    for level, identifiers in (("a", [7, 268_435_455]), ("b", [7, 9]), ("c", [7])):
        publisher.send(w.publish(f"{topic}/{level}", level))
        message = client.expect(w.PUBLISH)
        assert sorted(number for name, number in message.properties() if name == 0x0B) == identifiers
        assert message.publish(w.V5)[2] == level.encode()
    client.ping()
