"""What systemd sees: READY, STATUS, WATCHDOG and STOPPING on a real socket; stopping in order, under load, in time."""

import errno
import os
import signal
import socket
import threading
import time

import pytest

import wire as w
from broker import MQTT, WEB, stat_fields, wait_until
from client import JSON, Paho, unique


def test_ready_comes_once_and_after_everything_serves(start_broker):
    broker = start_broker()
    assert all(row["state"] == "ready" for row in broker.workers())
    assert sorted((row["role"], row["name"]) for row in broker.workers()) == [
        ("listener", "mqtt"), ("listener", "web"), ("router", "router")]
    with w.connected(broker.port()) as client:
        client.ping()
    assert len(broker.notify.lines.all("^READY=1$")) == 1


def test_status_is_a_line_for_people(start_broker):
    broker = start_broker()
    broker.notify.lines.wait("^STATUS=.*[a-z]")
    clients = [w.connected(broker.port()) for _ in range(3)]
    line = broker.notify.lines.wait(r"^STATUS=.*\b3\b")
    assert "mqtt" in line or "listener" in line or "connection" in line, line
    for client in clients:
        client.close()


def test_a_reload_begins_and_ends(start_broker):
    """RELOADING with the time, then READY, whoever asked and whatever came of it: without the end systemd waits for it."""
    broker = start_broker()

    def reload(act, **tables):
        broker.configure(**tables)
        since, before = broker.notify.lines.mark(), time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        act()
        broker.notify.lines.wait("^READY=1$", since=since)
        said = broker.notify.lines.all("^(RELOADING|MONOTONIC_USEC|READY|STOPPING)=", since=since)
        assert [line.partition("=")[0] for line in said] == ["RELOADING", "MONOTONIC_USEC", "READY"], said
        assert before <= int(said[1].partition("=")[2]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    for tables in ({}, {"limits": {"in_flight": 7}}, {"limits": {"no_such_limit": 1}}):
        reload(lambda: broker.signal(signal.SIGHUP), **tables)
        reload(lambda: broker.ctl("reload", check=False), **tables)


def test_a_start_that_fails_says_with_what(start_broker):
    broker = start_broker(ready=False, limits={"no_such_limit": 1})
    broker.process.wait(10)
    broker.notify.lines.wait("^EXIT_STATUS=78$")
    assert "no_such_limit" in broker.notify.lines.all("^STATUS=")[-1] and not broker.notify.lines.all("^READY=1$")
    broker.expect_exit(78)
    with socket.create_server(("127.0.0.1", 0)) as other:
        broker = start_broker(ready=False, listeners=[{**MQTT, "bind": f"127.0.0.1:{other.getsockname()[1]}"}])
        broker.process.wait(10)
        broker.notify.lines.wait(f"^ERRNO={errno.EADDRINUSE}$")
        broker.notify.lines.wait("^EXIT_STATUS=1$")
        broker.expect_exit(1)


def test_watchdog_comes_twice_in_its_interval(start_broker):
    broker = start_broker(environment={"WATCHDOG_USEC": "1000000"})
    since, start = broker.notify.lines.mark(), time.monotonic()
    broker.notify.lines.wait("^WATCHDOG=1$", since=since, count=4)
    assert time.monotonic() - start < 3  # 2 s, and what a busy machine adds


def test_no_watchdog_without_a_watchdog(start_broker):
    broker = start_broker()
    with w.connected(broker.port()) as client, pytest.raises(TimeoutError):
        client.read(1.5)
    assert not broker.notify.lines.all("^WATCHDOG=1$")


def test_no_watchdog_while_the_supervisor_hangs(start_broker):
    broker = start_broker(environment={"WATCHDOG_USEC": "500000"})
    broker.notify.lines.wait("^WATCHDOG=1$")
    with w.connected(broker.port()) as client:
        broker.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: stopped(broker.pid), "the supervisor to be stopped")
            time.sleep(0.1)  # what was in the socket is read by then
            since = broker.notify.lines.mark()
            with pytest.raises(TimeoutError):
                broker.notify.lines.wait("^WATCHDOG=1$", 1.5, since=since)
            client.ping()  # its workers serve on
        finally:
            broker.signal(signal.SIGCONT)
        broker.notify.lines.wait("^WATCHDOG=1$", since=since)
        client.ping()
    # Workers that answered late because nobody asked them are not killed for it.
    assert all(row["restarts"] == 0 for row in broker.workers())


def stopped(pid):
    return stat_fields(pid)[:1] == ["T"]


