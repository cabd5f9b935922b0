"""Sessions that outlive their connection: what goes on, what waits, what expires."""

import time

import pytest

import wire as w
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]
# How late a timer of the broker may be on a busy machine, in seconds.
SLACK = 2.0


def u32(value):
    return value.to_bytes(4, "big")


@pytest.fixture
def session(broker, opened):
    """Connects by hand, by default to a session that lasts; `present` is what CONNACK says of it."""

    def connect(client_id, version=w.V311, clean=False, expiry=300, props=b"", **options):
        client = opened(w.Wire(broker.port()))
        if version == w.V5:
            props += b"\x11" + u32(expiry)
        client.present = client.connect(client_id, version, clean=clean, props=props, **options).body[0]
        return client

    return connect


@pytest.fixture
def publish(wire):
    """Publishes each payload and returns when all are acknowledged."""
    publisher = wire(unique(), w.V5)

    def publish_(topic, *payloads, qos=1, retain=False, props=b""):
        for number, payload in enumerate(payloads):
            publisher.send(w.publish(topic, payload, qos, number + 1, retain, w.V5, props))
            if qos:
                assert publisher.expect(w.PUBACK if qos == 1 else w.PUBREC).body[2:3] in (b"", b"\x00", b"\x10")
            if qos == 2:
                publisher.send(w.packet(0x62, w.u16(number + 1)))
                publisher.expect(w.PUBCOMP)

    return publish_


def leave(client):
    """In good order; what MQTT 5 agreed on for the session holds."""
    client.send(w.packet(0xE0, b"\x00\x00" if client.version == w.V5 else b""))
    client.wait_closed()
    client.close()


def expect(client, *payloads, duplicate=False):
    """The next messages have these payloads; returns them."""
    found = []
    for payload in payloads:
        message = client.expect(w.PUBLISH)
        payload = payload if isinstance(payload, bytes) else payload.encode()
        assert (message.publish(client.version)[2], bool(message.flags & 8)) == (payload, duplicate)
        found.append(message)
    return found


def identifier(client, message):
    return w.u16(message.publish(client.version)[1])


def acknowledge(client, *messages):
    for message in messages:
        packet_id = identifier(client, message)
        if message.qos == 1:
            client.send(w.packet(0x40, packet_id))
        elif message.qos == 2:
            client.send(w.packet(0x50, packet_id))
            assert client.expect(w.PUBREL).body == packet_id
            client.send(w.packet(0x70, packet_id))


def wait(client, seconds):
    """Time passes, and nothing is sent to this client meanwhile."""
    with pytest.raises(TimeoutError):
        client.read(seconds)


# A session goes on.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed(session, publish, version):
    """[MQTT-3.1.2-5]: with its subscriptions, their options and identifiers; it says so from MQTT 3.1.1 on."""
    topic, client_id = unique("resumed"), unique()
    client = session(client_id, version)
    assert client.present == 0
    client.subscribe(topic, qos=1)
    if version == w.V5:
        client.send(w.subscribe(topic, qos=9, version=w.V5, props=b"\x0b\x05"))  # QoS 1, retain as published
        client.expect(w.SUBACK)
    for _ in range(2):
        leave(client)
        client = session(client_id, version)
        assert client.present == (version != w.V31)
        publish(topic, "for you", retain=True)
        message = expect(client, "for you")[0]
        assert message.qos == 1
        if version == w.V5:
            assert message.retain and (0x0B, 5) in message.properties()
        acknowledge(client, message)
        publish(topic, "", retain=True)
        acknowledge(client, *expect(client, ""))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_messages_wait_for_an_absent_client(session, publish, version, qos):
    """[MQTT-4.5.0-1], of 3.1.1 [MQTT-3.1.2-5]: in their order, sent for the first time."""
    topic, client_id = unique("waits"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=qos)
    leave(client)
    payloads = [str(number) for number in range(100)]
    publish(topic, *payloads, qos=qos)
    client = session(client_id, version)
    for message in expect(client, *payloads):
        assert message.qos == qos
        acknowledge(client, message)
    client.ping()
    leave(client)
    client = session(client_id, version)
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_clean_start_discards_the_session(session, publish, version):
    """[MQTT-3.1.2-4]: its subscriptions and its messages, those under way included."""
    topic, client_id = unique("discarded"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=1)
    publish(topic, "under way")
    expect(client, "under way")
    leave(client)
    publish(topic, "waiting")
    client = session(client_id, version, clean=True)
    assert client.present == 0  # [MQTT-3.2.2-2]
    publish(topic, "not subscribed")
    client.ping()
    leave(client)
    # MQTT 5 keeps the one that began clean, the others do not.
    client = session(client_id, version)
    assert client.present == (version == w.V5)
    publish(topic, "not subscribed")
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_take_over_hands_the_session_on(session, publish, version):
    topic, client_id = unique("taken"), unique()
    before = session(client_id, version)
    before.subscribe(topic, qos=1)
    publish(topic, "unanswered")
    expect(before, "unanswered")
    after = session(client_id, version)
    assert after.present == (version != w.V31)
    assert [end.body[:1] for end in before.wait_closed()] == ([b"\x8e"] if version == w.V5 else [])
    acknowledge(after, *expect(after, "unanswered", duplicate=True))
    publish(topic, "new")
    acknowledge(after, *expect(after, "new"))


