"""Acknowledgements, identifiers and windows, by hand."""

import pytest

import wire as w
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]


def acknowledge(client, message, version):
    """Everything that a message asks of its receiver."""
    packet_id = w.u16(message.publish(version)[1])
    if message.qos == 1:
        client.send(w.packet(0x40, packet_id))
    else:
        client.send(w.packet(0x50, packet_id))
        assert client.expect(w.PUBREL).body == packet_id
        client.send(w.packet(0x70, packet_id))


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_identifiers_are_not_zero_and_not_in_use(wire, version, qos):
    """[MQTT-2.2.1-4]: 300 at once, then as many again while every other one is still open."""
    topic, publisher = unique("ids"), wire()
    client = wire(unique(), version)
    client.subscribe(topic, qos=qos)
    unanswered = {}
    for part in range(2):
        for number in range(300):
            publisher.send(w.publish(topic, f"{part}/{number}", 2, number + 1), w.packet(0x62, w.u16(number + 1)))
        for number in range(300):
            message = client.expect(w.PUBLISH)
            packet_id = message.publish(version)[1]
            assert packet_id != 0 and packet_id not in unanswered
            assert message.publish(version)[2] == f"{part}/{number}".encode()
            unanswered[packet_id] = message
        for number, packet_id in enumerate(list(unanswered)):
            if number % 2:
                acknowledge(client, unanswered.pop(packet_id), version)
        client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_identifier_is_free_after_its_acknowledgement(wire, version):
    """Each PUBACK has the identifier; the same again is a new message, whatever DUP says [MQTT-4.3.2-5]."""
    topic, publisher, subscriber = unique("again"), wire(unique(), version), wire()
    subscriber.subscribe(topic)
    for payload in (b"one", b"two", b"two"):
        packet = w.publish(topic, payload, 1, 0x1234, version=version)
        publisher.send(bytes([packet[0] | 8 * (payload == b"two")]) + packet[1:])
        assert publisher.expect(w.PUBACK).body[:2] == b"\x12\x34"
        assert subscriber.expect(w.PUBLISH).publish()[2] == payload


def test_an_identifier_is_free_after_a_refusal(start_broker, opened):
    """[MQTT-4.3.3-9]: after a PUBREC that refuses, nothing is left of that message."""
    broker = start_broker(limits={"retained_messages": 0})
    client = opened(w.connected(broker.port(), unique(), w.V5))
    topic = unique("refused")
    client.subscribe(topic)
    client.send(w.publish(topic, "refused", 2, 5, retain=True, version=w.V5))
    assert client.expect(w.PUBREC).body[:3] == w.u16(5) + b"\x97"
    client.send(w.publish(topic, "new", 2, 5, version=w.V5))
    kinds = {}
    for _ in range(2):
        found = client.read()
        kinds[found.type] = found
    assert kinds[w.PUBREC].body == w.u16(5)
    assert kinds[w.PUBLISH].publish(w.V5)[2] == b"new"
    client.send(w.packet(0x62, w.u16(5)))
    assert client.expect(w.PUBCOMP).body == w.u16(5)


@pytest.mark.parametrize("qos,first", [(1, 0x40), (2, 0x50)])
def test_a_receipt_that_refuses_ends_the_exchange(wire, qos, first):
    """No PUBREL for it [MQTT-4.3.3-4]; its place in a window of one is free, and it does not come again [MQTT-4.4.0-2]."""
    topic, publisher = unique("refuse"), wire()
    client = wire(unique(), w.V5, props=b"\x21" + w.u16(1))
    client.subscribe(topic, qos=qos)
    for number in range(3):
        publisher.send(w.publish(topic, str(number), 2, number + 1), w.packet(0x62, w.u16(number + 1)))
    for number in range(3):
        message = client.expect(w.PUBLISH)
        assert message.publish(w.V5)[2] == str(number).encode()
        client.send(w.packet(first, w.u16(message.publish(w.V5)[1]) + b"\x83"))
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_acknowledgements_of_what_is_not_known(wire, version):
    """PUBREC and PUBREL have their answer, in MQTT 5 with the reason that there is nothing; the others have none."""
    client = wire(unique(), version)
    words = b"\x92" if version == w.V5 else b""
    client.send(w.packet(0x62, w.u16(77)))
    assert client.expect(w.PUBCOMP).body[:3] == w.u16(77) + words
    client.send(w.packet(0x50, w.u16(78)))
    assert client.expect(w.PUBREL).body[:3] == w.u16(78) + words
    client.send(w.packet(0x40, w.u16(79)), w.packet(0x70, w.u16(80)))
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_come_in_the_order_of_the_messages(wire, version):
    """PUBACKs, PUBRECs and PUBCOMPs, each among themselves [MQTT-4.6.0-2 ...]."""
    topic, client = unique("order"), wire(unique(), version)
    packet_ids = [(7 * number) % 200 + 1 for number in range(200)]
    client.send(*[w.publish(topic, "x", 1 + number % 2, packet_id, version=version)
                  for number, packet_id in enumerate(packet_ids)])
    found = {w.PUBACK: [], w.PUBREC: []}
    for _ in packet_ids:
        answer = client.read()
        found[answer.type].append(int.from_bytes(answer.body[:2], "big"))
    assert found == {w.PUBACK: packet_ids[::2], w.PUBREC: packet_ids[1::2]}
    client.send(*[w.packet(0x62, w.u16(packet_id)) for packet_id in packet_ids[1::2]])
    assert [int.from_bytes(client.expect(w.PUBCOMP).body[:2], "big") for _ in range(100)] == packet_ids[1::2]


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_more_than_the_receive_maximum_is_refused(start_broker, opened, version):
    """[MQTT-3.3.4-7]: three without PUBREL are as many as are taken; a message at QoS 0 is none of them."""
    broker = start_broker(limits={"in_flight": 3})
    client = opened(w.connected(broker.port(), unique(), version))
    for packet_id in range(1, 4):
        client.send(w.publish("a", "x", 2, packet_id, version=version))
        client.expect(w.PUBREC)
    client.send(w.packet(0x62, w.u16(2)))
    client.expect(w.PUBCOMP)
    client.send(w.publish("a", "x", 2, 2, version=version), w.publish("a", "x", version=version))
    client.expect(w.PUBREC)
    client.ping()
    client.send(w.publish("a", "x", 2, 4, version=version))
    assert [end.body[:1] for end in client.wait_closed()] == ([b"\x93"] if version == w.V5 else [])


