"""CONNECT, CONNACK, AUTH: what test_connect, test_wills and test_malformed leave out, in every version."""

import string

import pytest

import wire as w
from broker import Broker
from client import unique

VERSIONS = [w.V31, w.V311, w.V5]
LETTERS = string.digits + string.ascii_lowercase + string.ascii_uppercase


def answers_to(port, *packets):
    """Everything that the broker says until it closes."""
    with w.Wire(port) as client:
        client.send(*packets)
        return client.wait_closed()


def raw_connect(version, flags, payload, keep_alive=0):
    name = b"MQIsdp" if version == w.V31 else b"MQTT"
    return w.packet(0x10, w.text(name) + bytes([version, flags]) + w.u16(keep_alive) + w.properties(version) + payload)


# Level and versions.


@pytest.mark.parametrize("level,expected", [
    (0, b"\x00\x01"), (1, b"\x00\x01"), (0x84, b"\x00\x01"), (0x85, b"\x00\x01"), (6, b"\x00\x84"), (127, b"\x00\x84")])
def test_an_unknown_level_is_answered_as_its_version_can(broker, level, expected):
    """Return code 1 below 5 [MQTT-3.1.2-2], reason 0x84 above, from where on clients are likely to understand it."""
    connect = w.packet(0x10, w.text("MQTT") + bytes([level, 2]) + w.u16(0) + (b"\x00" if level > 4 else b"") + w.text(""))
    answers = answers_to(broker.port(), connect)
    assert [(answer.type, answer.body[:2]) for answer in answers] == [(w.CONNACK, expected)]


# Client identifiers.


@pytest.mark.parametrize("version", VERSIONS)
def test_client_identifiers_of_letters_and_digits(broker, wire, version):
    for length in (1, 2, 22, 23):  # [MQTT-3.1.3-5]
        for start in range(0, len(LETTERS), 23):
            client_id = (LETTERS + LETTERS)[start:start + length]
            wire(client_id, version)
            assert broker.client(client_id) is not None


@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_empty_client_identifiers_are_replaced(broker, wire, version):
    """By one that no other has [MQTT-3.1.3-6]: neither takes the other's connection over."""
    before = {row["client_id"] for row in broker.clients()}
    clients = [wire("", version) for _ in range(3)]
    for client in clients:
        client.ping()
    new = {row["client_id"] for row in broker.clients()} - before
    assert len(new) == 3 and all(new)


@pytest.mark.parametrize("version,expected", [(w.V31, b"\x00\x02"), (w.V311, b"\x00\x02"), (w.V5, b"\x00\x85")])
def test_a_client_identifier_beyond_the_limit_is_refused(start_broker, version, expected):
    broker = start_broker(limits={"client_id_length": 23})
    answers = answers_to(broker.port(), w.connect("x" * 24, version))
    assert [answer.body[:2] for answer in answers] == [expected]


# The payload.

FLAGS = {
    "a user name": (0x82, w.text("user"), True),
    "a user name and a password": (0xC2, w.text("user") + w.text("word"), True),
    "neither": (0x02, b"", True),
    "a user name without its flag": (0x02, w.text("user"), False),
    "a password without its flag": (0x82, w.text("user") + w.text("word"), False),
    "the flag without a user name": (0x82, b"", False),
    "the flag without a password": (0xC2, w.text("user"), False),
}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_user_name_and_password_are_there_if_their_flags_are(broker, name, version):
    flags, fields, is_accepted = FLAGS[name]
    with w.Wire(broker.port()) as client:
        client.send(raw_connect(version, flags, w.text(unique()) + fields))
        if is_accepted:
            assert client.expect(w.CONNACK).body[1] == 0
        else:
            codes = [answer.body[1] for answer in client.wait_closed()]
            assert codes == ([0x81] if version == w.V5 else [])


def test_a_password_alone_is_for_version_5(broker):
    with w.Wire(broker.port()) as client:
        client.send(raw_connect(w.V5, 0x42, w.text(unique()) + w.text("word")))
        assert client.expect(w.CONNACK).body[1] == 0