def test_the_watchdog_goes_on_while_a_worker_is_replaced(start_broker):
    broker = start_broker(environment={"WATCHDOG_USEC": "500000"},
                          supervisor={"heartbeat_interval": "100 ms", "heartbeat_timeout": "1 s"})
    hung = broker.worker("web")["pid"]
    os.kill(hung, signal.SIGSTOP)
    since, start = broker.notify.lines.mark(), time.monotonic()
    broker.wait_respawned("web", hung)
    seconds = time.monotonic() - start
    assert len(broker.notify.lines.all("^WATCHDOG=1$", since)) >= int(seconds / 0.5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_says_so_and_says_goodbye(start_broker, number):
    broker = start_broker()
    five, old, page = Paho(broker.port(), version="5.0"), w.connected(broker.port()), JSON(broker.port("web"))
    page.subscribe("a")
    over_websocket = Paho(broker.port("web"), version="5.0", transport="websockets")
    port, known = broker.port(), broker.processes()
    broker.signal(number)
    broker.notify.lines.wait("^STOPPING=1$")
    assert five.wait_disconnected().value == 0x8B  # server shutting down
    assert over_websocket.wait_disconnected().value == 0x8B
    assert old.wait_closed() == []
    assert page.wait_closed() == 1001  # going away
    broker.expect_exit(0, 15, known)
    with pytest.raises(ConnectionError):
        w.Wire(port)


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_under_load(start_broker, workers):
    """Floods in both directions through both listeners do not keep it from stopping in order and in time."""
    stop_timeout = 5
    broker = start_broker(listeners=[{**MQTT, "workers": workers}, WEB],
                          supervisor={"stop_timeout": f"{stop_timeout} s"})
    topic, port = unique("load"), broker.port()
    clients = [w.connected(port, "", w.V5) for _ in range(8)]
    readers, writers = clients[:4], clients[4:]
    ends, running = {}, threading.Event()

    def read(index, client):
        count = 0
        try:
            while (packet := client.read(30)) and packet.type != w.DISCONNECT:
                count += 1
                if count == 100:
                    running.set()
            ends[index] = packet.body[0] if packet else None
        except (OSError, TimeoutError) as error:
            ends[index] = error

    def write(client):
        batch = w.publish(topic, b"x" * 100, version=w.V5) * 100
        try:
            while True:
                client.socket.sendall(batch)
        except OSError:
            pass

    for client in readers:
        client.subscribe(topic)
    threads = [threading.Thread(target=read, args=item) for item in enumerate(readers)]
    threads += [threading.Thread(target=write, args=[client]) for client in writers]
    stuck = w.connected(port, receive_buffer=4096)
    stuck.subscribe(topic)
    for thread in threads:
        thread.start()
    assert running.wait(20)
    known, start = broker.processes(), time.monotonic()
    broker.signal(signal.SIGTERM)
    broker.expect_exit(0, stop_timeout + 5, known)
    assert time.monotonic() - start < stop_timeout + 2
    for thread in threads:
        thread.join(20)
    assert ends == {index: 0x8B for index in range(4)}
    for client in clients:
        client.close()


def test_a_worker_that_hangs_does_not_keep_it_from_stopping(start_broker):
    broker = start_broker(supervisor={"stop_timeout": "1 s", "heartbeat_timeout": "60 s"})
    os.kill(broker.worker("web")["pid"], signal.SIGSTOP)
    known, start = broker.processes(), time.monotonic()
    broker.signal(signal.SIGTERM)
    broker.process.wait(10)
    assert time.monotonic() - start < 5
    assert broker.process.returncode in (0, 1)
    broker.expect_exit(broker.process.returncode, 1, known)


def test_stopping_while_starting(start_broker):
    for _ in range(5):
        broker = start_broker(ready=False)
        broker.signal(signal.SIGTERM)
        broker.process.wait(15)
        assert broker.process.returncode in (0, -signal.SIGTERM)
        broker.discard()


def test_stopping_twice_is_stopping_once(start_broker):
    broker = start_broker()
    known = broker.processes()
    broker.signal(signal.SIGTERM)
    try:
        broker.signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    broker.expect_exit(0, 15, known)


def test_it_starts_again_in_the_same_folder(start_broker):
    """Nothing that one run leaves behind stops the next: not even after kill -9 of everything."""
    broker = start_broker(listeners=[MQTT])
    port = broker.port()
    for pid in broker.processes():
        os.kill(pid, signal.SIGKILL)
    broker.process.wait(5)
    again = start_broker(listeners=[{**MQTT, "bind": f"127.0.0.1:{port}"}], folder=broker.take_folder())
    with w.connected(again.port()) as client:
        client.ping()
    assert again.port() == port
