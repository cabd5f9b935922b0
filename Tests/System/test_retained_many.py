"""Many retained messages: their memory, a subscriber of all of them, and a restart. Never a time."""

import os
import re
from pathlib import Path

import wire as w
from broker import MQTT, Broker, wait_until
from client import unique

COUNT = int(os.environ.get("APUS_RETAINED", "200000"))


def router_bytes(broker):
    text = Path(f"/proc/{broker.worker('router')['pid']}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1]) * 1024


def topics():
    return (f"plant/{number % 100}/line/{number % 1000}/sensor/{number}" for number in range(COUNT))


def receive_all(port):
    """Subscribes to all, and returns how many came, and none twice."""
    with w.connected(port, unique()) as client:
        client.subscribe("plant/#")
        seen = set()
        while len(seen) < COUNT:
            message = client.expect(w.PUBLISH)
            assert message.retain
            topic = message.publish()[0]
            assert topic not in seen
            seen.add(topic)
        client.ping()
        return len(seen)


def publish(publisher, names):
    """Publishes them, and returns the bytes of topics and payloads."""
    content, batch = 0, []
    for topic in names:
        batch.append(w.publish(topic, b"x" * 50, retain=True))
        content += len(topic) + 50
        if len(batch) == 1000:
            publisher.send(*batch)
            batch.clear()
    publisher.send(*batch, w.publish("plant", b"last", 1, 1))
    publisher.expect(w.PUBACK, 60)
    return content


def test_they_are_small_and_survive(start_broker):
    broker = start_broker(listeners=[MQTT])
    names = list(topics())
    with w.connected(broker.port(), unique()) as publisher:
        publish(publisher, names[:COUNT // 2])
        # What the store and the channels need at all is there by now, up to some MiB that come and go with the moment;
        # there are so many that those are less than a hundred bytes each.
        before = router_bytes(broker)
        content = publish(publisher, names[COUNT // 2:])
        assert (router_bytes(broker) - before - content) / (COUNT // 2) < 400
    assert receive_all(broker.port()) == COUNT
    folder = stopped(broker)
    with Broker(listeners=[MQTT], folder=folder) as again:
        wait_until(lambda: again.counted("retained_messages") >= COUNT, "all are loaded", 30)
        assert receive_all(again.port()) == COUNT


def stopped(broker):
    """Stops a broker in order and keeps its folder."""
    folder, broker.folder = broker.folder, None
    broker.stop()
    (folder / "notify").unlink()
    return folder