BAD_TEXT = {"not UTF-8": b"a\xff", "overlong": b"\xc0\xaf", "a surrogate": b"\xed\xa0\x80", "U+0000": b"a\x00b",
            "cut off": b"\xe2\x98", "beyond U+10FFFF": b"\xf4\x90\x80\x80"}


@pytest.mark.parametrize("bad", BAD_TEXT)
@pytest.mark.parametrize("field", ["client identifier", "will topic", "user name"])
@pytest.mark.parametrize("version", VERSIONS)
def test_strings_of_connect_are_utf8(broker, version, field, bad):
    def text(name):
        return w.text(BAD_TEXT[bad] if name == field else "fine")

    payload = text("client identifier") + w.properties(version) + text("will topic") + w.text("gone") + text("user name")
    answers = answers_to(broker.port(), raw_connect(version, 0x86, payload))
    assert [answer.body[1] for answer in answers] == ([0x81] if version == w.V5 else [])


# Refusals.


@pytest.fixture(scope="module")
def closed_broker():
    with Broker(auth={"anonymous": False}) as broker:
        yield broker


@pytest.mark.parametrize("version,code", [(w.V31, 5), (w.V311, 5), (w.V5, 0x87)])
@pytest.mark.parametrize("clean", [True, False])
def test_a_refused_connection_is_closed(closed_broker, version, code, clean):
    """[MQTT-3.2.2-7], of 3.1.1 [MQTT-3.2.2-5]; session present is 0 whatever was asked for."""
    answers = answers_to(closed_broker.port(), w.connect(unique(), version, clean=clean))
    assert [(answer.type, answer.body[:2]) for answer in answers] == [(w.CONNACK, bytes([0, code]))]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_behind_a_refused_connect_is_handled(broker, wire, version):
    topic, watcher = unique("behind"), wire()
    watcher.subscribe(f"{topic}/#")
    name = "x" * 24 if version == w.V31 else unique()
    # Refused for its will topic, which is a filter.
    bad = w.connect(name, version, will=(f"{topic}/+", "gone", 1, False))
    answers = answers_to(broker.port(), bad, w.publish(f"{topic}/a", "x", version=version),
                         w.subscribe("a", version=version), w.packet(0xC0))
    assert [answer.type for answer in answers] in ([], [w.CONNACK])  # [MQTT-3.1.4-6]
    watcher.send(w.publish(f"{topic}/mark", "mark"))
    assert watcher.expect(w.PUBLISH).publish()[2] == b"mark"


# CONNACK.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("clean", [True, False])
def test_a_first_session_is_not_present(broker, version, clean):
    """[MQTT-3.2.2-3]; the other bits of that byte are 0 [MQTT-3.2.2-1]."""
    with w.Wire(broker.port()) as client:
        answer = client.connect(unique(), version, clean=clean)
        assert answer.body[:2] == b"\x00\x00"
        assert len(answer.body) == 2 or version == w.V5
        client.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_connack_comes_first_and_once(broker, version):
    """[MQTT-3.2.0-1], [MQTT-3.2.0-2]: however early the client asks for other things."""
    topic = unique("first")
    with w.Wire(broker.port()) as client:
        client.version = version
        client.send(w.connect(unique(), version), w.packet(0xC0), w.subscribe(topic, version=version),
                    w.publish(topic, "x", version=version), w.packet(0xC0))
        kinds = [client.read().type for _ in range(5)]
        assert kinds[0] == w.CONNACK
        assert sorted(kinds[1:]) == sorted([w.PINGRESP, w.SUBACK, w.PUBLISH, w.PINGRESP])


def test_connack_restricts_nothing_that_is_supported(broker):
    """No maximum QoS [MQTT-3.2.2-9], retained messages, wildcards and subscription identifiers available."""
    with w.Wire(broker.port()) as client:
        found = dict(client.connect(unique(), w.V5).properties())
    assert 0x24 not in found
    assert [found.get(name, 1) for name in (0x25, 0x28, 0x29)] == [1, 1, 1]


