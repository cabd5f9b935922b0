"""Which messages reach which subscription, and what is retained."""

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import wire as w
from client import unique

MATCHES = [
    ("a/b", "a/b", True), ("a/b", "a/B", False), ("a/b", "a/b/", False), ("a/+", "a/b", True), ("a/+", "a/", True),
    ("a/+", "a", False), ("a/+", "a/b/c", False), ("+/+", "/a", True), ("/+", "/a", True), ("+", "/a", False),
    ("a/#", "a", True), ("a/#", "a/b/c/d", True), ("a/#", "ab", False), ("+/b/#", "a/b/c", True),
    ("a//b", "a//b", True), ("a/+/b", "a//b", True), ("a b/ü", "a b/ü", True), ("a/+/c/#", "a/b/c", True),
]


@pytest.mark.parametrize("name,topic,matches", MATCHES)
def test_matching(wire, name, topic, matches):
    prefix, client = unique("match"), wire()
    client.subscribe(f"{prefix}/{name}", qos=0)
    client.subscribe(f"{prefix}-mark")
    client.send(w.publish(f"{prefix}/{topic}", "hit"), w.publish(f"{prefix}-mark", "mark"))
    assert client.expect(w.PUBLISH).publish()[2] == (b"hit" if matches else b"mark")


def test_dollar_topics_are_not_matched_by_wildcards(wire):
    name = unique("$dollar")
    client = wire()
    client.subscribe("#", f"+/{name}")
    other = wire()
    other.subscribe(f"{name}/#")
    other.send(w.publish(f"{name}/x", "hidden"))
    assert other.expect(w.PUBLISH).publish()[2] == b"hidden"  # named by its first level, it is seen
    mark = unique("mark")
    other.send(w.publish(mark, "mark"))
    while (message := client.expect(w.PUBLISH).publish())[0] != mark:
        assert not message[0].startswith("$"), message  # [MQTT-4.7.2-1]


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_unsubscribe(wire, version):
    topic, client = unique("unsubscribe"), wire("", version)
    client.subscribe(f"{topic}/#")
    client.subscribe(f"{topic}/keep")
    client.send(w.unsubscribe(f"{topic}/#", f"{topic}/never", packet_id=5, version=version))
    answer = client.expect(w.UNSUBACK).body
    assert answer == w.u16(5) + (b"\x00\x00\x11" if version == w.V5 else b"")
    client.send(w.publish(f"{topic}/gone", "x", version=version), w.publish(f"{topic}/keep", "y", version=version))
    assert client.expect(w.PUBLISH).publish(version)[2] == b"y"


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_overlapping_subscriptions_deliver_once_with_the_highest_qos(wire, version):
    topic, client = unique("overlap"), wire("", version)
    client.subscribe(f"{topic}/#", qos=0)
    client.subscribe(f"{topic}/+", qos=2)
    client.subscribe(f"{topic}/a", qos=1)
    client.subscribe(f"{topic}-mark", qos=0)
    other = wire()
    other.send(w.publish(f"{topic}/a", "once", 2, 1), w.packet(0x62, w.u16(1)), w.publish(f"{topic}-mark", "mark"))
    message = client.expect(w.PUBLISH)
    assert message.qos == 2 and message.publish(version)[2] == b"once"  # [MQTT-3.3.5-1]
    assert client.expect(w.PUBLISH).publish(version)[2] == b"mark"


def test_subscribing_again_replaces(paho):
    topic, client = unique("again"), paho()
    client.subscribe(topic, 0)
    assert client.subscribe(topic, 2) == 2
    client.publish(topic, "x", 2)
    assert client.expect(topic, "x").qos == 2
    client.expect_nothing_before(unique())


def test_many_filters_in_one_packet(wire):
    topic, client = unique("many"), wire()
    filters = [f"{topic}/{number}" for number in range(500)]
    answer = client.subscribe(*filters, qos=1)
    assert answer.body[2:] == b"\x01" * 500
    client.send(w.publish(filters[499], "last"))
    assert client.expect(w.PUBLISH).publish()[2] == b"last"


def test_a_bad_filter_among_good_ones_is_refused_alone(wire):
    """Version 5 has a reason for it; the others are subscribed. Or the packet is refused as a whole, with a reason."""
    topic, client = unique("bad"), wire("", w.V5)
    client.send(w.subscribe(f"{topic}/a", f"{topic}/#/b", packet_id=3, version=w.V5))
    answer = client.read()
    if answer.type == w.SUBACK:
        assert answer.body[3:] == b"\x00\x8f"
        client.send(w.publish(f"{topic}/a", "x", version=w.V5))
        client.expect(w.PUBLISH)
    else:
        assert answer.type == w.DISCONNECT and answer.body[0] in (0x81, 0x82, 0x8F)


def test_no_local(paho):
    topic, client, other = unique("local"), paho(version="5.0"), paho(version="5.0")
    client.subscribe(topic, options=SubscribeOptions(qos=1, noLocal=True))
    client.publish(topic, "mine", 1)
    other.publish(topic, "theirs", 1)
    client.expect(topic, "theirs")


