"""MQTT 5: limits that the client sets, topic aliases both ways, reason strings, where else to go."""

import pytest

import wire as w
from broker import Broker, wait_until
from client import unique
from test_websocket import BINARY, frame, upgraded, raw  # noqa: F401: fixtures

REASON_STRING, SERVER_REFERENCE, RESPONSE_INFORMATION, ALIAS, ALIAS_MAXIMUM = 0x1F, 0x1C, 0x1A, 0x23, 0x22


def maximum_packet_size(size):
    return b"\x27" + size.to_bytes(4, "big")


def alias(number):
    return b"\x23" + w.u16(number)


def value(packet, identifier):
    return dict(packet.properties()).get(identifier)


# Maximum packet size.


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_too_large_is_left_out(broker, wire, qos):
    """It counts as delivered [MQTT-3.1.2-25]: it takes no place in a window of one. One of the very size arrives."""
    topic, publisher = unique("large"), wire()
    subscriber = wire(unique(), w.V5, props=maximum_packet_size(100) + b"\x21" + w.u16(1))
    subscriber.subscribe(topic, qos=qos)
    fits = 100 - len(w.publish(topic, "", qos, version=w.V5))
    dropped = broker.counted("messages_dropped")
    for size in (fits + 1, fits, 70_000, 1):
        publisher.send(w.publish(topic, "x" * size, 1))
        publisher.expect(w.PUBACK)
    for size in (fits, 1):
        message = subscriber.expect(w.PUBLISH)
        assert len(message.publish(w.V5)[2]) == size
        if message.qos:
            subscriber.send(w.packet(0x40, w.u16(message.publish(w.V5)[1])))
    subscriber.ping()
    if qos == 0:
        wait_until(lambda: broker.counted("messages_dropped") == dropped + 2, "both counted")


@pytest.mark.parametrize("size", [1, 4, 5, 20])
def test_connack_fits_the_maximum_packet_size(broker, wire, size):
    """There is no connection for a client that takes no CONNACK [MQTT-3.1.2-24], and a refusal has no more than fits."""
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique(), w.V5, props=maximum_packet_size(size)))
        assert client.wait_closed() == []
    with w.Wire(broker.port()) as client:
        client.send(w.connect("x" * 70, w.V5, props=maximum_packet_size(size) + b"\x15" + w.text("SPHINX")))
        # [MQTT-3.2.2-19]: five bytes have no room for a reason string.
        expected = [] if size < 5 else [b"\x00\x8c\x00"]
        assert [answer.body for answer in client.wait_closed()] == expected


def test_suback_fits_the_maximum_packet_size(wire):
    client = wire(unique(), w.V5, props=maximum_packet_size(60))
    client.send(w.subscribe(*map(str, range(54)), packet_id=1, version=w.V5))
    assert len(client.expect(w.SUBACK).body) == 57
    client.send(w.subscribe(*map(str, range(58)), packet_id=2, version=w.V5))
    ends = client.wait_closed()
    assert [end.type for end in ends] == [w.DISCONNECT] and ends[0].body[0] == 0x95
    assert 2 + len(ends[0].body) <= 60


@pytest.mark.parametrize("version", [w.V31, w.V311, w.V5])
def test_a_packet_above_the_servers_maximum_is_refused(start_broker, opened, version):
    broker = start_broker(limits={"packet_size": "1 KiB"})
    client = opened(w.connected(broker.port(), unique(), version))
    topic = "t"
    exact = 1024 - len(w.publish(topic, "", version=version)) - 1  # the length takes one byte more
    client.send(w.publish(topic, "x" * exact, version=version))
    client.ping()
    client.send(w.publish(topic, "x" * (exact + 1), version=version))
    assert [end.body[:1] for end in client.wait_closed()] == ([b"\x95"] if version == w.V5 else [])


# Topic aliases of the broker.


def receive(client, aliases):
    """(topic, alias or None, whether the topic was spelled out); keeps what the aliases stand for."""
    message = client.expect(w.PUBLISH)
    topic, number = message.publish(w.V5)[0], value(message, ALIAS)
    assert topic or number in aliases, "an alias that stands for nothing"
    if topic and number:
        assert number not in aliases, "an alias that stood for another topic"
        aliases[number] = topic
    return topic or aliases[number], number, bool(topic)


