"""Processes that stand still for longer than any client's keep-alive allows: whose clients did what they had to are not
disconnected when time goes on."""

import os
import signal
import time

import pytest

import wire as w
from broker import MQTT, stat_fields, wait_until
from client import unique
from steps import SOAK

# The long form is a minute.
KEEP_ALIVE = 20 if SOAK else 1
# Twice what the broker would wait for a silent client.
FROZEN = 3.0 * KEEP_ALIVE
WHO = ["the listener", "the machine"] if SOAK else ["the listener", "the router", "the supervisor", "the machine"]


def frozen(broker, who):
    """The processes that stand still."""
    return {"the listener": [broker.worker("mqtt")["pid"]], "the router": [broker.worker("router")["pid"]],
            "the supervisor": [broker.pid], "the machine": broker.processes()}[who]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("who", WHO)
def test_nobody_is_late_who_was_not_heard(start_broker, opened, who):
    broker = start_broker(listeners=[MQTT], supervisor={"heartbeat_timeout": "600 s"})
    topic = unique("frozen")
    faithful = [opened(w.connected(broker.port(), keep_alive=KEEP_ALIVE)) for _ in range(20)]
    silent = opened(w.connected(broker.port(), keep_alive=KEEP_ALIVE))
    for client in faithful:
        client.subscribe(topic, qos=1)
    before = {row["pid"] for row in broker.workers()}
    pids = frozen(broker, who)
    for client in (*faithful, silent):
        client.ping()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: all(stat_fields(pid)[0] == "T" for pid in pids), "them to stand still")
        end, sent = time.monotonic() + FROZEN, 0
        while time.monotonic() < end:
            for client in faithful:
                client.send(w.packet(0xC0))
            sent += 1
            time.sleep(KEEP_ALIVE / 2)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    for client in faithful:
        for _ in range(sent):
            client.expect(w.PINGRESP)
        client.ping()
    # Time goes on, for clients as well.
    silent.wait_closed(10 + 2 * KEEP_ALIVE)
    faithful[0].send(w.publish(topic, "on", 1, packet_id=1))
    for client in faithful[1:]:
        assert client.expect(w.PUBLISH).publish()[2] == b"on"
    assert {row["pid"] for row in broker.workers()} == before
