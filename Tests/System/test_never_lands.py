"""Listeners that are replaced, killed and upgraded under their clients: nobody is disconnected, nothing is lost, doubled
or out of order, wherever the death comes."""

import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import wire as w
from broker import BIN, MQTT, WEB, process_file, wait_until
from client import JSON, Paho, mosquitto_sub, unique
from steps import Attached

ALONE = [{**MQTT, "standby": False}, {**WEB, "standby": False}]


def kill(broker, name="mqtt"):
    """Kills a listener, and returns when its successor serves."""
    killed = broker.worker(name)["pid"]
    os.kill(killed, signal.SIGKILL)
    broker.wait_respawned(name, killed)


def restart(broker, name="mqtt"):
    broker.ctl("restart", f"listener/{name}")


def kill_router(broker, name=None):
    kill(broker, "router")


def restart_router(broker, name=None):
    broker.ctl("restart", "router")


WAYS = pytest.mark.parametrize("replace", [kill, restart, kill_router, restart_router])


@pytest.mark.parametrize("listeners", [[MQTT, WEB], ALONE], ids=["standby", "alone"])
@WAYS
def test_clients_of_every_kind_live_on(start_broker, opened, replace, listeners):
    broker = start_broker(listeners=listeners)
    topic = unique("lives")
    mqtt = [opened(Paho(broker.port(), version=version)) for version in ("3.1", "3.1.1", "5.0")]
    mqtt.append(opened(Paho(broker.port("web"), transport="websockets")))
    page = opened(JSON(broker.port("web")))
    for qos, client in enumerate(mqtt):
        client.subscribe(f"{topic}/#", min(qos, 2))
    page.subscribe(f"{topic}/#", QoS=1)
    for round_ in range(3):
        replace(broker, "mqtt")
        replace(broker, "web")
        for number, client in enumerate(mqtt):
            payload = f"{round_} {number}"
            client.publish(f"{topic}/a", payload, qos=min(number, 2))
            for other in mqtt:
                other.expect(f"{topic}/a", payload)
            page.expect(f"{topic}/a", payload)
    assert page.request("publish", Topic=unique(), Payload="x")["Action"] == "ack"
    assert broker.status()["connections"] == 5


@WAYS
def test_in_the_middle_of_a_packet(start_broker, opened, replace):
    broker = start_broker()
    client = opened(w.connected(broker.port()))
    client.subscribe("middle")
    packet = w.publish("middle", b"p" * 300_000, 1)
    for cut in (1, 2, 9, 250, 70_000, 299_000):
        client.send(packet[:cut])
        wait_received(client)
        replace(broker)
        client.send(packet[cut:])
        answers = {client.read().type, client.read().type}
        assert answers == {w.PUBACK, w.PUBLISH}


def wait_received(client):
    """Until nothing that the client has sent lies in the kernel unread."""
    port = client.socket.getsockname()[1]

    def is_read():
        rows = subprocess.run(["ss", "-tnH", f"dport = :{port}"], capture_output=True, text=True).stdout.split()
        return len(rows) > 1 and rows[1] == "0"

    wait_until(is_read, "the listener to read what was sent")


@WAYS
def test_in_the_middle_of_a_handshake_and_of_a_frame(start_broker, opened, replace):
    broker = start_broker()
    page = opened(socket.create_connection(("127.0.0.1", broker.port("web")), 10))
    request = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    page.sendall(request[:60])
    replace(broker, "web")
    page.sendall(request[60:])
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += page.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    text = b'{"Action":"subscribe","Topic":"f","Payload":"","Id":7}'
    mask = b"\x11\x22\x33\x44"
    frame = bytes([0x81, 0x80 | len(text)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text))
    for cut in (1, 4, 20):
        page.sendall(frame[:cut])
        replace(broker, "web")
        page.sendall(frame[cut:])
        reply = page.recv(4096)
        assert b'"ack"' in reply and b"7" in reply, reply