@pytest.mark.parametrize("version", VERSIONS)
def test_unsubscribing_holds(session, publish, version):
    topic, client_id = unique("gone"), unique()
    client = session(client_id, version)
    client.subscribe(f"{topic}/a", f"{topic}/b", qos=1)
    leave(client)
    client = session(client_id, version)
    client.send(w.unsubscribe(f"{topic}/a", packet_id=2, version=version))
    client.expect(w.UNSUBACK)
    leave(client)
    publish(f"{topic}/a", "not this")
    publish(f"{topic}/b", "but this")
    expect(session(client_id, version), "but this")


# What is unacknowledged comes again.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("how", ["in good order", "as in a crash"])
def test_unacknowledged_messages_come_again(session, publish, version, qos, how):
    """[MQTT-4.4.0-1]: with DUP and the identifiers that they had, before anything new; not once they are acknowledged."""
    topic, client_id = unique("again"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=qos)
    publish(topic, "a", "b", "c", qos=2)
    first = expect(client, "a", "b", "c")
    acknowledge(client, first[1])
    client.ping()
    if how == "in good order":
        leave(client)
    else:
        client.close()
    publish(topic, "d", qos=2)
    client = session(client_id, version)
    again = expect(client, "a", "c", duplicate=True)
    assert [identifier(client, message) for message in again] == [identifier(client, first[0]), identifier(client, first[2])]
    assert [message.qos for message in again] == [qos, qos]
    acknowledge(client, *expect(client, "d"))
    acknowledge(client, *again)
    client.ping()
    leave(client)
    session(client_id, version).ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_unacknowledged_messages_come_in_their_order(session, publish, version):
    """[MQTT-4.6.0-1], [MQTT-4.6.0-5]: both levels mixed, every third answered, more while the client is away."""
    topic, client_id = unique("order"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=2)
    payloads = [str(number) for number in range(30)]
    for number, payload in enumerate(payloads):
        publish(topic, payload, qos=1 + number % 2)
    messages = expect(client, *payloads)
    for message in messages[::-3]:
        acknowledge(client, message)
    client.ping()
    left = [payload for number, payload in enumerate(payloads) if number % 3 != 2]
    for _ in range(2):  # and the same once more
        leave(client)
        client = session(client_id, version)
        expect(client, *left, duplicate=True)
    leave(client)
    publish(topic, "new", qos=2)
    client = session(client_id, version)
    acknowledge(client, *expect(client, *left, duplicate=True), *expect(client, "new"))
    client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_2_goes_on_where_it_stood(session, publish, version):
    """A receiver that has sent PUBREC gets PUBREL, not PUBLISH [MQTT-4.3.3-6], until it sends PUBCOMP [MQTT-4.3.3-5]."""
    topic, client_id = unique("stood"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=2)
    publish(topic, "once", qos=2)
    packet_id = identifier(client, expect(client, "once")[0])
    client.send(w.packet(0x50, packet_id))
    assert client.expect(w.PUBREL).body == packet_id
    for _ in range(2):
        leave(client)
        client = session(client_id, version)
        assert client.expect(w.PUBREL).body == packet_id
    client.send(w.packet(0x70, packet_id))
    client.ping()
    leave(client)
    session(client_id, version).ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_publisher_repeats_itself_and_is_heard_once(session, wire, version):
    """[MQTT-4.3.3-10] across connections: PUBREC again, and no second delivery, until PUBREL."""
    topic, client_id, subscriber = unique("once"), unique(), wire()
    subscriber.subscribe(topic, qos=2)
    publisher = session(client_id, version)
    packet = w.publish(topic, "once", 2, 7, version=version)
    publisher.send(packet)
    for _ in range(2):
        assert publisher.expect(w.PUBREC).body[:2] == w.u16(7)
        publisher.close()
        publisher = session(client_id, version)
        publisher.send(bytes([packet[0] | 8]) + packet[1:])
    assert publisher.expect(w.PUBREC).body[:2] == w.u16(7)
    publisher.send(w.packet(0x62, w.u16(7)))
    assert publisher.expect(w.PUBCOMP).body == w.u16(7)
    publisher.send(w.publish(topic, "another", 2, 7, version=version))
    assert publisher.expect(w.PUBREC).body[:2] == w.u16(7)
    publisher.send(w.packet(0x62, w.u16(7)))
    assert [subscriber.expect(w.PUBLISH).publish()[2] for _ in range(2)] == [b"once", b"another"]