def test_subscription_identifiers_and_message_properties(paho):
    topic, client, publisher = unique("properties"), paho(version="5.0"), paho(version="5.0")
    identifier = Properties(PacketTypes.SUBSCRIBE)
    identifier.SubscriptionIdentifier = 4711
    client.client.subscribe(topic, options=SubscribeOptions(qos=1), properties=identifier)
    client._wait_acknowledged(1)
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("a", "1"), ("a", "2")]
    properties.ContentType = "text/plain"
    properties.ResponseTopic = "answer/here"
    properties.CorrelationData = b"\x00\xff"
    properties.PayloadFormatIndicator = 1
    publisher.publish(topic, "x", 1, properties=properties)
    seen = client.expect(topic, "x").properties
    assert seen.SubscriptionIdentifier == [4711]
    assert seen.UserProperty == [("a", "1"), ("a", "2")]
    assert (seen.ContentType, seen.ResponseTopic, seen.CorrelationData) == ("text/plain", "answer/here", b"\x00\xff")
    assert seen.PayloadFormatIndicator == 1


def test_topic_alias_of_a_publisher(wire):
    topic, publisher, subscriber = unique("alias"), wire("", w.V5), wire()
    subscriber.subscribe(topic)
    alias = b"\x23" + w.u16(1)
    publisher.send(w.publish(topic, "full", version=w.V5, props=alias))
    publisher.send(w.publish("", "by alias", version=w.V5, props=alias))
    assert subscriber.expect(w.PUBLISH).publish() == (topic, None, b"full")
    assert subscriber.expect(w.PUBLISH).publish() == (topic, None, b"by alias")


class TestRetained:
    @pytest.mark.parametrize("version", ["3.1.1", "5.0"])
    def test_set_replace_and_clear(self, paho, version):
        topic, publisher = unique("retained"), paho(version=version)
        publisher.publish(topic, "first", 1, retain=True)
        publisher.publish(topic, "second", 1, retain=True)
        publisher.publish(topic, "not retained", 1)
        reader = paho(version=version)
        reader.subscribe(topic, 1)
        assert reader.expect(topic, "second").retain
        publisher.publish(topic, "third", 1, retain=True)
        assert not reader.expect(topic, "third").retain  # [MQTT-3.3.1-9]: it is no old message for this one
        publisher.publish(topic, "", 1, retain=True)
        assert reader.expect(topic, "").payload == b""
        late = paho(version=version)
        late.subscribe(topic, 1)
        late.expect_nothing_before(unique())

    @pytest.mark.parametrize("name,expected", [("+", "ab"), ("#", "abcd"), ("c/+", "d"), ("a", "a"), ("+/d", "d")])
    def test_wildcards(self, paho, name, expected):
        topic, publisher = unique("retained"), paho()
        for level in ("a", "b", "c/d", "c/e/f"):
            publisher.publish(f"{topic}/{level}", level, 1, retain=True)
        wanted = {"a": "a", "b": "b", "c": "c/e/f", "d": "c/d"}
        reader = paho()
        reader.subscribe(f"{topic}/{name}")
        seen = {reader.message().topic for _ in expected}
        assert seen == {f"{topic}/{wanted[letter]}" for letter in expected}
        reader.expect_nothing_before(unique())
        for level in wanted.values():
            publisher.publish(f"{topic}/{level}", "", 1, retain=True)

    def test_subscribing_again_sends_them_again(self, paho):
        topic, client = unique("retained"), paho()
        client.publish(topic, "kept", 1, retain=True)
        for _ in range(3):
            client.subscribe(topic)
            assert client.expect(topic, "kept").retain  # [MQTT-3.8.4-3]

    def test_qos_is_the_lower(self, paho):
        topic, client = unique("retained"), paho()
        client.publish(topic, "kept", 2, retain=True)
        for qos in (0, 1, 2):
            client.subscribe(topic, qos)
            assert client.expect(topic, "kept").qos == qos

    def test_retain_handling_of_version_5(self, paho):
        topic, client = unique("retained"), paho(version="5.0")
        client.publish(topic, "kept", 1, retain=True)
        client.subscribe(topic, options=SubscribeOptions(retainHandling=2))
        client.expect_nothing_before(unique())
        client.subscribe(topic, options=SubscribeOptions(retainHandling=1))
        client.expect_nothing_before(unique())  # the subscription was there
        client.unsubscribe(topic)
        client.subscribe(topic, options=SubscribeOptions(retainHandling=1))
        client.expect(topic, "kept")

    def test_retain_as_published_of_version_5(self, paho):
        topic, client = unique("retained"), paho(version="5.0")
        client.subscribe(topic, options=SubscribeOptions(retainAsPublished=True))
        client.publish(topic, "kept", 1, retain=True)
        assert client.expect(topic, "kept").retain

    def test_json(self, paho, json_client):
        topic, page = unique("retained"), json_client()
        assert page.request("publish", Topic=topic, Payload="kept", Retain=True)["Action"] == "ack"
        reader = paho()
        reader.subscribe(topic)
        assert reader.expect(topic, "kept").retain
        late = json_client()
        late.send("subscribe", Topic=topic)
        assert late.expect(topic, "kept")["Retain"] is True