@WAYS
def test_in_the_middle_of_a_connect(start_broker, opened, replace):
    broker = start_broker()
    packet = w.connect("c" * 100, w.V5, will=("t", "w" * 100, 0, False))
    for cut in (1, 2, 12, len(packet) - 1):
        client = opened(w.Wire(broker.port()))
        client.send(packet[:cut])
        wait_received(client)
        replace(broker)
        client.send(packet[cut:])
        client.expect(w.CONNACK)
        client.ping()


@pytest.mark.parametrize("victim", ["mqtt", "router"])
def test_between_connect_and_connack(start_broker, opened, victim):
    """The router is stopped, so that nothing is answered before the death."""
    broker = start_broker()
    pids = {name: broker.worker(name)["pid"] for name in ("mqtt", "router")}
    broker.standby(victim)
    os.kill(pids["router"], signal.SIGSTOP)
    clients = [opened(w.Wire(broker.port())) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(w.connect(f"between-{number}", w.V5, keep_alive=60) + w.subscribe("between", version=w.V5))
        client.version = w.V5
        wait_received(client)
    os.kill(pids[victim], signal.SIGKILL)
    if victim != "router":
        os.kill(pids["router"], signal.SIGCONT)
    for client in clients:
        client.expect(w.CONNACK)
        client.expect(w.SUBACK)
    clients[0].send(w.publish("between", "x", version=w.V5))
    for client in clients:
        assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"x"


@pytest.mark.parametrize("replace", [kill, restart])
def test_who_is_silent_after_a_hand_over_ends(start_broker, opened, replace):
    """Clocks begin afresh, and run: keep-alive and the heartbeat of JSON clients hold as before."""
    broker = start_broker(limits={"heartbeat_timeout": "1s"})
    silent, faithful = (opened(w.connected(broker.port(), keep_alive=1)) for _ in range(2))
    quiet, page = (opened(JSON(broker.port("web"))) for _ in range(2))
    over, failures = threading.Event(), []

    def speak():
        try:
            while not over.wait(0.3):
                faithful.ping()
                assert page.request("ping")
        except (AssertionError, OSError, TimeoutError) as failure:
            failures.append(failure)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        for name in ("mqtt", "web"):
            replace(broker, name)
        silent.wait_closed(10)
        quiet.wait_closed(10)
    finally:
        over.set()
        thread.join()
    assert not failures, failures
    faithful.ping()
    wait_until(lambda: broker.status()["connections"] == 2, "the others to be given back")


def test_delayed_wills_outlive_routers(start_broker, opened):
    """One comes at its time, though the router that was told of it is gone; who is back in time has none."""
    broker = start_broker()
    watcher = opened(w.connected(broker.port()))
    watcher.subscribe("late/+", qos=1)

    def leave(name, delay):
        client = w.connected(broker.port(), name, w.V5, props=b"\x11\x00\x00\x03\xe8",
                             will=(f"late/{name}", "gone", 1, False), will_props=b"\x18" + delay.to_bytes(4, "big"))
        client.close()
        wait_until(lambda: broker.client(name) is None, "the connection to be over")
        return time.monotonic()

    began = leave("first", 2)
    leave("back", 3)
    leave("last", 5)
    kill_router(broker)
    opened(w.connected(broker.port(), "back", w.V5, clean=False, props=b"\x11\x00\x00\x03\xe8")).ping()
    kill_router(broker)
    assert watcher.expect(w.PUBLISH).publish()[0] == "late/first"
    # The broker's clock has whole seconds.
    assert time.monotonic() - began > 1
    assert watcher.expect(w.PUBLISH).publish()[0] == "late/last"


def test_new_connections_are_held_while_nobody_serves(start_broker, opened):
    broker = start_broker(listeners=ALONE)
    killed = broker.worker("mqtt")["pid"]
    os.kill(killed, signal.SIGSTOP)
    waiting = [opened(w.Wire(broker.port())) for _ in range(20)]
    for client in waiting:
        client.send(w.connect(unique()))
    os.kill(killed, signal.SIGKILL)
    for client in waiting:
        client.expect(w.CONNACK)


# Each place at which a listener's process enters the kernel while it handles messages.
CALLS = ["recvfrom", "sendto", "epoll_wait", "recvmsg", "sendmsg"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_a_death_at_a_system_call(start_broker, opened, call, count):
    """Kills the listener as it enters the count-th call of a kind, while messages of every QoS are on their way."""
    broker = start_broker(supervisor={"heartbeat_interval": "100ms"})
    sender, receiver = opened(Paho(broker.port())), opened(Paho(broker.port(), version="5.0"))
    topic = unique("call")
    receiver.subscribe(topic, 2)
    victim = broker.worker("mqtt")["pid"]
    attached = Attached(victim, call, count, threads=True)
    total = 60
    for number in range(total):
        sender.client.publish(topic, str(number), qos=number % 3)
    attached.wait_death()
    got = [int(receiver.message().payload) for _ in range(total)]
    # Each QoS keeps its order; paho hands a QoS 2 message on only when it was released.
    for qos in range(3):
        assert [number for number in got if number % 3 == qos] == list(range(qos, total, 3))
    receiver.expect_nothing_before(topic)
    for _ in range(total):
        assert sender.client.is_connected()
    assert broker.status()["connections"] == 2


def test_killed_again_and_again_under_load(start_broker, opened):
    broker = start_broker()
    topic, total = unique("load"), 3000
    subscribers = [mosquitto_sub(broker.port(), topic, "-q", str(qos), "-C", str(total)) for qos in range(3)]
    for subscriber in subscribers:
        opened(subscriber)
    wait_until(lambda: len(broker.clients()) == 3, "three subscribers")
    wait_until(lambda: all(client["subscriptions"] for client in broker.clients()), "their subscriptions")
    sender = opened(Paho(broker.port("web"), transport="websockets"))
    done = threading.Event()

    def publish():
        for number in range(total):
            sender.publish(topic, str(number), 1)
        done.set()

    thread = threading.Thread(target=publish)
    thread.start()
    kills = 0
    while not done.is_set():
        kill(broker, ["mqtt", "web"][kills % 2])
        kills += 1
        if kills % 4 == 0:
            restart(broker)
    thread.join()
    assert kills > 5
    for subscriber in subscribers:
        wait_until(lambda: subscriber.process.poll() is not None and len(subscriber.lines.all("^message ")) >= total,
                   "the subscriber to have everything", 20)
        got = [line.split()[-1] for line in subscriber.lines.all("^message ")]
        assert got == [str(number) for number in range(total)]


@pytest.mark.parametrize("names", [("mqtt", "router"), ("router", "mqtt"), ("mqtt", "web", "router")])
def test_several_workers_killed_at_once(start_broker, opened, names):
    """While messages are on their way between two listeners: what the router has said to one that died with it is heard."""
    broker = start_broker()
    topic, rounds, total = unique("both"), 5, 60
    sender = opened(Paho(broker.port(), version="5.0"))
    receivers = [opened(Paho(broker.port(), version="3.1.1")), opened(Paho(broker.port("web"), transport="websockets"))]
    for receiver in receivers:
        receiver.subscribe(topic, 2)
    for round_ in range(rounds):
        for name in names:
            broker.standby(name)
        killed = [broker.worker(name)["pid"] for name in names]
        for number in range(total):
            sender.client.publish(topic, f"{round_} {number}", qos=number % 3)
            if number == total // 2:
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
        for receiver in receivers:
            got = [receiver.message().payload.decode() for _ in range(total)]
            # Each QoS keeps its order; paho hands a QoS 2 message on only when it was released.
            for qos in range(3):
                of_qos = [payload for payload in got if int(payload.split()[1]) % 3 == qos]
                assert of_qos == [f"{round_} {number}" for number in range(qos, total, 3)]
        for name, pid in zip(names, killed):
            broker.wait_respawned(name, pid)
    assert sender.client.is_connected() and broker.status()["connections"] == 3


def test_a_successor_that_fails_leaves_the_former_one(start_broker, opened, tmp_path):
    for program in ("apusd", "apus-listener", "apus-router"):
        shutil.copy(BIN / program, tmp_path)
    broker = start_broker(top={"libexec_dir": str(tmp_path)})
    client = opened(w.connected(broker.port()))
    before = broker.worker("mqtt")
    broker.standby("mqtt")
    replacement = tmp_path / "new"
    replacement.write_text("#!/bin/sh\nexit 3\n")
    replacement.chmod(0o755)
    os.replace(replacement, tmp_path / "apus-listener")
    result = broker.ctl("restart", "listener/mqtt", check=False)
    assert result.returncode != 0 and "exit status 3" in result.stderr, result
    client.ping()
    assert broker.worker("mqtt")["pid"] == before["pid"]
    # Even if it dies now: its successors fail, its clients wait, and a good one goes on with them.
    os.kill(before["pid"], signal.SIGKILL)
    broker.log.wait("listener/mqtt is started again in", count=3)
    shutil.copy(BIN / "apus-listener", replacement)
    os.replace(replacement, tmp_path / "apus-listener")
    client.ping(timeout=20)


def test_a_damaged_slot_costs_one_connection(start_broker, opened):
    broker = start_broker()
    clients = [opened(w.connected(broker.port(), f"client-{number}")) for number in range(3)]
    for client in clients:
        client.subscribe("t")
    pid = broker.worker("mqtt")["pid"]
    with open(arena(broker.pid, "mqtt"), "r+b") as file, mmap.mmap(file.fileno(), 1 << 20) as memory:
        # The header names where slots begin; the slot whose client id is found is the one to be damaged.
        slots = struct.unpack_from("<Q", memory, 32)[0]
        place = memory.find(b"client-1", slots)
        slot = slots + (place - slots) // 192 * 192
        struct.pack_into("<I", memory, slot + 32, 0x00FFFFFF)
    os.kill(pid, signal.SIGKILL)
    clients[1].wait_closed()
    broker.log.wait("client-1|its slot was damaged")
    clients[0].send(w.publish("t", "x"))
    assert clients[2].expect(w.PUBLISH).publish()[2] == b"x"
    wait_until(lambda: broker.status()["connections"] == 2, "the connection to be given back")


def arena(pid, name):
    """The file of a listener's memory among a process's descriptors."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{descriptor}"
        if f"apus-arena-{name} " in os.readlink(path) + " ":
            return path
    raise AssertionError("no arena")


def test_restart_says_what_it_can_not(start_broker):
    broker = start_broker()
    result = broker.ctl("restart", "listener/nobody", check=False)
    assert result.returncode != 0
    assert "there is no worker listener/nobody, only router, listener/mqtt, listener/web" in result.stderr
    assert "was replaced" in broker.ctl("restart", "listener").stdout
    assert [row["restarts"] for row in broker.workers("listener")] == [1, 1]


def backlog(broker, kind):
    """A clean client that does not answer, or does not even read, and how its messages are to be taken."""
    if kind == "window":
        client = w.connected(broker.port(), unique(), w.V5, props=b"\x21" + w.u16(5))
        client.send(w.subscribe("waits", qos=1, version=w.V5, props=b"\x0b\x07"))
    else:
        client = w.connected(broker.port(), unique(), w.V5, receive_buffer=4096)
        client.send(w.subscribe("waits", qos=0, version=w.V5, props=b"\x0b\x07"))
    client.expect(w.SUBACK)
    return client


def take_backlog(client, expected):
    """Reads and acknowledges until as many have come as are expected."""
    got = []
    while len(got) < expected:
        packet = client.read()
        assert packet is not None and packet.type == w.PUBLISH, f"{packet} behind {len(got)} messages"
        _, identifier, payload = packet.publish(w.V5)
        found = dict(packet.properties())
        assert found[0x0B] == 7 and 0 < found[0x02] <= 1000
        got.append(int(payload[:8]))
        if identifier:
            client.send(w.packet(w.PUBACK << 4, w.u16(identifier)))
    return got


@pytest.mark.parametrize("size", [100, 2500], ids=["in frames", "in the store"])
@pytest.mark.parametrize("kind", ["window", "socket"])
@pytest.mark.parametrize("replace", [kill_router, restart_router])
def test_what_waits_for_a_clean_session(start_broker, opened, replace, kind, size):
    """Beyond its receive maximum, or its socket: a part with the listeners, a part in the store, over several routers."""
    broker = start_broker(limits={"output_buffer": 4096})
    client = opened(backlog(broker, kind))
    sender = opened(w.connected(broker.port(), unique(), w.V5))
    total, rounds = 3000, 3
    for round_ in range(rounds):
        for number in range(round_ * total // rounds, (round_ + 1) * total // rounds):
            qos = number % 2 if kind == "window" else 0
            sender.send(w.publish("waits", f"{number:08}".ljust(size), qos, number % 60_000 + 1, version=w.V5,
                                  props=b"\x02\x00\x00\x03\xe8"))
            if qos:
                sender.expect(w.PUBACK)
        sender.ping()
        replace(broker)
    assert take_backlog(client, total) == list(range(total))
    # All that was kept of it is gone: nothing comes again.
    replace(broker)
    sender.send(w.publish("waits", f"{total:08}", 0, version=w.V5, props=b"\x02\x00\x00\x03\xe8"))
    assert take_backlog(client, 1) == [total]


def exchange(sender, topic, numbers, qos, size):
    """Publishes, many at once, and returns when all of it is acknowledged for good."""
    for start in range(numbers.start, numbers.stop, 500):
        part = range(start, min(start + 500, numbers.stop))
        sender.send(*(w.publish(topic, f"{number:08}".ljust(size), qos, number % 60_000 + 1) for number in part))
        missing = len(part)
        while missing:
            packet = sender.read(30)
            assert packet is not None, f"closed with {missing} not acknowledged"
            if packet.type == w.PUBREC:
                sender.send(w.packet(w.PUBREL << 4 | 2, packet.body[:2]))
            else:
                missing -= 1


def take(client, count):
    """As many messages, each acknowledged for good."""
    got, released = [], 0
    while len(got) < count or released < sum(qos == 2 for _, qos in got):
        packet = client.read()
        assert packet is not None, f"closed behind {len(got)} messages"
        if packet.type == w.PUBREL:
            released += 1
            client.send(w.packet(w.PUBCOMP << 4, packet.body[:2]))
            continue
        _, identifier, payload = packet.publish(client.version)
        got.append((int(payload[:8]), packet.qos))
        client.send(w.packet((w.PUBREC if packet.qos == 2 else w.PUBACK) << 4, w.u16(identifier)))
    return [number for number, _ in got]


class SlowDisk:
    """Lets each fdatasync of a process last for a while."""

    def __init__(self, pid, milliseconds):
        self._strace = subprocess.Popen(
            ["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e",
             f"inject=fdatasync,fsync:delay_enter={milliseconds * 1000}", "-p", str(pid)])
        wait_until(lambda: "TracerPid:\t0" not in process_file(pid, "status"), "strace to be attached")

    def close(self):
        self._strace.terminate()
        self._strace.wait()


@pytest.mark.parametrize("policy, disk", [("drop_newest", "fast"), ("drop_newest", "slow"), ("drop_oldest", "fast"),
                                          ("disconnect", "fast")])
@pytest.mark.parametrize("qos", [1, 2])
def test_a_full_queue_of_a_clean_session(start_broker, opened, qos, policy, disk):
    """Its window is full as well. The router is killed as soon as its publisher has the last acknowledgement; and once more."""
    window, full, size = 5, 3000, 3000
    broker = start_broker(limits={"queue_messages": full, "queue_policy": policy, "in_flight": 1000})
    client = opened(w.connected(broker.port(), unique(), w.V5, props=b"\x21" + w.u16(window)))
    client.subscribe("waits", qos=qos)
    sender = opened(w.connected(broker.port(), timeout=30))
    slow = opened(SlowDisk(broker.worker("router")["pid"], 150)) if disk == "slow" else None
    more = 300 if policy == "drop_oldest" else 0
    for part in (range(full // 2), range(full // 2, window + full), range(window + full, window + full + more)):
        exchange(sender, "waits", part, qos, size)
        if part.stop < window + full:
            continue
        kill_router(broker)
        if slow:
            slow = opened(SlowDisk(broker.worker("router")["pid"], 150))
    if policy == "drop_newest":
        exchange(sender, "waits", range(window + full, window + full + 50), qos, size)
    got = take(client, window + full)
    assert got[:window] == list(range(window)) and got == sorted(set(got)), "in order and once"
    if more:
        # What was dropped may come after all.
        assert set(got[window:]) >= set(range(window + more, window + full + more))
    else:
        assert got == list(range(window + full))
    client.ping()


@pytest.mark.parametrize("replace", [kill_router, restart_router])
def test_what_a_member_of_a_group_has_not_acknowledged_is_answered(start_broker, opened, replace):
    """Its publisher waits for it; the next router knows that somebody has it."""
    broker = start_broker()
    sender = opened(w.connected(broker.port()))
    member = opened(w.connected(broker.port(), unique("member"), w.V5))
    member.subscribe("$share/g/job", qos=1)
    sender.send(w.publish("job", "one", 1, packet_id=1))
    _, identifier, _ = member.expect(w.PUBLISH).publish(w.V5)
    sender.ping()
    replace(broker)
    assert sender.expect(w.PUBACK).body[:2] == w.u16(1)
    member.send(w.packet(0x40, w.u16(identifier)))
    member.ping()
    # And the next one is as ever.
    sender.send(w.publish("job", "two", 1, packet_id=2))
    _, identifier, payload = member.expect(w.PUBLISH).publish(w.V5)
    assert payload == b"two"
    member.send(w.packet(0x40, w.u16(identifier)))
    assert sender.expect(w.PUBACK).body[:2] == w.u16(2)


def test_what_waits_for_a_member_of_a_group_outlives_a_replaced_router(start_broker, opened):
    """It takes one at a time, and gets all, once."""
    broker = start_broker()
    sender = opened(w.connected(broker.port(), timeout=20))
    member = opened(w.connected(broker.port(), unique("member"), w.V5, props=b"\x21" + w.u16(1)))
    member.subscribe("$share/g/job", qos=1)
    sender.subscribe("mark")
    for number in range(20):
        sender.send(w.publish("job", str(number), 1, packet_id=number + 1))
    # Nothing is answered before the member has answered the first.
    sender.send(w.publish("mark"))
    sender.expect(w.PUBLISH)
    restart_router(broker)
    got = []
    for _ in range(20):
        _, identifier, payload = member.expect(w.PUBLISH).publish(w.V5)
        got.append(int(payload))
        member.send(w.packet(0x40, w.u16(identifier)))
    assert got == list(range(20))
    member.ping()


@pytest.mark.parametrize("replace", [kill_router, restart_router])
def test_a_new_subscription_gets_what_is_retained_once(start_broker, opened, replace):
    """Its client reads when three routers have come and gone."""
    broker = start_broker(limits={"output_buffer": 4096})
    total = 30_000
    sender = opened(w.connected(broker.port(), unique()))
    for start in range(0, total, 1000):
        sender.send(*(w.publish(f"kept/{number}", b"k" * 200, retain=True) for number in range(start, start + 1000)))
    sender.send(w.publish("kept", b"last", 1, retain=True))
    sender.expect(w.PUBACK, 30)
    client = opened(w.connected(broker.port(), unique(), receive_buffer=4096))
    client.subscribe("kept/+")
    seen = [client.expect(w.PUBLISH).publish()[0] for _ in range(100)]
    for read in (5000, 10_000, 0):
        replace(broker)
        seen += [client.expect(w.PUBLISH).publish()[0] for _ in range(read)]
    seen += [client.expect(w.PUBLISH).publish()[0] for _ in range(total - len(seen))]
    assert sorted(seen) == sorted(f"kept/{number}" for number in range(total))
    client.ping()