def test_the_new_connections_receive_maximum_holds(session, publish):
    """[MQTT-3.3.4-9]: also for what was sent before."""
    topic, client_id = unique("window"), unique()
    client = session(client_id, w.V5, props=b"\x21" + w.u16(10))
    client.subscribe(topic, qos=1)
    publish(topic, "a", "b", "c")
    expect(client, "a", "b", "c")
    leave(client)
    publish(topic, "d")
    client = session(client_id, w.V5, props=b"\x21" + w.u16(1))
    for payload in "abcd":
        message = expect(client, payload, duplicate=payload != "d")[0]
        client.ping()
        acknowledge(client, message)


def test_an_exchange_of_an_earlier_connection_takes_nothing_from_the_window(start_broker, opened):
    """Its PUBREL gives back what this connection never took; the largest window does not overflow."""
    broker, client_id = start_broker(limits={"in_flight": 65_535}), unique()

    def connect():
        client = opened(w.Wire(broker.port()))
        client.connect(client_id, w.V5, clean=False, props=b"\x11" + u32(300))
        return client

    client = connect()
    client.send(w.publish("a", "x", 2, 1, version=w.V5))
    client.expect(w.PUBREC)
    leave(client)
    client = connect()
    client.send(w.packet(0x62, w.u16(1)))
    assert client.expect(w.PUBCOMP).body == w.u16(1)
    client.send(w.publish("a", "x", 1, 2, version=w.V5))
    client.expect(w.PUBACK)


# The end of a session.


def will(topic, delay, payload="gone"):
    """(connect flags and payload behind the client identifier) of a will at QoS 0 with a delay."""
    props = b"\x18" + u32(delay)
    return w.varint(len(props)) + props + w.text(topic) + w.text(payload)


@pytest.fixture
def with_will(broker, opened):
    """Connects with MQTT 5, a will and its delay."""

    def connect(client_id, topic, delay, expiry, clean=False):
        client = opened(w.Wire(broker.port()))
        client.version = w.V5
        props = b"\x11" + u32(expiry)
        client.send(w.packet(0x10, w.text("MQTT") + bytes([5, 4 | 2 * clean]) + w.u16(0) + w.varint(len(props)) + props
                             + w.text(client_id) + will(topic, delay)))
        client.expect(w.CONNACK)
        return client

    return connect


def test_a_session_expires(session, with_will, wire):
    """[MQTT-4.1.0-2]. Its will, which would wait longer, comes with its end [MQTT-3.1.2-8]."""
    topic, client_id, watcher = unique("expires"), unique(), wire()
    watcher.subscribe(topic)
    client = with_will(client_id, topic, delay=300, expiry=1)
    client.subscribe(f"{topic}/x")
    start = time.monotonic()
    client.close()
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"
    assert 0.9 < time.monotonic() - start < 1 + SLACK
    assert session(client_id, w.V5).present == 0


def test_disconnect_can_end_a_session_or_keep_it_longer(session):
    client_id = unique()
    client = session(client_id, w.V5, expiry=300)
    client.send(w.packet(0xE0, b"\x00\x05\x11" + u32(0)))
    client.wait_closed()
    assert session(client_id, w.V5, expiry=1).present == 0
    client = session(client_id, w.V5, expiry=1)
    assert client.present == 1
    client.send(w.packet(0xE0, b"\x00\x05\x11" + u32(300)))
    client.wait_closed()
    with pytest.raises(TimeoutError):
        session(unique(), w.V5).read(1.5)
    assert session(client_id, w.V5).present == 1


@pytest.mark.parametrize("expiry", [1, 300, 0xFFFFFFFF])
def test_connack_tells_the_expiry(session, broker, expiry):
    with w.Wire(broker.port()) as client:
        found = dict(client.connect(unique(), w.V5, clean=True, props=b"\x11" + u32(expiry)).properties())
        # limits.session_expiry is 30 days.
        assert found.get(0x11, expiry) == min(expiry, 30 * 24 * 3600)
        client.send(w.packet(0xE0, b"\x00\x05\x11" + u32(0)))


# Wills with a delay.


def test_a_will_waits_for_its_delay(with_will, wire):
    topic, watcher = unique("delay"), wire()
    watcher.subscribe(topic)
    client, start = with_will(unique(), topic, delay=1, expiry=300), time.monotonic()
    client.close()
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"
    assert 0.9 < time.monotonic() - start < 1 + SLACK


