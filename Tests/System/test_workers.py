"""Workers that hang, die and are many: the others go on, and a successor comes."""

import os
import signal
import time

import pytest

import wire as w
from broker import MQTT, WEB, is_alive, wait_until
from client import JSON, Paho, unique

TWO = [MQTT, {**MQTT, "name": "second"}]


def live(port, timeout=20):
    """A client that connects, subscribes and gets its own message."""
    topic = unique("live")
    with w.connected(port, timeout=timeout) as client:
        client.subscribe(topic, qos=1)
        client.send(w.publish(topic, "x", 1))
        assert {client.read().type, client.read().type} == {w.PUBACK, w.PUBLISH}


def test_a_stopped_listener_slows_no_other_and_is_replaced(start_broker, opened):
    broker = start_broker(
        listeners=TWO, supervisor={"heartbeat_interval": "100 ms", "heartbeat_timeout": "2 s"})
    stopped = broker.worker("mqtt")
    topic = unique("stopped")
    held = opened(w.connected(broker.port("mqtt")))
    held.subscribe(topic)
    other = opened(w.connected(broker.port("second")))
    other.subscribe(topic)
    os.kill(stopped["pid"], signal.SIGSTOP)
    stopped_at, count = time.monotonic(), 0
    while time.monotonic() - stopped_at < 1.5:
        count += 1
        other.send(w.publish(topic, str(count)))
        assert other.expect(w.PUBLISH, 1).publish()[2] == str(count).encode()
    assert broker.worker("second")["restarts"] == 0 and is_alive(stopped["pid"])

    row = broker.wait_respawned("mqtt", stopped["pid"])
    assert time.monotonic() - stopped_at > 1.9
    assert not is_alive(stopped["pid"])
    assert row["generation"] > stopped["generation"] and row["restarts"] == 1
    live(broker.port("mqtt"))
    other.ping()
    assert broker.worker("second")["restarts"] == broker.worker("router")["restarts"] == 0
    assert broker.log.all(r"(?i)mqtt.*(heartbeat|answer|hung|hang|kill)")


def test_100_mb_published_to_clients_of_a_stopped_listener(start_broker, opened):
    """The listener that hangs costs what its limits say, and no one else anything."""
    broker = start_broker(listeners=TWO, supervisor={"heartbeat_timeout": "60 s"})
    topic, stopped = unique("stopped"), broker.worker("mqtt")["pid"]
    held = opened(w.connected(broker.port("mqtt")))
    held.subscribe(topic)
    other = opened(w.connected(broker.port("second")))
    other.subscribe(topic)
    before = broker.memory_mb()
    os.kill(stopped, signal.SIGSTOP)
    try:
        payload = b"x" * 100_000
        for _ in range(1000):
            other.send(w.publish(topic, payload))
            assert len(other.expect(w.PUBLISH, 5).publish()[2]) == len(payload)
        assert broker.memory_mb() - before < 80
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: broker.worker("mqtt")["state"] == "ready", "the listener to go on")
    live(broker.port("mqtt"))
    assert broker.worker("mqtt")["pid"] == stopped


@pytest.mark.parametrize("name", ["mqtt", "web"])
def test_a_killed_listener_is_respawned_while_the_others_live(start_broker, opened, name):
    broker = start_broker()
    others = {"mqtt": lambda: opened(JSON(broker.port("web"))), "web": lambda: opened(Paho(broker.port("mqtt")))}
    other, topic, killed = others[name](), unique("killed"), broker.worker(name)["pid"]
    other.subscribe(topic)
    ports = broker.port("mqtt"), broker.port("web")
    os.kill(killed, signal.SIGKILL)
    row = broker.wait_respawned(name, killed)
    assert (row["restarts"], row["generation"]) == (1, 2)
    other.publish(topic, "x") if name == "web" else other.send("publish", Topic=topic, Payload="x")
    other.expect(topic, "x")
    assert (broker.port("mqtt"), broker.port("web")) == ports
    live(broker.port("mqtt"))
    with JSON(broker.port("web")) as page:
        page.subscribe(topic)
        page.send("publish", Topic=topic, Payload="y")
        page.expect(topic, "y")
    other.expect(topic, "y")


def test_connections_made_while_a_listener_is_away_are_served(start_broker):
    broker = start_broker()
    killed, port, since = broker.worker("mqtt")["pid"], broker.port(), broker.log.mark()
    os.kill(killed, signal.SIGKILL)
    broker.log.wait(rf"process {killed}.* ended", since=since)
    live(port)
    assert broker.wait_respawned("mqtt", killed)["restarts"] == 1