@pytest.mark.parametrize("maximum,given", [(1, 1), (3, 3), (65535, 16)])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_aliases_stay_below_the_clients_maximum(wire, maximum, given, qos):
    """From 1 up, to as many topics as the client and the configuration allow [MQTT-3.1.2-26], [MQTT-3.3.2-8]."""
    prefix, publisher = unique("alias"), wire()
    client = wire(unique(), w.V5, props=b"\x22" + w.u16(maximum))
    client.subscribe(f"{prefix}/#", qos=qos)
    topics, aliases = [f"{prefix}/{number}" for number in range(20)], {}
    for is_first in (True, False):
        for index, topic in enumerate(topics):
            publisher.send(w.publish(topic, "x", qos, index + 1))
            expected = index + 1 if index < given else None
            assert receive(client, aliases) == (topic, expected, is_first or expected is None)
            if qos == 1:
                publisher.expect(w.PUBACK)
            elif qos == 2:
                publisher.expect(w.PUBREC)
                publisher.send(w.packet(0x62, w.u16(index + 1)))
                publisher.expect(w.PUBCOMP)


def test_a_topic_too_long_for_the_table_has_no_alias(wire):
    topic, publisher = unique("long") + "/x" * 60 + "/" + "x" * 30_000, wire()
    client = wire(unique(), w.V5, props=b"\x22" + w.u16(9))
    client.subscribe(topic)
    for _ in range(2):
        publisher.send(w.publish(topic, "x"))
        assert receive(client, {}) == (topic, None, True)


def test_an_alias_that_would_make_a_message_too_large_is_not_given(wire):
    topic, publisher = unique("tight"), wire()
    client = wire(unique(), w.V5, props=b"\x22" + w.u16(9) + maximum_packet_size(100))
    client.subscribe(topic)
    fits, aliases = 100 - len(w.publish(topic, "", version=w.V5)), {}
    for size, alias_, spelled in ((fits, None, True), (fits - 3, 1, True), (fits, 1, False)):
        publisher.send(w.publish(topic, "x" * size))
        assert receive(client, aliases) == (topic, alias_, spelled)


def test_aliases_keep_the_other_properties(wire):
    topic, publisher = unique("alias"), wire(unique(), w.V5)
    client = wire(unique(), w.V5, props=b"\x22" + w.u16(9))
    client.subscribe(topic)
    sent = b"\x03" + w.text("text/plain") + b"\x26" + w.text("a") + w.text("b")
    for _ in range(2):
        publisher.send(w.publish(topic, "payload", version=w.V5, props=sent))
        message = client.expect(w.PUBLISH)
        assert message.publish(w.V5)[2] == b"payload"
        assert sorted(message.properties()) == [(0x03, b"text/plain"), (ALIAS, 1), (0x26, (b"a", b"b"))]


def test_aliases_over_websocket(upgraded, wire):  # noqa: F811
    topic, publisher, client = unique("alias"), wire(), upgraded("mqtt")
    client.send(frame(BINARY, w.connect(unique(), w.V5, props=b"\x22" + w.u16(9)) + w.subscribe(topic, version=w.V5)))
    received = b""
    while received.count(b"\x90") == 0:
        received += client.frame()[1]
    for spelled in (topic, ""):
        publisher.send(w.publish(topic, "x"))
        assert client.frame() == (BINARY, w.publish(spelled, "x", version=w.V5, props=alias(1)))


@pytest.mark.parametrize("props", [b"", b"\x22\x00\x00"])
def test_without_a_maximum_there_are_no_aliases(wire, props):
    topic, publisher = unique("alias"), wire()
    client = wire(unique(), w.V5, props=props)
    client.subscribe(topic)
    for _ in range(2):
        publisher.send(w.publish(topic, "x"))
        assert receive(client, {}) == (topic, None, True)  # [MQTT-3.1.2-27]


def test_the_configuration_can_forbid_aliases(start_broker, opened):
    broker = start_broker(limits={"given_topic_aliases": 0})
    client = opened(w.connected(broker.port(), unique(), w.V5, props=b"\x22" + w.u16(9)))
    topic = unique("alias")
    client.subscribe(topic)
    client.send(w.publish(topic, "x", version=w.V5))
    assert receive(client, {}) == (topic, None, True)


# Topic aliases of clients.