def test_connack_names_no_authentication_method(broker):
    with w.Wire(broker.port()) as client:  # [MQTT-4.12.0-6]
        found = dict(client.connect(unique(), w.V5).properties())
    assert 0x15 not in found and 0x16 not in found


@pytest.mark.parametrize("asked,most,told", [(1, 2, 1), (0, 1, 1), (60, 1, 1)])
def test_the_servers_keep_alive_holds(start_broker, opened, asked, most, told):
    """[MQTT-3.2.2-22]: what CONNACK says, or what the client said; after one and a half times it is over."""
    broker = start_broker(limits={"keep_alive_max": f"{most} s"})
    client = opened(w.Wire(broker.port()))
    assert dict(client.connect(unique(), w.V5, keep_alive=asked).properties()).get(0x13, asked) == told
    ends = client.wait_closed(1.5 * told + 2)
    assert [end.body[0] for end in ends] == [0x8D]


# Authentication.


@pytest.mark.parametrize("props", [b"\x15" + w.text("SPHINX"), b"\x15" + w.text("SPHINX") + b"\x16" + w.text("data")])
def test_an_authentication_method_is_refused(broker, props):
    answers = answers_to(broker.port(), w.connect(unique(), w.V5, props=props))
    assert [(answer.type, answer.body[1]) for answer in answers] == [(w.CONNACK, 0x8C)]  # [MQTT-4.12.0-1]


METHOD = b"\x15" + w.text("SPHINX")


@pytest.mark.parametrize("packet,code", [
    (w.packet(0xF0, b"\x18" + w.varint(len(METHOD)) + METHOD), 0x82),
    (w.packet(0xF0, b"\x19" + w.varint(len(METHOD)) + METHOD), 0x82),
    (w.packet(0xF1, b"\x18" + w.varint(len(METHOD)) + METHOD), 0x81),  # [MQTT-3.15.1-1]
])
def test_auth_without_a_method_is_refused(wire, packet, code):
    """[MQTT-4.12.0-7]; one that would begin anew fails, and is closed [MQTT-4.12.1-2]."""
    client = wire(unique(), w.V5)
    client.send(packet)
    assert [(end.type, end.body[0]) for end in client.wait_closed()] == [(w.DISCONNECT, code)]


# Wills.


@pytest.fixture
def watch(wire):
    def watch_(topic):
        client = wire()
        client.subscribe(topic, qos=1)
        return client

    return watch_


def expect_mark(watcher, topic):
    """Nothing else has come before."""
    watcher.send(w.publish(topic, "mark"))
    assert watcher.expect(w.PUBLISH).publish()[2] == b"mark"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_will_is_published_once(wire, watch, version):
    """[MQTT-3.1.2-10]: the next connection of that client has none of its own."""
    topic, client_id = unique("will"), unique()
    watcher = watch(topic)
    wire(client_id, version, will=(topic, "gone", 0, False)).close()
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"
    wire(client_id, version).close()
    expect_mark(watcher, topic)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_will_none_is_published(broker, wire, watch, version):
    topic, client_id = unique("will"), unique()
    watcher = watch(topic)
    wire(client_id, version, will=(topic, "gone", 0, False))
    wire(client_id, version)  # takes over: the first one's will comes
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"
    wire(client_id, version)
    expect_mark(watcher, topic)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("retain", [False, True])
def test_a_will_is_retained_only_where_it_asks(wire, watch, version, retain):
    topic = unique("will")
    watcher = watch(topic)
    wire(unique(), version, will=(topic, "gone", 1, retain)).close()
    assert not watcher.expect(w.PUBLISH).retain
    late = wire()
    late.subscribe(topic)
    if retain:
        message = late.expect(w.PUBLISH)
        assert message.retain and message.publish()[2] == b"gone"
        late.send(w.publish(topic, "", retain=True))
        late.expect(w.PUBLISH)
    else:
        expect_mark(late, topic)
