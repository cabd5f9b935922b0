"""Will messages: sent when the connection just ends, not when the client says goodbye."""

import pytest

import wire as w
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]


@pytest.fixture
def watcher(wire):
    def watch(topic):
        client = wire()
        client.subscribe(topic, qos=2)
        return client

    return watch


def expect_nothing(watcher, topic):
    """A mark published to the same topic is the first thing to arrive."""
    watcher.send(w.publish(topic, "mark"))
    assert watcher.expect(w.PUBLISH).publish()[2] == b"mark"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_will_on_a_broken_connection(wire, watcher, version, qos):
    topic = unique("will")
    watching = watcher(topic)
    wire(unique(), version, will=(topic, "gone", qos, False)).close()
    message = watching.expect(w.PUBLISH)
    assert (message.publish()[2], message.qos, message.retain) == (b"gone", qos, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_will_after_disconnect(wire, watcher, version):
    topic = unique("will")
    watching = watcher(topic)
    client = wire(unique(), version, will=(topic, "gone", 1, False))
    client.send(w.packet(0xE0, b"\x00\x00" if version == w.V5 else b""))
    client.wait_closed()  # [MQTT-3.14.4-3]
    expect_nothing(watching, topic)


def test_disconnect_with_will_of_version_5(wire, watcher):
    topic = unique("will")
    watching = watcher(topic)
    client = wire(unique(), w.V5, will=(topic, "gone", 1, False))
    client.send(w.packet(0xE0, b"\x04\x00"))
    client.wait_closed()
    assert watching.expect(w.PUBLISH).publish()[2] == b"gone"


def test_will_when_the_keep_alive_expires(wire, watcher):
    topic = unique("will")
    watching = watcher(topic)
    client = wire(unique(), keep_alive=1, will=(topic, "expired", 0, False))
    assert watching.expect(w.PUBLISH).publish()[2] == b"expired"
    client.wait_closed()


def test_will_after_a_malformed_packet(wire, watcher):
    topic = unique("will")
    watching = watcher(topic)
    client = wire(unique(), will=(topic, "confused", 0, False))
    client.send(w.packet(0x36, b""))
    client.wait_closed()
    assert watching.expect(w.PUBLISH).publish()[2] == b"confused"


def test_will_when_the_client_id_is_taken_over(wire, watcher):
    topic, client_id = unique("will"), unique()
    watching = watcher(topic)
    wire(client_id, will=(topic, "taken over", 0, False))
    wire(client_id)
    assert watching.expect(w.PUBLISH).publish()[2] == b"taken over"


def test_will_when_the_operator_kicks_the_client(broker, wire, watcher):
    topic, client_id = unique("will"), unique()
    watching = watcher(topic)
    client = wire(client_id, will=(topic, "kicked", 0, False))
    broker.ctl("kick", client_id)
    client.wait_closed()
    assert watching.expect(w.PUBLISH).publish()[2] == b"kicked"


def test_retained_will(wire):
    topic = unique("will")
    first = wire()
    first.subscribe(topic)
    wire(unique(), will=(topic, "kept", 1, True)).close()
    assert not first.expect(w.PUBLISH).retain
    later = wire()
    later.subscribe(topic)
    message = later.expect(w.PUBLISH)
    assert message.retain and message.publish()[2] == b"kept"
    later.send(w.publish(topic, "", retain=True))


def test_an_empty_and_a_large_will(wire, watcher):
    for payload in (b"", b"x" * 60_000):
        topic = unique("will")
        watching = watcher(topic)
        wire(unique(), will=(topic, payload, 1, False)).close()
        assert watching.expect(w.PUBLISH).publish()[2] == payload
