"""Twenty thousand clients connect while their listener is replaced: neither waits for the other."""

import collections
import os
import selectors
import signal
import socket
import threading
import time

import wire as w
from broker import MQTT, wait_until

TOTAL, OPEN = 20_000, 6_000
# What is asked for at once; the backlog of a port holds as many.
PENDING = 500
CONNECT, CONNACK = w.connect(), bytes([0x20, 2, 0, 0])


class Storm(threading.Thread):
    """Clients that connect as fast as they are let, each of which stays until there are too many."""

    def __init__(self, port):
        super().__init__()
        self.port, self.accepted, self.failures = port, 0, []
        # The longest from connect to CONNACK, in seconds.
        self.worst = 0.0
        self._selector, self._begun = selectors.DefaultSelector(), 0
        self._pending, self._staying = 0, collections.deque()

    def run(self):
        while self.accepted + len(self.failures) < TOTAL:
            while self._begun < TOTAL and self._pending < PENDING:
                self._begin()
            ready = self._selector.select(20)
            if not ready:
                self.failures.append(f"{self._pending} clients wait")
                break
            for key, _ in ready:
                self._go_on(key)
        for client in self._staying:
            client.close()
        self._selector.close()

    def _begin(self):
        if len(self._staying) + self._pending >= OPEN:
            self._staying.popleft().close()
        client = socket.socket()
        client.setblocking(False)
        began = time.monotonic()
        client.connect_ex(("127.0.0.1", self.port))
        self._selector.register(client, selectors.EVENT_WRITE, began)
        self._begun += 1
        self._pending += 1

    def _go_on(self, key):
        client = key.fileobj
        try:
            if key.events == selectors.EVENT_WRITE:
                client.send(CONNECT)
                self._selector.modify(client, selectors.EVENT_READ, key.data)
                return
            answer = client.recv(16)
            assert answer == CONNACK, answer
            self.accepted += 1
            self.worst = max(self.worst, time.monotonic() - key.data)
            self._staying.append(client)
        except (AssertionError, OSError) as failure:
            self.failures.append(failure)
            client.close()
        self._selector.unregister(client)
        self._pending -= 1


def test_a_storm_of_connects(start_broker, opened):
    broker = start_broker(listeners=[MQTT], log={"connections": False})
    guest = opened(w.connected(broker.port()))
    storm = Storm(broker.port())
    storm.start()
    took = []
    try:
        for part, is_killed in enumerate([False, True, False, True], 1):
            wait_until(lambda: storm.accepted >= part * TOTAL // 10, "the storm to blow", 60)
            former = broker.worker("mqtt")["pid"]
            began = time.monotonic()
            if is_killed:
                os.kill(former, signal.SIGKILL)
                broker.wait_respawned("mqtt", former)
            else:
                broker.ctl("restart", "listener/mqtt")
            guest.ping()
            took.append(f"{'killed' if is_killed else 'restarted'} {1000 * (time.monotonic() - began):.0f} ms")
        assert storm.is_alive(), "the replacements waited for the storm"
    finally:
        storm.join()
    print(f"longest from connect to CONNACK: {1000 * storm.worst:.0f} ms; listener {', '.join(took)}")
    assert not storm.failures, storm.failures[:5]
    assert storm.accepted == TOTAL
    assert broker.status()["connections"] > 0
    guest.ping()
