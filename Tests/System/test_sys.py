"""The values under $SYS, with the names that users of other brokers know."""

import contextlib
import re
import time

import wire as w
from broker import MQTT, ROOT, wait_until
from client import Paho, unique
from durability import stop

# In the order of docs/sys.md.
LOADS = ["messages/received", "messages/sent", "publish/received", "publish/sent", "publish/dropped", "bytes/received",
         "bytes/sent", "sockets", "connections"]
NAMES = ["version", "uptime", "clients/connected", "clients/active", "clients/disconnected", "clients/inactive",
         "clients/total", "clients/maximum", "clients/expired", "subscriptions/count", "shared_subscriptions/count",
         "retained messages/count", "store/messages/count", "store/messages/bytes", "messages/stored", "messages/received",
         "messages/sent", "publish/messages/received", "publish/messages/sent", "publish/messages/dropped",
         "publish/bytes/received", "publish/bytes/sent", "bytes/received", "bytes/sent", "heap/current", "heap/maximum"]
PREFIX = "$SYS/broker/"


class Values:
    """What a client knows of `$SYS`: the latest of each value."""

    def __init__(self, port):
        self.client, self.known = Paho(port), {}
        self.client.subscribe("$SYS/#")

    def wait(self, **expected):
        """Waits until they are these, underscores for slashes; a value is a text, or a condition."""
        names = {name.replace("_", "/"): value for name, value in expected.items()}
        self.wait_for(lambda: all(value(self.known[name]) if callable(value) else self.known[name] == value
                                  for name, value in names.items()), names)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 10
        while True:
            try:
                if condition():
                    return
            except KeyError:
                pass
            assert time.monotonic() < deadline, (what, self.known)
            with contextlib.suppress(TimeoutError):
                message = self.client.message(1)
                self.known[message.topic.removeprefix(PREFIX)] = message.payload.decode()

    def close(self):
        self.client.close()


def test_every_value_is_there_and_right(start_broker, opened):
    """Each is what has happened, exactly: nobody else uses this broker."""
    broker = start_broker(listeners=[MQTT], top={"sys_interval": "200 ms"}, limits={"queue_messages": 3},
                          supervisor={"heartbeat_interval": "50 ms"})
    port, name = broker.port(), unique()
    away = opened(w.connected(port, f"{name}-away", clean=False))
    away.subscribe("a/b", f"$share/group/{name}/#", qos=1)
    away.close()
    expiring = opened(w.connected(port, f"{name}-short", w.V5, clean=False, props=b"\x11" + (1).to_bytes(4, "big")))
    expiring.close()
    wait_until(lambda: not broker.clients(), "the end of both")
    publisher, reader = opened(w.connected(port)), opened(w.connected(port))
    reader.subscribe("c", qos=1)
    for packet_id in range(1, 6):  # two more than there is room for
        publisher.send(w.publish("a/b", "waits", 1, packet_id))
        publisher.expect(w.PUBACK)
    publisher.send(w.publish("c", b"x" * 1000, 1, 9, retain=True))
    publisher.expect(w.PUBACK)
    _, packet_id, _ = reader.expect(w.PUBLISH).publish()
    reader.send(w.packet(0x40, w.u16(packet_id)))
    reader.ping()
    values = opened(Values(port))
    values.wait_for(lambda: {*NAMES, *(f"load/{load}/{minutes}min" for load in LOADS for minutes in (1, 5, 15))}
                    <= values.known.keys(), "every name")
    values.wait(clients_expired="1", clients_connected="3", clients_active="3", clients_disconnected="1",
                clients_inactive="1", clients_total="4", clients_maximum="3", subscriptions_count="4")
    known = values.known
    assert known["version"].startswith("Apus ") and known["uptime"].endswith(" seconds")
    assert known["shared_subscriptions/count"] == "1"
    # "a/b" and five bytes each.
    assert (known["store/messages/count"], known["messages/stored"], known["store/messages/bytes"]) == ("3", "3", "24")
    values.wait(publish_messages_received="6", publish_messages_dropped="2", publish_bytes_received="1025")
    # What this client is told counts as well, so it is never the last word: what two clients got, and more.
    values.wait(publish_bytes_sent=lambda value: int(value) > 1000, publish_messages_sent=lambda value: int(value) > 40)
    assert int(known["retained messages/count"]) >= len(NAMES) + 1
    # Five CONNECTs, three SUBSCRIBEs, PUBLISHes, PUBACK, PINGREQ; a SUBSCRIBE and a CONNECT of this one are among them.
    values.wait(messages_received="16")
    values.wait_for(lambda: int(known["messages/sent"]) > int(known["publish/messages/sent"]) + 10, "acknowledgements")
    assert 0 < int(known["heap/current"]) <= int(known["heap/maximum"]) < 1 << 30
    for load in LOADS:
        one, five, fifteen = (float(known[f"load/{load}/{minutes}min"]) for minutes in (1, 5, 15))
        assert one >= five >= fifteen >= 0, load
    values.wait_for(lambda: float(known["load/bytes/sent/1min"]) > float(known["load/bytes/sent/15min"]) > 0, "a load")


def test_the_documentation_has_every_value():
    text = (ROOT / "docs" / "sys.md").read_text()
    assert re.findall(r"^\| `([^`]+)`", text, re.M) == [*NAMES, *(f"load/{load}/+" for load in LOADS)]


def test_what_lies_in_the_store_counts(start_broker, opened):
    """Messages and their bytes that wait on disk only, before and after a restart, and while they are fetched."""
    options = {"listeners": [MQTT], "top": {"sys_interval": "200 ms"}}
    broker, name = start_broker(**options), unique()
    with w.connected(broker.port(), name, clean=False) as away:
        away.subscribe("t", qos=1)
    publisher = opened(w.connected(broker.port()))
    for number in range(1000):
        publisher.send(w.publish("t", b"x" * 99, 1, number + 1))
    for _ in range(1000):
        publisher.expect(w.PUBACK)
    opened(Values(broker.port())).wait(store_messages_count="1000", store_messages_bytes="100000")
    broker = start_broker(**options, folder=stop(broker))
    values = opened(Values(broker.port()))
    values.wait(store_messages_count="1000", store_messages_bytes="100000")
    client = opened(w.connected(broker.port(), name, clean=False))
    for _ in range(400):
        client.send(w.packet(0x40, w.u16(client.expect(w.PUBLISH).publish()[1])))
    values.wait(store_messages_count="600", store_messages_bytes="60000")
    for _ in range(600):
        client.send(w.packet(0x40, w.u16(client.expect(w.PUBLISH).publish()[1])))
    values.wait(store_messages_count="0", store_messages_bytes="0")


def test_nobody_else_publishes_there(wire, broker):
    client, watcher = wire(unique(), w.V5), wire()
    watcher.subscribe("$SYS/#")
    denied = broker.counted("publishes_denied")
    client.send(w.publish("$SYS/broker/version", "mine", 1, 1, True, w.V5))
    assert client.expect(w.PUBACK).body[2] == 0x87
    client.send(w.publish("$SYS/broker/version", "mine", 0, retain=True, version=w.V5))
    client.send(w.publish("$SYSTEM", "is another", 1, 2, version=w.V5))
    assert client.expect(w.PUBACK).body[:2] == w.u16(2)
    wait_until(lambda: broker.counted("publishes_denied") == denied + 2, "two counted")
    watcher.send(w.packet(w.PINGREQ << 4))
    while (found := watcher.read()).type != w.PINGRESP:
        assert found.publish()[2] != b"mine"
