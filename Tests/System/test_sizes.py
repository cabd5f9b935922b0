"""Many clients, large payloads, and packets that are larger than allowed."""

import pytest

import wire as w
from broker import Broker
from client import JSON, Paho, mosquitto_sub, unique

MEBIBYTE = bytes(range(256)) * 4096


def test_1000_clients(broker):
    """Each gets what is meant for it, and all get what is meant for all."""
    topic, count, port = unique("thousand"), 1000, broker.port()
    clients = [w.Wire(port, timeout=20) for _ in range(count)]
    try:
        for number, client in enumerate(clients):
            client.send(w.connect(f"{topic}-{number}"), w.subscribe(f"{topic}/{number}", f"{topic}/all", qos=1))
        for client in clients:
            client.expect(w.CONNACK)
            client.expect(w.SUBACK)
        assert broker.status()["connections"] >= count
        assert len([row for row in broker.clients() if row["client_id"].startswith(topic)]) == count

        with w.connected(port, timeout=20) as publisher:
            publisher.send(w.publish(f"{topic}/all", "all", 1))
            publisher.expect(w.PUBACK)
            for number in range(count):
                publisher.send(w.publish(f"{topic}/{number}", str(number), 0))
            publisher.ping()
        for number, client in enumerate(clients):
            assert {client.expect(w.PUBLISH).publish()[2] for _ in range(2)} == {b"all", str(number).encode()}
            client.ping()
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_payload_of_one_mebibyte(paho, transport, qos):
    topic = unique("large")
    publisher, subscriber = paho(transport=transport), paho(version="5.0")
    back = paho(transport=transport)
    subscriber.subscribe(topic, qos)
    back.subscribe(topic, qos)
    publisher.publish(topic, MEBIBYTE, qos)
    subscriber.expect(topic, MEBIBYTE)
    back.expect(topic, MEBIBYTE)


def test_retained_payload_of_one_mebibyte(broker, paho, opened):
    topic, publisher = unique("large"), paho()
    publisher.publish(topic, b"x" * (1 << 20), 1, retain=True)
    subscriber = opened(mosquitto_sub(broker.port(), topic))
    assert len(subscriber.wait("^message")) > 1 << 20
    publisher.publish(topic, "", 1, retain=True)


def test_json_payload_of_one_mebibyte(json_client, paho):
    topic, page, mqtt = unique("large"), json_client(), paho()
    page.subscribe(topic)
    mqtt.subscribe(topic)
    payload = "0123456789abcdeü" * 60_000
    page.send("publish", Topic=topic, Payload=payload)
    mqtt.expect(topic, payload)
    page.expect(topic, payload)


def test_many_large_payloads_in_order(paho):
    topic, publisher, subscriber = unique("large"), paho(), paho()
    subscriber.subscribe(topic, 1)
    infos = [publisher.client.publish(topic, MEBIBYTE[number:], 1) for number in range(20)]
    for number in range(20):
        subscriber.expect(topic, MEBIBYTE[number:])
    infos[-1].wait_for_publish(10)


@pytest.fixture(scope="module")
def small():
    with Broker(limits={"packet_size": "4 KiB"}) as broker:
        yield broker


class TestTooLarge:
    def test_version_5_is_told(self, small, opened):
        client = opened(w.connected(small.port(), "", w.V5))
        client.send(w.publish("large", b"x" * 5000, version=w.V5))
        assert [(end.type, end.body[:1]) for end in client.wait_closed()] == [(w.DISCONNECT, b"\x95")]

    def test_version_311_is_closed(self, small, opened):
        client = opened(w.connected(small.port()))
        client.send(w.publish("large", b"x" * 5000))
        assert client.wait_closed() == []

    def test_the_header_is_enough(self, small, opened):
        """A client that announces 256 MB is refused before it sends them."""
        client = opened(w.connected(small.port(), "", w.V5))
        client.send(b"\x30\xff\xff\xff\x7f")
        assert [(end.type, end.body[:1]) for end in client.wait_closed()] == [(w.DISCONNECT, b"\x95")]

    def test_connect_too(self, small, opened):
        client = opened(w.Wire(small.port()))
        client.send(b"\x10\xff\xff\xff\x7f")
        assert all(answer.type == w.CONNACK and answer.body[1] for answer in client.wait_closed())

    def test_websocket(self, small, opened):
        page = opened(JSON(small.port("web")))
        page.send("publish", Topic="large", Payload="x" * 5000)
        assert page.wait_closed() == 1009

    def test_the_largest_allowed_passes(self, small, opened):
        client = opened(w.connected(small.port()))
        client.subscribe("fits")
        payload = b"x" * (4096 - 3 - 2 - len("fits"))
        assert len(w.publish("fits", payload)) == 4096
        client.send(w.publish("fits", payload))
        assert client.expect(w.PUBLISH).publish()[2] == payload

    def test_what_the_client_says_it_can_take_is_kept(self, small, opened):
        """A message larger than the client's Maximum Packet Size is not sent to it [MQTT-3.1.2-24]."""
        topic = unique("maximum")
        client = opened(w.connected(small.port(), "", w.V5, props=b"\x27" + (100).to_bytes(4, "big")))
        client.subscribe(topic, qos=1)
        publisher = opened(Paho(small.port()))
        publisher.publish(topic, "x" * 200, 1)
        publisher.publish(topic, "fits", 1)
        assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"fits"