def test_without_a_session_a_will_does_not_wait(with_will, wire):
    topic, watcher = unique("delay"), wire()
    watcher.subscribe(topic)
    with_will(unique(), topic, delay=300, expiry=0).close()
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"


@pytest.mark.parametrize("how", ["a break", "a take-over"])
def test_a_will_is_taken_back_by_a_new_connection(session, with_will, wire, how):
    """[MQTT-3.1.3-9]"""
    topic, client_id, watcher = unique("delay"), unique(), wire()
    watcher.subscribe(topic)
    client = with_will(client_id, topic, delay=1, expiry=300)
    if how == "a break":
        client.close()
    back = session(client_id, w.V5)
    assert back.present == 1
    wait(watcher, 1 + SLACK / 2)


def test_a_will_does_not_wait_for_a_take_over_that_starts_clean(session, with_will, wire):
    """The session ends, so it is published at once (MQTT 5 §3.1.4)."""
    topic, client_id, watcher = unique("delay"), unique(), wire()
    watcher.subscribe(topic)
    with_will(client_id, topic, delay=300, expiry=300)
    session(client_id, w.V5, clean=True)
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"


# Messages that expire.


def expiry_of(message):
    return dict(message.properties()).get(0x02)


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_messages_expire_while_they_wait(session, publish, wire, version):
    """[MQTT-3.3.2-5]: for subscribers of any version; the others keep their order."""
    topic, client_id = unique("expire"), unique()
    client = session(client_id, version)
    client.subscribe(topic, qos=1)
    leave(client)
    publish(topic, "stays")
    publish(topic, "goes", props=b"\x02" + u32(1))
    publish(topic, "stays longer", props=b"\x02" + u32(300))
    wait(wire(), 2.2)
    client = session(client_id, version)
    acknowledge(client, *expect(client, "stays", "stays longer"))
    client.ping()


def test_the_expiry_is_what_is_left_of_it(session, publish, wire):
    """[MQTT-3.3.2-6]"""
    topic, client_id = unique("left"), unique()
    client = session(client_id, w.V5)
    client.subscribe(topic, qos=1)
    publish(topic, "at once", props=b"\x02" + u32(100))
    message = expect(client, "at once")[0]
    assert expiry_of(message) == 100
    acknowledge(client, message)
    leave(client)
    publish(topic, "later", props=b"\x02" + u32(100))
    wait(wire(), 2.2)
    message = expect(session(client_id, w.V5), "later")[0]
    assert 90 <= expiry_of(message) <= 98


def test_a_retained_message_expires(publish, wire):
    """What is left of it is told, and then it is gone."""
    topic = unique("retained")
    publish(f"{topic}/goes", "x", retain=True, props=b"\x02" + u32(1))
    publish(f"{topic}/stays", "y", retain=True, props=b"\x02" + u32(100))
    wait(wire(), 2.2)
    client = wire(unique(), w.V5)
    client.subscribe(f"{topic}/#")
    message = client.expect(w.PUBLISH)
    assert message.publish(w.V5)[2] == b"y" and 90 <= expiry_of(message) <= 98
    client.ping()
    publish(f"{topic}/stays", "", retain=True)


@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_sent_does_not_expire(session, publish, wire, qos):
    """[MQTT-4.3.3-7]: it comes again all the same."""
    topic, client_id = unique("sent"), unique()
    client = session(client_id, w.V5)
    client.subscribe(topic, qos=qos)
    publish(topic, "sent", qos=qos, props=b"\x02" + u32(1))
    expect(client, "sent")
    client.close()
    wait(wire(), 1.6)
    client = session(client_id, w.V5)
    acknowledge(client, *expect(client, "sent", duplicate=True))


# A payload that is not what its publisher says.


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_payload_that_is_not_text_is_refused(wire, qos):
    """MQTT 5 §3.3.2.3.2: with 0x99, in its order; nobody gets it, and nothing is retained."""
    topic, publisher, subscriber = unique("text"), wire(unique(), w.V5), wire()
    subscriber.subscribe(topic)
    bad = w.publish(topic, b"\xff", qos, 2, True, w.V5, b"\x01\x01")
    good = [w.publish(topic, payload, 1, packet_id, version=w.V5, props=b"\x01\x01")
            for payload, packet_id in (("é", 1), ("\0", 3))]
    publisher.send(good[0], bad, good[1])
    answers = [publisher.read().body[:3] for _ in range(3 if qos else 2)]
    assert answers == [w.u16(1), *([w.u16(2) + b"\x99"] if qos else []), w.u16(3)]
    assert [subscriber.expect(w.PUBLISH).publish()[2] for _ in range(2)] == ["é".encode(), b"\0"]
    late = wire()
    late.subscribe(topic)
    late.ping()
