"""Shared subscriptions: a message goes to one member of each group."""

import pytest

import wire as w
from client import unique


@pytest.fixture
def member(broker, opened):
    """Connects with MQTT 5 and subscribes to `$share/GROUP/TOPIC`."""

    def join(topic, qos=1, group="g", client_id=None, expiry=0, clean=True, props=b"", subscribe=True):
        client = opened(w.Wire(broker.port()))
        client.connect(client_id or unique(), w.V5, clean=clean, props=props + b"\x11" + expiry.to_bytes(4, "big"))
        if subscribe:
            client.send(w.subscribe(f"$share/{group}/{topic}", qos=qos, version=w.V5, props=b"\x0b\x07"))
            assert client.expect(w.SUBACK).body[3:] == bytes([qos])
        return client

    return join


@pytest.fixture
def publish(wire):
    publisher = wire()

    def publish_(topic, *payloads, qos=1, retain=False):
        for payload in payloads:
            publisher.send(w.publish(topic, payload, qos, 1, retain))
            if qos:
                publisher.expect(w.PUBACK if qos == 1 else w.PUBREC)
            if qos == 2:
                publisher.send(w.packet(0x62, w.u16(1)))
                publisher.expect(w.PUBCOMP)

    return publish_


def payload(message):
    return message.publish(w.V5)[2].decode()


def identifier(message):
    return w.u16(message.publish(w.V5)[1])


def everything(client, acknowledge=True):
    """All messages that were sent to a client so far."""
    client.send(w.packet(0xC0))
    found = []
    while (packet := client.read()).type != w.PINGRESP:
        assert packet.type == w.PUBLISH
        found.append(packet)
        if acknowledge and packet.qos == 1:
            client.send(w.packet(0x40, identifier(packet)))
    return found


def test_connack_offers_them(broker):
    with w.Wire(broker.port()) as client:
        assert dict(client.connect(unique(), w.V5).properties()).get(0x2A, 1) == 1


@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_goes_to_one_member(member, publish, qos):
    """And each gets its part; with the subscription's identifier, and RETAIN 0."""
    topic, count = unique("shared"), 300
    members = [member(topic, qos) for _ in range(3)]
    publish(topic, *map(str, range(count)), qos=1)
    parts = [everything(client) for client in members]
    assert sorted(int(payload(message)) for part in parts for message in part) == list(range(count))
    assert min(map(len, parts)) > count / 10
    for part in parts:
        numbers = [int(payload(message)) for message in part]
        assert numbers == sorted(numbers)
        assert all((0x0B, 7) in message.properties() and not message.retain for message in part)


def test_groups_and_other_subscribers_are_served_apart(member, publish, wire):
    topic = unique("shared")
    one, other, plain = member(topic, group="one"), member(topic, group="other"), wire()
    plain.subscribe(topic)
    publish(topic, *"abc")
    assert [payload(message) for message in everything(one)] == list("abc")
    assert [payload(message) for message in everything(other)] == list("abc")
    assert [plain.expect(w.PUBLISH).publish()[2] for _ in range(3)] == [b"a", b"b", b"c"]


def test_filters_of_one_group_are_groups_of_their_own(member, publish):
    topic = unique("shared")
    narrow, wide = member(f"{topic}/a"), member(f"{topic}/+")
    publish(f"{topic}/a", "x")
    assert [payload(message) for client in (narrow, wide) for message in everything(client)] == ["x", "x"]


def test_each_member_has_its_own_qos(member, publish):
    """[MQTT-4.8.2-3]"""
    topic = unique("shared")
    members = {qos: member(topic, qos) for qos in (0, 1, 2)}
    publish(topic, *map(str, range(60)), qos=2)
    for qos, client in members.items():
        part = everything(client)
        assert part and {message.qos for message in part} == {qos}


def test_retained_messages_are_not_sent_to_a_share(member, publish, wire):
    """MQTT 5 §4.8.2: not when it is made; a new one comes like any other."""
    topic = unique("shared")
    publish(topic, "old", retain=True)
    client = member(topic)
    assert everything(client) == []
    publish(topic, "new", retain=True)
    assert [payload(message) for message in everything(client)] == ["new"]
    publish(topic, "", retain=True)


def test_who_unsubscribes_gets_no_more(member, publish):
    topic = unique("shared")
    leaver, stayer = member(topic), member(topic)
    leaver.send(w.unsubscribe(f"$share/g/{topic}", topic, packet_id=2, version=w.V5))
    assert leaver.expect(w.UNSUBACK).body == w.u16(2) + b"\x00\x00\x11"
    publish(topic, *"abcd")
    assert [payload(message) for message in everything(stayer)] == list("abcd")
    assert everything(leaver) == []


