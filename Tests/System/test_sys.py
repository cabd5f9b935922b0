"""The values under $SYS, with the names that users of other brokers know."""

import wire as w
from broker import MQTT, wait_until
from client import Paho, mosquitto_sub, unique

NAMES = ["version", "uptime", "clients/connected", "clients/active", "clients/disconnected", "clients/inactive",
         "clients/total", "clients/maximum", "clients/expired", "subscriptions/count", "retained messages/count",
         "store/messages/count", "store/messages/bytes", "messages/received", "publish/messages/received",
         "publish/messages/sent", "publish/messages/dropped", "bytes/received", "bytes/sent"]


def test_every_value_is_there_and_follows(start_broker, opened):
    broker = start_broker(listeners=[MQTT], top={"sys_interval": "1 s"})
    away = opened(Paho(broker.port(), clean=False, client_id=unique()))
    away.subscribe("a/#", 1)
    away.close()
    other = opened(Paho(broker.port()))
    other.publish("a/b", "x", 1)
    program = opened(mosquitto_sub(broker.port(), "$SYS/#"))
    for name in NAMES:
        program.wait(rf"^message \$SYS/broker/{name} 0 [01] ")
    assert program.wait(r"^message \$SYS/broker/version ").split(" ", 4)[4].startswith("Apus ")
    program.wait(r"^message \$SYS/broker/clients/disconnected 0 [01] 1$")
    program.wait(r"^message \$SYS/broker/clients/connected 0 [01] 2$")
    program.wait(r"^message \$SYS/broker/store/messages/count 0 [01] 1$")
    # Heartbeats tell the router what listeners have counted.
    program.wait(r"^message \$SYS/broker/messages/received 0 [01] [1-9]")


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