def test_every_alias_up_to_the_maximum_is_taken(wire, broker):
    prefix, client_id = unique("alias"), unique()
    with w.Wire(broker.port()) as publisher:
        publisher.version = w.V5
        maximum = value(publisher.connect(client_id, w.V5), ALIAS_MAXIMUM)
        subscriber = wire()
        subscriber.subscribe(f"{prefix}/#")
        for number in range(1, maximum + 1):  # [MQTT-3.3.2-12]
            publisher.send(w.publish(f"{prefix}/{number}", "x", version=w.V5, props=alias(number)))
        for number in range(1, maximum + 1):
            publisher.send(w.publish("", "y", version=w.V5, props=alias(number)))
        seen = [subscriber.expect(w.PUBLISH).publish()[::2] for _ in range(2 * maximum)]
        expected = [f"{prefix}/{number}" for number in range(1, maximum + 1)]
        assert seen == [(topic, payload) for payload in (b"x", b"y") for topic in expected]


def test_aliases_end_with_their_connection(wire):
    """Those of a client, and those of the broker [MQTT-3.3.2-7]."""
    topic, client_id, publisher = unique("alias"), unique(), wire()
    for _ in range(2):
        client = wire(client_id, w.V5, props=b"\x22" + w.u16(9))
        client.subscribe(topic)
        publisher.send(w.publish(topic, "x"))
        assert receive(client, {}) == (topic, 1, True)
        client.send(w.publish(topic, "set", version=w.V5, props=alias(5)))
        client.ping = None
        client.expect(w.PUBLISH)
    other = wire(client_id, w.V5)
    other.send(w.publish("", "stands for nothing", version=w.V5, props=alias(5)))
    assert other.wait_closed()[-1].body[0] in (0x82, 0x94)


def test_a_server_without_aliases_refuses_them(start_broker, opened):
    broker = start_broker(limits={"topic_aliases": 0})
    client = opened(w.Wire(broker.port()))
    assert not value(client.connect(unique(), w.V5), ALIAS_MAXIMUM)
    client.send(w.publish("a", "x", version=w.V5, props=alias(1)))
    assert client.wait_closed()[-1].body[0] == 0x94


# Words.


def refused(client, qos):
    """The answer to a message that may not be retained."""
    client.send(w.publish("not/kept", "x", qos, packet_id=7, retain=True, version=w.V5))
    answer = client.expect(w.PUBACK if qos == 1 else w.PUBREC)
    assert answer.body[:3] == w.u16(7) + b"\x97"
    return answer


@pytest.fixture(scope="module")
def frugal():
    with Broker(limits={"retained_messages": 0, "sessions": 3}) as broker:
        yield broker


@pytest.mark.parametrize("asked,wanted", [(b"", True), (b"\x17\x01", True), (b"\x17\x00", False)])
@pytest.mark.parametrize("qos", [1, 2])
def test_reason_strings_come_where_they_are_wanted(frugal, opened, asked, wanted, qos):
    """[MQTT-3.1.2-29]; nobody gets them unasked who said that it wants none, not even in DISCONNECT."""
    client = opened(w.connected(frugal.port(), unique(), w.V5, props=asked))
    assert [name for name, _ in refused(client, qos).properties()] == ([REASON_STRING] if wanted else [])
    client.send(w.packet(0x62, w.u16(99)))
    assert [name for name, _ in client.expect(w.PUBCOMP).properties()] == ([REASON_STRING] if wanted else [])
    client.send(w.packet(0x36, b""))
    end = client.expect(w.DISCONNECT)
    assert end.body[0] == 0x81
    assert value(end, REASON_STRING) == (b"a PUBLISH with QoS 3" if wanted else None)


@pytest.mark.parametrize("size,has_words", [(35, False), (36, True)])
def test_a_reason_string_that_does_not_fit_is_left_out(frugal, opened, size, has_words):
    """PUBACK and PUBREC with theirs are no larger than CONNACK; those of PUBREL, PUBCOMP and DISCONNECT may be."""
    client = opened(w.connected(frugal.port(), unique(), w.V5, props=maximum_packet_size(size)))
    for qos in (1, 2):
        assert 2 + len(refused(client, qos).body) <= size
    for sent, kind in ((0x62, w.PUBCOMP), (0x50, w.PUBREL)):
        client.send(w.packet(sent, w.u16(99)))
        answer = client.expect(kind)
        assert answer.body[:3] == w.u16(99) + b"\x92"
        assert 2 + len(answer.body) <= size
        assert (value(answer, REASON_STRING) is not None) == has_words
    client.send(w.publish("", "x", version=w.V5, props=alias(9)))
    end = client.expect(w.DISCONNECT)
    assert end.body == b"\x94", "these words take 42 bytes"


