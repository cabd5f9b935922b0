"""Many retained messages: their memory, a subscriber of all of them, and a restart. make soak takes half a million, and
says how long it all took; what is asserted is never a time."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import wire as w
from broker import MQTT, Broker, wait_until
from client import unique

IS_SOAK = bool(os.environ.get("APUS_SOAK"))
COUNT = int(os.environ.get("APUS_RETAINED") or (500_000 if IS_SOAK else 200_000))
# Counters are told with the heartbeats.
OPTIONS = {"listeners": [MQTT], "supervisor": {"heartbeat_interval": "50 ms"}}


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


def longest_delay(port):
    """Of a PUBACK for a client that has nothing to do with it, while another one subscribes to all of them. In seconds."""
    other = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "plant/#", "-C", str(COUNT)],
                             stdout=subprocess.DEVNULL)
    longest = 0.0
    with w.connected(port, unique()) as client:
        while other.poll() is None:
            began = time.monotonic()
            client.send(w.publish("beside", b"x", 1, 1))
            client.expect(w.PUBACK)
            longest = max(longest, time.monotonic() - began)
    assert other.returncode == 0
    return longest


@pytest.mark.timeout(600)
def test_they_are_small_and_survive(start_broker):
    broker = start_broker(**OPTIONS)
    names = list(topics())
    with w.connected(broker.port(), unique()) as publisher:
        publish(publisher, names[:COUNT // 2])
        # What the store and the channels need at all is there by now, up to some MiB that come and go with the moment;
        # there are so many that those are less than a hundred bytes each.
        before = router_bytes(broker)
        content = publish(publisher, names[COUNT // 2:])
        overhead = (router_bytes(broker) - before - content) / (COUNT // 2)
        assert overhead < 400
    assert receive_all(broker.port()) == COUNT
    delay = longest_delay(broker.port()) if IS_SOAK else 0
    folder, began = stopped(broker), time.monotonic()
    with Broker(**OPTIONS, folder=folder) as again:
        with w.connected(again.port(), unique()) as client:
            client.send(w.publish("served", b"x", 1, 1))
            client.expect(w.PUBACK)
        served, then = time.monotonic() - began, again.counted("retained_messages")
        wait_until(lambda: again.counted("retained_messages") >= COUNT, "all are loaded", 30)
        loaded = time.monotonic() - began
        assert receive_all(again.port()) == COUNT
    if IS_SOAK:
        print(f"{COUNT} retained messages: {overhead:.0f} bytes each beside topic and payload, another client waited at most "
              f"{delay * 1000:.1f} ms while they were handed out; after a restart clients were served after {served:.2f} s, "
              f"when {then} were loaded, and all were after {loaded:.2f} s")
        assert then < COUNT


def stopped(broker):
    """Stops a broker in order and keeps its folder."""
    folder, broker.folder = broker.folder, None
    broker.stop()
    (folder / "notify").unlink()
    return folder