def test_wills_of_a_killed_listeners_clients_wait_for_their_end(start_broker, opened):
    broker = start_broker(listeners=TWO)
    topic = unique("will")
    watching = opened(w.connected(broker.port("second")))
    watching.subscribe(topic)
    client = opened(w.connected(broker.port("mqtt"), will=(topic, "gone", 0, False)))
    killed = broker.worker("mqtt")["pid"]
    os.kill(killed, signal.SIGKILL)
    broker.wait_respawned("mqtt", killed)
    client.send(w.publish(topic, "lives"))
    assert watching.expect(w.PUBLISH, 20).publish()[2] == b"lives"
    client.close()
    assert watching.expect(w.PUBLISH, 20).publish()[2] == b"gone"


def test_a_killed_router_is_respawned(start_broker):
    broker = start_broker()
    killed = broker.worker("router")["pid"]
    listeners = {row["name"]: row["pid"] for row in broker.workers("listener")}
    with w.connected(broker.port()) as client:
        client.subscribe("before")
        os.kill(killed, signal.SIGKILL)
        assert broker.wait_respawned("router", killed)["restarts"] == 1
    wait_until(lambda: serves(broker.port()), "MQTT is served again", 20)
    assert {row["name"]: row["pid"] for row in broker.workers("listener")} == listeners
    with JSON(broker.port("web")) as page, Paho(broker.port()) as mqtt:
        topic = unique("after")
        page.subscribe(topic)
        mqtt.publish(topic, "x", 1)
        page.expect(topic, "x")


def serves(port):
    try:
        live(port, 5)
    except (AssertionError, OSError, AttributeError):
        return False
    return True


def test_workers_killed_again_and_again_back_off_and_recover(start_broker):
    broker = start_broker()
    for round_ in range(3):
        for name in ("mqtt", "router"):
            pid = broker.wait_worker(name, lambda row: row["state"] == "ready" and row["pid"], "ready")[0]["pid"]
            os.kill(pid, signal.SIGKILL)
            assert broker.wait_respawned(name, pid, 20)["restarts"] == round_ + 1
    wait_until(lambda: serves(broker.port()), "MQTT is served again", 20)
    assert broker.process.poll() is None


def test_several_workers_share_a_port(start_broker, opened):
    broker = start_broker(listeners=[{**MQTT, "workers": 3}, {**WEB, "workers": 2}])
    rows = broker.workers("mqtt")
    assert len(rows) == 3 == len({row["pid"] for row in rows})
    assert {row["name"]: row["workers"] for row in broker.status()["listeners"]} == {"mqtt": 3, "web": 2}
    topic, port = unique("several"), broker.port()
    clients = [opened(w.connected(port)) for _ in range(30)]
    for client in clients:
        client.subscribe(topic)
    wait_until(lambda: sum(row["connections"] for row in broker.workers("mqtt")) == 30, "30 connections")
    assert all(row["connections"] for row in broker.workers("mqtt")), "the connections are spread"
    clients[0].send(w.publish(topic, "x"))
    for client in clients:
        assert client.expect(w.PUBLISH).publish()[2] == b"x"

    os.kill(rows[0]["pid"], signal.SIGKILL)
    broker.wait_worker("mqtt", lambda row: row["state"] == "ready" and row["pid"] != rows[0]["pid"], "ready again")
    for _ in range(10):
        live(port)
    assert {row["pid"] for row in rows[1:]} <= {row["pid"] for row in broker.workers("mqtt")}


def test_descriptors_run_out(start_broker):
    """More clients than descriptors: the ones inside are served, nothing spins, and when there is room others enter."""
    broker = start_broker(prefix=["prlimit", "--nofile=128:128"])
    port = broker.port()
    inside, outside = [w.connected(port) for _ in range(20)], [w.Wire(port) for _ in range(200)]
    workers = {row["pid"] for row in broker.workers()}
    try:
        for client in outside:
            try:
                client.send(w.connect(unique()))
            except ConnectionError:
                pass  # refused rather than left waiting
        for client in inside:
            client.ping(20)
        before, start = broker.cpu_seconds(), time.monotonic()
        while time.monotonic() - start < 1.5:
            inside[0].ping(20)
            with pytest.raises(TimeoutError):
                inside[0].read(0.1)
        assert (broker.cpu_seconds() - before) / (time.monotonic() - start) < 0.3, "the broker spins"
    finally:
        for client in outside:
            client.close()
    wait_until(lambda: serves(port), "new clients are served again", 20)
    assert {row["pid"] for row in broker.workers()} == workers
    for client in inside:
        client.ping(20)
        client.close()


def test_clients_beyond_the_limit_are_closed(start_broker, opened):
    broker = start_broker(limits={"connections": 10})
    inside = [opened(w.connected(broker.port())) for _ in range(10)]
    with w.Wire(broker.port()) as refused:
        assert refused.wait_closed(10) == []
    broker.log.wait("limits.connections is reached.*refused")
    inside[0].close()
    deadline = time.monotonic() + 10
    while broker.status()["connections"] == 10:
        assert time.monotonic() < deadline
    opened(w.connected(broker.port())).ping()
    for client in inside[1:]:
        client.ping()