def test_a_refused_connect_says_why(broker):
    with w.Wire(broker.port()) as client:
        client.send(w.connect(unique(), w.V5, props=b"\x15" + w.text("SPHINX")))
        assert b"method" in value(client.expect(w.CONNACK), REASON_STRING)


@pytest.mark.parametrize("asked", [b"", b"\x19\x00", b"\x19\x01"])
def test_response_information_is_never_sent(broker, asked):
    with w.Wire(broker.port()) as client:  # [MQTT-3.1.2-28]; with 1 the server may send some, and has none
        assert value(client.connect(unique(), w.V5, props=asked), RESPONSE_INFORMATION) is None


# Where to go instead.


@pytest.fixture
def redirecting(start_broker):
    return start_broker(top={"server_reference": "other.example:1883"}, limits={"sessions": 1})


def test_a_full_broker_names_another(redirecting, opened):
    """MQTT 5 §4.11; the others are told that there is no room."""
    opened(w.connected(redirecting.port(), unique()))
    with w.Wire(redirecting.port()) as client:
        client.send(w.connect(unique(), w.V5))
        answer = client.expect(w.CONNACK)
        assert (answer.body[1], value(answer, SERVER_REFERENCE)) == (0x9C, b"other.example:1883")
        assert client.wait_closed() == []
    with w.Wire(redirecting.port()) as client:
        client.send(w.connect(unique(), w.V311))
        assert [answer.body for answer in client.wait_closed()] == [b"\x00\x03"]


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_a_broker_that_stops_names_another(redirecting, opened, version):
    client = opened(w.connected(redirecting.port(), unique(), version))
    redirecting.stop()
    ends = client.wait_closed()
    if version == w.V311:
        assert ends == []
    else:
        assert [(end.body[0], value(end, SERVER_REFERENCE)) for end in ends] == [(0x9C, b"other.example:1883")]


def test_without_a_reference_no_other_is_named(frugal, opened):
    clients = [opened(w.connected(frugal.port(), unique())) for _ in range(3)]
    assert clients
    with w.Wire(frugal.port()) as client:
        client.send(w.connect(unique(), w.V5))
        answer = client.expect(w.CONNACK)
        assert (answer.body[1], value(answer, SERVER_REFERENCE)) == (0x97, None)


# Wills.


def connect_with_will(topic, payload, will_props):
    body = (w.text("MQTT") + b"\x05\x06\x00\x00\x00" + w.text(unique()) + w.varint(len(will_props)) + will_props
            + w.text(topic) + w.text(payload))
    return w.packet(0x10, body)


def test_properties_of_a_will_arrive(broker, wire):
    topic, watcher = unique("will"), wire(unique(), w.V5)
    watcher.subscribe(topic)
    with w.Wire(broker.port()) as client:
        client.send(connect_with_will(topic, "gone", b"\x01\x01" + b"\x03" + w.text("text/plain") + b"\x08"
                                      + w.text("answer/here") + b"\x09" + w.text(b"\x00\xff") + b"".join(
                                          b"\x26" + w.text(name) + w.text(word) for name, word in
                                          (("b", "1"), ("a", "2"), ("b", "0")))))
        client.expect(w.CONNACK)
    message = watcher.expect(w.PUBLISH)
    assert message.publish(w.V5)[2] == b"gone"
    found = message.properties()
    # [MQTT-3.1.3-10]
    assert [pair for name, pair in found if name == 0x26] == [(b"b", b"1"), (b"a", b"2"), (b"b", b"0")]
    assert {name: word for name, word in found if name != 0x26} == {
        0x01: 1, 0x03: b"text/plain", 0x08: b"answer/here", 0x09: b"\x00\xff"}


def test_a_will_that_is_not_the_text_it_is_said_to_be_is_refused(broker):
    with w.Wire(broker.port()) as client:
        client.send(connect_with_will("will", b"\xff", b"\x01\x01"))
        assert client.expect(w.CONNACK).body[1] == 0x99
        assert client.wait_closed() == []
