"""Clients that do not read and clients that do not stop writing: they slow nobody but themselves, and memory stays
bounded."""

import threading
import time

import pytest

import wire as w
from broker import wait_until
from client import unique

CHUNK = b"x" * 65_536
HUNDRED_MB = 100_000_000
# What the queue of one session (16 MiB), its connection's buffers, the flow between workers, what of it waits for the
# store, and what its publisher's listener keeps until then may come to.
MEMORY_MB = 112
# A message that nothing holds up takes microseconds; this is what a busy machine of two cores may add.
PROMPT = 2.0


class Flood(threading.Thread):
    """Publishes as fast as the broker lets it, until it is stopped or cut off."""

    def __init__(self, wire, topic, size=200):
        super().__init__(daemon=True)
        self.wire, self.batch = wire, w.publish(topic, b"f" * size) * max(1, 100_000 // size)
        self.sent, self.stopping, self.error = 0, False, None
        self.start()

    def run(self):
        self.wire.socket.settimeout(1)
        view = memoryview(self.batch)
        offset = 0
        while not self.stopping or offset:
            try:
                count = self.wire.socket.send(view[offset:])
            except TimeoutError:
                if self.stopping:
                    return
                continue
            except OSError as error:
                self.error = error
                return
            self.sent += count
            offset = (offset + count) % len(view)

    def stop(self):
        self.stopping = True
        self.join(20)
        assert not self.is_alive()


class Reader(threading.Thread):
    """Reads and counts the bytes of what it is sent."""

    def __init__(self, wire):
        super().__init__(daemon=True)
        self.wire, self.received = wire, 0
        self.start()

    def run(self):
        self.wire.socket.settimeout(60)
        try:
            while data := self.wire.socket.recv(1 << 20):
                self.received += len(data)
        except OSError:
            pass


@pytest.mark.timeout(120)
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("listeners", ["the same listener", "another listener"])
def test_a_client_that_stops_reading(start_broker, opened, qos, listeners):
    """100 MB are published to it. Meanwhile a client with the same subscription gets every message, and a third
    goes on as if nothing were."""
    mqtt, second = [{"name": name, "protocol": "mqtt", "bind": "127.0.0.1:0"} for name in ("mqtt", "second")]
    broker = start_broker(listeners=[mqtt, second])
    port, other = broker.port(), broker.port("mqtt" if listeners == "the same listener" else "second")
    topic = unique("stuck")
    stuck = opened(w.connected(port, "stuck", receive_buffer=4096))
    stuck.subscribe(topic, qos=qos)
    reading, publisher = opened(w.connected(other)), opened(w.connected(other))
    reading.subscribe(topic, qos=qos)
    bystander = opened(w.connected(other))
    bystander.subscribe(f"{topic}-aside")
    workers, before = {row["pid"] for row in broker.workers()}, broker.memory_mb()

    packet_id, peak, slowest = 0, before, 0.0
    for turn in range(HUNDRED_MB // len(CHUNK) // 16):
        batch = []
        for _ in range(16):
            packet_id += 1
            batch.append(w.publish(topic, CHUNK, qos, packet_id))
        # The reader sets the pace: about 1 MB is under way to it at a time, so nothing of its own is ever dropped.
        publisher.send(*batch)
        for _ in range(16):
            message = reading.expect(w.PUBLISH, 20)
            assert len(message.publish()[2]) == len(CHUNK)
            if qos:
                reading.send(w.packet(0x40, w.u16(message.publish()[1])))
        for _ in range(16 * qos):
            publisher.expect(w.PUBACK, 20)
        if turn % 8 == 0:
            peak = max(peak, broker.memory_mb())
            start = time.monotonic()
            bystander.send(w.publish(f"{topic}-aside", "x"))
            bystander.expect(w.PUBLISH, 20)
            slowest = max(slowest, time.monotonic() - start, bystander.ping())
    assert max(peak, broker.memory_mb()) - before < MEMORY_MB
    assert slowest < PROMPT
    assert {row["pid"] for row in broker.workers()} == workers

    # Nothing is dropped silently.
    wait_until(lambda: broker.counted("messages_dropped") or not broker.client("stuck"), "what was dropped, counted")

    # What the stuck client has missed is missing in whole packets; or it was disconnected.
    stuck.socket.settimeout(2)
    try:
        while message := stuck.read(2):
            assert message.type == w.PUBLISH and message.publish()[2] == CHUNK
            if qos:
                stuck.send(w.packet(0x40, w.u16(message.publish()[1])))
    except (TimeoutError, ConnectionError):
        pass


@pytest.mark.parametrize("size", [20, 200, 60_000])
def test_a_flooding_publisher_slows_nobody_else(broker, wire, size):
    topic, seconds = unique("flood"), 2.0
    reader = wire()
    reader.subscribe(topic)
    counting = Reader(reader)
    before = broker.memory_mb()
    flood = Flood(wire(), topic, size)
    ordinary, slowest, rounds = wire(), 0.0, 0
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        rounds += 1
        ordinary.send(w.publish(f"{topic}-aside", "x", 1, packet_id=rounds % 65_000 + 1))
        sent = time.monotonic()
        ordinary.expect(w.PUBACK, 20)
        slowest = max(slowest, time.monotonic() - sent, ordinary.ping(20))
    memory = broker.memory_mb() - before
    flood.stop()
    assert flood.error is None and flood.sent > 1_000_000 and counting.received > 1_000_000
    assert slowest < PROMPT and rounds > 10
    assert memory < MEMORY_MB
    # The flood itself lives, too, and is answered once its flood is worked off.
    flood.wire.ping(20)


def test_a_flood_to_a_stopped_reader_of_its_own(broker, wire):
    """Publisher and subscriber are one client that never reads: it fills its own queue, and nothing else."""
    topic = unique("selfish")
    selfish = wire(receive_buffer=4096)
    selfish.subscribe(topic)
    before = broker.memory_mb()
    flood = Flood(selfish, topic, 10_000)
    ordinary, start = wire(), time.monotonic()
    while time.monotonic() - start < 2:
        assert ordinary.ping(20) < PROMPT
    assert broker.memory_mb() - before < MEMORY_MB
    flood.stop()


def test_a_client_that_only_sends_acknowledged_messages_and_reads_nothing(broker, wire):
    """Its PUBACKs pile up unread; that is bounded, too."""
    mute = wire(receive_buffer=4096)
    batch = b"".join(w.publish("mute", "x", 1, packet_id=number) for number in range(1, 1001))
    mute.socket.settimeout(2)
    before, sent = broker.memory_mb(), 0
    try:
        while sent < 50_000_000:
            sent += mute.socket.send(batch)
    except (TimeoutError, ConnectionError):
        pass
    assert broker.memory_mb() - before < MEMORY_MB
    assert wire().ping(20) < PROMPT


def test_a_websocket_client_that_stops_reading(broker, wire, json_client):
    topic = unique("stuck")
    page, live = json_client(), json_client()
    page.subscribe(topic)
    live.subscribe(f"{topic}/live")
    # The library reads into a bounded queue of its own and then stops.
    publisher, before = wire(), broker.memory_mb()
    for number in range(500):
        publisher.send(w.publish(topic, CHUNK))
        if number % 50 == 0:
            publisher.ping(20)
            publisher.send(w.publish(f"{topic}/live", str(number)))
            live.expect(f"{topic}/live", str(number))
    assert broker.memory_mb() - before < MEMORY_MB


def test_a_queue_drains_on_a_quiet_broker(broker, wire):
    """What has waited for a slow reader reaches it at once when it reads again, although nobody else says a word."""
    topic, reader, publisher = unique("quiet"), wire(receive_buffer=4096), wire()
    reader.subscribe(topic)
    # Far more than the buffers on the way hold, so that the newest lie in the router's queue.
    for _ in range(60):
        publisher.send(*[w.publish(topic, "x" * 100) for _ in range(1000)])
    publisher.send(w.publish(topic, "last", 1, 1))
    publisher.expect(w.PUBACK, 20)
    start = time.monotonic()
    while reader.expect(w.PUBLISH, 5).publish()[2] != b"last":
        assert time.monotonic() - start < 30