@pytest.mark.parametrize("qos", [1, 2])
def test_a_full_window_stops_only_messages(wire, qos):
    """[MQTT-4.9.0-3]: with one message open in a window of one, everything else goes on, at QoS 0 too [MQTT-3.3.4-10]."""
    topic, publisher = unique("full"), wire()
    client = wire(unique(), w.V5, props=b"\x21" + w.u16(1))
    client.subscribe(topic, qos=qos)
    for number in (1, 2):
        publisher.send(w.publish(topic, str(number), 2, number), w.packet(0x62, w.u16(number)))
    message = client.expect(w.PUBLISH)
    client.subscribe(f"{topic}/other", qos=2)
    client.ping()
    client.send(w.publish(topic + "/nobody", "x", 1, 9, version=w.V5))
    client.expect(w.PUBACK)
    client.send(w.publish(topic + "/nobody", "x", 2, 9, version=w.V5))
    client.expect(w.PUBREC)
    client.send(w.packet(0x62, w.u16(9)))
    client.expect(w.PUBCOMP)
    client.send(w.unsubscribe(f"{topic}/other", packet_id=4, version=w.V5))
    client.expect(w.UNSUBACK)
    acknowledge(client, message, w.V5)
    assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"2"


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_nothing_is_sent_again_on_one_connection(wire, version):
    """[MQTT-4.4.0-1]: not PUBLISH, and not PUBREL, however long the client takes."""
    topic, client, publisher = unique("once"), wire(unique(), version), wire()
    client.subscribe(topic, qos=2)
    publisher.send(w.publish(topic, "x", 1, 1), w.publish(topic, "y", 2, 2), w.packet(0x62, w.u16(2)))
    assert [client.expect(w.PUBLISH).qos for _ in range(2)] == [1, 2]
    client.send(w.packet(0x50, w.u16(2)))
    client.expect(w.PUBREL)
    with pytest.raises(TimeoutError):
        client.read(1.5)


def test_a_session_lasts_as_long_as_its_connection(wire):
    """[MQTT-4.1.0-1]: its expiry counts from the connection's end, not from its beginning."""
    topic, publisher = unique("lasts"), wire()
    client = wire(unique(), w.V5, props=b"\x11" + (1).to_bytes(4, "big"))
    client.subscribe(topic, qos=1)
    with pytest.raises(TimeoutError):
        client.read(1.8)
    publisher.send(w.publish(topic, "still there", 1))
    publisher.expect(w.PUBACK)
    assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"still there"


def test_an_exchange_goes_on_though_its_message_has_expired(wire):
    """[MQTT-4.3.3-13]"""
    client, bystander = wire(unique(), w.V5), wire()
    client.send(w.publish(unique("expired"), "x", 2, 3, version=w.V5, props=b"\x02" + (1).to_bytes(4, "big")))
    assert client.expect(w.PUBREC).body[:2] == w.u16(3)
    with pytest.raises(TimeoutError):
        bystander.read(1.5)
    client.send(w.packet(0x62, w.u16(3)))
    assert client.expect(w.PUBCOMP).body == w.u16(3)