def test_members_that_can_take_no_more_are_passed_over(member, publish):
    topic = unique("shared")
    full, free = member(topic, props=b"\x21" + w.u16(1)), member(topic)
    publish(topic, *map(str, range(40)))
    stuck = everything(full, acknowledge=False)
    assert len(stuck) <= 1
    assert len(everything(free)) + len(stuck) == 40


@pytest.mark.parametrize("how", ["goodbye", "a break"])
def test_what_a_member_leaves_goes_to_another(member, publish, how):
    """At QoS 1, when its session ends: sent and not acknowledged, or not even sent."""
    topic = unique("shared")
    leaver = member(topic, props=b"\x21" + w.u16(2))
    publish(topic, *"abcd")
    assert [payload(message) for message in everything(leaver, acknowledge=False)] == ["a", "b"]
    stayer = member(topic)
    if how == "goodbye":
        leaver.send(w.packet(0xE0, b"\x00\x00"))
    leaver.close()
    found = [stayer.expect(w.PUBLISH) for _ in range(4)]
    assert sorted(map(payload, found)) == list("abcd")


def test_what_an_absent_member_has_waits_for_it(member, publish):
    """Its session goes on, so what was sent to it is its own; what comes later goes to those who are there."""
    topic, client_id = unique("shared"), unique()
    away = member(topic, client_id=client_id, expiry=300)
    publish(topic, "sent")
    first = everything(away, acknowledge=False)
    away.send(w.packet(0xE0, b"\x00\x00"))
    away.wait_closed()
    stayer = member(topic)
    publish(topic, *"xy")
    assert [payload(message) for message in everything(stayer)] == ["x", "y"]
    back = member(topic, client_id=client_id, expiry=300, clean=False, subscribe=False)
    # It comes from the store, which PINGRESP does not wait for.
    again = [back.expect(w.PUBLISH)]
    assert [(payload(message), identifier(message), message.flags & 8) for message in again] == [
        ("sent", identifier(first[0]), 8)]


@pytest.mark.parametrize("stage", ["sent", "received"])
def test_qos_2_is_completed_with_the_member_that_has_it(member, publish, stage):
    """[MQTT-4.8.2-4]"""
    topic, client_id = unique("shared"), unique()
    first = member(topic, 2, client_id=client_id, expiry=300)
    publish(topic, "once", qos=2)
    message = first.expect(w.PUBLISH)
    if stage == "received":
        first.send(w.packet(0x50, identifier(message)))
        first.expect(w.PUBREL)
    other = member(topic, 2)
    first.close()
    assert everything(other) == []
    back = member(topic, client_id=client_id, expiry=300, clean=False, subscribe=False)
    if stage == "sent":
        again = back.expect(w.PUBLISH)
        assert (payload(again), identifier(again)) == ("once", identifier(message))
        back.send(w.packet(0x50, identifier(message)))
    assert back.expect(w.PUBREL).body == identifier(message)
    back.send(w.packet(0x70, identifier(message)))
    assert everything(back) == []
    assert everything(other) == []


def test_qos_2_goes_to_no_other_member(member, publish):
    """[MQTT-4.8.2-5]: not even when the session of the one that had it has ended."""
    topic, client_id = unique("shared"), unique()
    first = member(topic, 2, client_id=client_id)
    publish(topic, "begun", qos=2)
    assert payload(first.expect(w.PUBLISH)) == "begun"
    other = member(topic, 2)
    first.close()
    member(topic, client_id=client_id, subscribe=False)  # so the end of the first one was handled
    publish(topic, "next")
    assert [payload(message) for message in everything(other)] == ["next"]


@pytest.mark.parametrize("qos,first", [(1, 0x40), (2, 0x50)])
def test_a_message_that_is_refused_goes_to_no_other_member(member, publish, qos, first):
    """[MQTT-4.8.2-6]"""
    topic = unique("shared")
    refuser = member(topic, qos)
    publish(topic, "unwanted", qos=2)
    message = refuser.expect(w.PUBLISH)
    other = member(topic, qos)
    refuser.send(w.packet(first, identifier(message) + b"\x83"), w.unsubscribe(f"$share/g/{topic}", version=w.V5))
    refuser.expect(w.UNSUBACK)
    refuser.close()
    publish(topic, "next")
    assert [payload(message) for message in everything(other)] == ["next"]
