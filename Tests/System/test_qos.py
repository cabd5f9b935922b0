"""Every quality of service of a publish with every one of a subscription."""

import pytest

import wire as w
from client import Paho, unique

LEVELS = [0, 1, 2]


@pytest.mark.parametrize("subscribed", LEVELS)
@pytest.mark.parametrize("published", LEVELS)
@pytest.mark.parametrize("versions", ["3.1.1 to 3.1.1", "5.0 to 5.0", "3.1.1 to 5.0", "5.0 to 3.1.1", "3.1 to 5.0"])
def test_every_pair(paho, versions, published, subscribed):
    sender, receiver = versions.split(" to ")
    topic = unique("qos")
    publisher, subscriber = paho(version=sender), paho(version=receiver)
    assert subscriber.subscribe(topic, subscribed) == subscribed
    for number in range(20):
        publisher.publish(topic, f"message {number}", published)
    for number in range(20):
        message = subscriber.expect(topic, f"message {number}")
        assert message.qos == min(published, subscribed)  # [MQTT-3.8.4-8]
        assert not message.retain and not message.dup
    subscriber.expect_nothing_before(unique("after"))


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize("qos", LEVELS)
def test_order_of_many(paho, qos, transport):
    topic, count = unique("order"), 2000
    publisher, subscriber = paho(), paho(transport=transport)
    subscriber.subscribe(topic, qos)
    infos = [publisher.client.publish(topic, str(number), qos) for number in range(count)]
    assert [int(subscriber.message().payload) for _ in range(count)] == list(range(count))
    infos[-1].wait_for_publish(10)
    assert infos[-1].is_published()


def test_qos_2_by_hand(wire):
    """A PUBLISH repeated before its PUBREL is delivered once; every step has its answer [MQTT-4.3.3-10]."""
    topic = unique("exactly")
    publisher, subscriber = wire("", w.V311), wire("", w.V311)
    subscriber.subscribe(topic, qos=2)
    for payload in (b"once", b"twice"):  # the same identifier both times: it is free again after PUBCOMP
        first = w.publish(topic, payload, 2, packet_id=7)
        publisher.send(first, bytes([first[0] | 8]) + first[1:])
        assert publisher.expect(w.PUBREC).body == w.u16(7)
        assert publisher.expect(w.PUBREC).body == w.u16(7)
        publisher.send(w.packet(0x62, w.u16(7)))
        assert publisher.expect(w.PUBCOMP).body == w.u16(7)

        message = subscriber.expect(w.PUBLISH)
        assert message.qos == 2 and message.publish()[2] == payload
        packet_id = w.u16(message.publish()[1])
        subscriber.send(w.packet(0x50, packet_id))
        assert subscriber.expect(w.PUBREL).body == packet_id
        subscriber.send(w.packet(0x70, packet_id))
    subscriber.ping()


@pytest.mark.parametrize("qos,kind", [(1, w.PUBACK), (2, w.PUBREC)])
def test_without_subscribers_version_5_says_so(wire, qos, kind):
    publisher = wire("", w.V5)
    publisher.send(w.publish(unique("nobody"), "x", qos, packet_id=9, version=w.V5))
    answer = publisher.expect(kind).body
    assert answer[:2] == w.u16(9)
    assert answer[2:3] in (b"", b"\x00", b"\x10")  # success, or "no matching subscribers"


@pytest.mark.parametrize("receive_maximum", [1, 10])
def test_receive_maximum_of_the_client_is_kept(wire, receive_maximum):
    """Never more unacknowledged than the client allows [MQTT-3.3.4-9]; an acknowledgement frees a place."""
    topic = unique("window")
    subscriber = wire("", w.V5, props=b"\x21" + w.u16(receive_maximum))
    subscriber.subscribe(topic, qos=1)
    publisher = wire("", w.V311)
    for number in range(30):
        publisher.send(w.publish(topic, str(number), 1, packet_id=number + 1))
        publisher.expect(w.PUBACK)
    waiting = []
    for number in range(30):
        waiting.append(subscriber.expect(w.PUBLISH))
        assert waiting[-1].publish(w.V5)[2] == str(number).encode()
        if len(waiting) == receive_maximum:
            subscriber.ping()  # answered by PINGRESP, hence nothing beyond the window was sent before it
            for message in waiting:
                subscriber.send(w.packet(0x40, w.u16(message.publish(w.V5)[1])))
            waiting.clear()


@pytest.mark.parametrize("expiry,most", [(0, 65_535), (1000, 4095)], ids=["session ends with the connection", "durable"])
def test_the_largest_receive_maximum(start_broker, opened, expiry, most):
    """limits.in_flight at its limit, and a client that acknowledges nothing for long."""
    broker = start_broker(limits={"in_flight": 65_535, "queue_messages": 200_000})
    subscriber, count = opened(w.Wire(broker.port())), most + 100
    subscriber.connect(unique("window"), w.V5, clean=True, props=b"\x11" + expiry.to_bytes(4, "big") + b"\x21\xff\xff")
    topic = unique("window")
    subscriber.subscribe(topic, qos=1)
    publisher = opened(Paho(broker.port()))
    for number in range(count):
        info = publisher.client.publish(topic, str(number), 1)
        # There are not as many packet identifiers as messages.
        if number % 10_000 == 0:
            info.wait_for_publish(60)
    info.wait_for_publish(60)
    window = [subscriber.expect(w.PUBLISH).publish(w.V5) for _ in range(most)]
    subscriber.ping()
    assert len({identifier for _, identifier, *_ in window}) == most
    for _, identifier, *_ in window:
        subscriber.send(w.packet(0x40, w.u16(identifier)))
    window += [subscriber.expect(w.PUBLISH).publish(w.V5) for _ in range(100)]
    assert [int(payload) for _, _, payload, *_ in window] == list(range(count))
