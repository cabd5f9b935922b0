"""Under a real systemd: a restart and the supervisor's death are pauses, a stop says goodbye."""

import os
import subprocess

import pytest

import wire as w
from broker import BIN, BrokerError, all_processes, process_file, wait_until
from client import JSON, Paho, unique
from systemd import SystemdHost, put

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"

[[listener]]
name = "web"
protocol = "websocket"
bind = "127.0.0.1:0"
"""


@pytest.fixture(scope="module")
def host():
    host = SystemdHost()
    host.configure(CONFIGURATION)
    yield host
    host.close()


@pytest.fixture
def broker(host):
    host.start()
    host.wait_served()
    yield host
    print(host.journal())
    host.stop()


class Clients:
    """One of every kind, each subscribed to the same topic."""

    def __init__(self, broker, opened):
        self.topic = unique("sd")
        self.mqtt = [opened(Paho(broker.port(), version=version)) for version in ("3.1", "3.1.1", "5.0")]
        self.mqtt.append(opened(Paho(broker.port("web"), transport="websockets")))
        self.mqtt.append(opened(Paho(broker.port(), version="3.1.1", client_id=unique("d"), clean=False)))
        self.page = opened(JSON(broker.port("web")))
        for qos, client in enumerate(self.mqtt):
            client.subscribe(f"{self.topic}/#", min(qos, 2))
        self.page.subscribe(f"{self.topic}/#", QoS=1)
        self.round = 0

    def talk(self):
        """Everybody hears everybody, once."""
        self.round += 1
        for number, client in enumerate(self.mqtt):
            payload = f"{self.round} {number}"
            client.publish(f"{self.topic}/a", payload, qos=min(number, 2))
            for other in self.mqtt:
                other.expect(f"{self.topic}/a", payload)
            self.page.expect(f"{self.topic}/a", payload)
        assert all(client.client.is_connected() for client in self.mqtt)


def test_a_restart_is_a_pause(broker, opened):
    clients = Clients(broker, opened)
    waiting = opened(w.Wire(broker.port()))
    for _ in range(3):
        before = broker.main_pid()
        broker.run("systemctl", "restart", "apus")
        assert broker.main_pid() != before
        clients.talk()
    waiting.send(w.connect(unique()))
    waiting.expect(w.CONNACK)
    assert broker.status()["connections"] == 7


def test_arenas_for_smaller_packets_end_their_connections(host, broker, opened):
    """A restart with a larger limits.packet_size."""
    client = opened(w.connected(broker.port(), "small", version=w.V5))
    durable = opened(w.connected(broker.port(), "stays", clean=False))
    durable.subscribe("larger", qos=1)
    host.configure(CONFIGURATION + '\n[limits]\npacket_size = "32 MiB"\n')
    try:
        broker.run("systemctl", "restart", "apus")
        for ended in (client, durable):
            ended.wait_closed()
        assert "an arena for smaller packets than limits.packet_size" in broker.journal()
        again = opened(w.Wire(broker.port()))
        assert again.connect("stays", clean=False).body[0] == 1
        again.send(w.publish("larger", b"x" * (20 << 20), 0))
        assert len(again.expect(w.PUBLISH, 20).publish()[2]) == 20 << 20
        assert broker.status()["connections"] == 1
    finally:
        host.configure(CONFIGURATION)


def test_what_is_said_during_a_restart_is_heard(broker, opened):
    sender, receiver = opened(w.connected(broker.port())), opened(w.connected(broker.port()))
    topic, port = unique("during"), broker.port()
    receiver.subscribe(topic)
    for round_ in range(5):
        restart = subprocess.Popen(
            ["nsenter", "-t", str(broker.leader), "-a", "systemctl", "restart", "apus"])
        sent = 0
        while restart.poll() is None:
            sender.send(w.publish(topic, f"{round_} {sent}", 0))
            sent += 1
            new = w.connected(port)
            new.ping()
            new.close()
        heard = [receiver.expect(w.PUBLISH).publish()[2].decode() for _ in range(sent)]
        assert heard == [f"{round_} {number}" for number in range(sent)]


@pytest.mark.parametrize("others", [[], ["mqtt"], ["router"], ["router", "mqtt"]], ids=lambda names: "+".join(names))
def test_the_supervisor_is_killed(broker, opened, others):
    """Alone, and together with workers; its successor looks after those that live on."""
    clients = Clients(broker, opened)
    for _ in range(2):
        broker.kill(broker.main_pid(), *map(broker.worker, others))
        clients.talk()
        broker.wait_served()
        clients.talk()
    # Workers that are no children of the supervisor's are replaced like others.
    for name in ("mqtt", "web", "router"):
        broker.kill(broker.worker(name))
        clients.talk()
        broker.wait_served()
    broker.run("systemctl", "restart", "apus")
    clients.talk()
    assert broker.status()["connections"] == 6


@pytest.fixture(params=[0, 8])
def cramped(host, request):
    """A unit for which systemd keeps nothing, or not enough."""
    limit = host.root / "etc/systemd/system/apus.service.d/store.conf"
    limit.write_text(f"[Service]\nFileDescriptorStoreMax={request.param}\n")
    host.run("systemctl", "daemon-reload")
    yield request.param
    limit.unlink()
    host.run("systemctl", "daemon-reload")


def test_a_descriptor_store_that_is_too_small(cramped, broker, opened):
    """It is said what follows from it, and nothing else follows."""
    said = f"systemd keeps {cramped} descriptors of "
    assert broker.status()["degraded"].startswith(said)
    assert said in broker.run("systemctl", "show", "-P", "StatusText", "apus")
    main = broker.main_pid()
    journal = broker.run("journalctl", "-u", "apus", f"_PID={main}", "-o", "cat")
    assert journal.count(said) == 1 and "FileDescriptorStoreMax=" in journal
    clients = Clients(broker, opened)
    for name in ("listener/mqtt", "listener/web", "router"):
        broker.run("apusctl", "restart", name)
        clients.talk()
    broker.wait_served()
    workers = {row["pid"] for row in broker.status()["workers"]}
    for end in (lambda: broker.kill(broker.main_pid()), lambda: broker.run("systemctl", "restart", "apus")):
        waiting = opened(w.connected(broker.port()))
        end()
        waiting.wait_closed()
        wait_until(lambda: broker.main_pid() not in (0, main), "the next supervisor")
        broker.wait_served()
        main = broker.main_pid()
        opened(w.connected(broker.port())).ping()
        rows = {row["pid"] for row in broker.status()["workers"]}
        assert not rows & workers
        workers = rows


def test_everything_is_killed(broker, opened):
    """Sockets end with the last process that has them. The next broker knows the connections, and ends them in order."""
    client = opened(w.connected(broker.port(), "had", version=w.V5, will=("had/will", "gone", 1, False)))
    durable = opened(w.connected(broker.port(), "has", clean=False))
    durable.subscribe("had/#", qos=1)
    broker.kill(broker.main_pid(), *(row["pid"] for row in broker.status()["workers"]))
    assert client.read() is None and durable.read() is None
    broker.wait_served()
    wait_until(lambda: broker.status()["connections"] == 0, "the connections to be given back")
    assert "its socket is lost" in broker.journal()
    again = opened(w.Wire(broker.port()))
    assert again.connect("has", clean=False).body[0] == 1
    assert again.expect(w.PUBLISH).publish()[2] == b"gone"


def test_a_stop_says_goodbye(broker, opened):
    client = opened(w.connected(broker.port(), version=w.V5))
    broker.run("systemctl", "stop", "apus")
    assert client.expect(w.DISCONNECT).body[0] == 0x8B
    assert client.read() is None
    assert not broker.run("pgrep", "apus", check=False)


def test_where_nobody_can_be_asked_a_stop_is_taken_for_a_restart(broker, opened):
    """systemd then closes what was left with it."""
    client = opened(w.connected(broker.port(), version=w.V5))
    broker.run("systemctl", "stop", "dbus.socket", "dbus.service")
    broker.run("systemctl", "stop", "apus")
    broker.run("systemctl", "start", "dbus.socket")
    assert client.read() is None


def test_who_asks_the_service_manager_goes_on_serving(broker, opened):
    """It is asked over a bus that answers nobody for a while."""
    client, main = opened(w.connected(broker.port())), broker.main_pid()
    bus = broker.run("systemctl", "show", "-P", "MainPID", "dbus").strip()
    broker.run("kill", "-STOP", bus)
    try:
        restart = subprocess.Popen(["nsenter", "-t", str(broker.leader), "-a", "systemctl", "restart", "apus"])
        wait_until(lambda: "deactivating" in broker.run("systemctl", "show", "-P", "ActiveState", "apus"), "the restart")
        other = opened(w.connected(broker.port()))
        assert broker.main_pid() == main
    finally:
        broker.run("kill", "-CONT", bus)
    assert restart.wait(30) == 0 and broker.main_pid() != main
    client.ping()
    other.ping()


def test_a_termination_that_nobody_asked_systemd_for_is_a_stop(broker, opened):
    client = opened(w.connected(broker.port(), version=w.V5))
    broker.run("kill", "-TERM", broker.main_pid())
    assert client.expect(w.DISCONNECT).body[0] == 0x8B


# MARK: newer programs


@pytest.fixture
def programs(broker):
    """The broker, whose programs are put back at the end."""
    yield broker
    for program, name in PROGRAMS.items():
        put(broker, program, BIN / name)


PROGRAMS = {"usr/sbin/apusd": "apusd", "usr/libexec/apus/apus-listener": "apus-listener",
            "usr/libexec/apus/apus-router": "apus-router"}


def pids(broker):
    return {(row["role"], row["name"]): row["pid"] for row in broker.status()["workers"] if row["state"] == "ready"}


def test_a_reload_goes_over_to_newer_programs(programs, opened):
    broker, clients = programs, Clients(programs, opened)
    for _ in range(3):
        before, main, marked = pids(broker), broker.main_pid(), len(broker.entries())
        for program, name in PROGRAMS.items():
            put(broker, program, BIN / name)
        broker.run("systemctl", "reload", "apus")
        clients.talk()
        wait_until(lambda: set(pids(broker).values()).isdisjoint(before.values()), "every worker to be a new one")
        broker.wait_served()
        clients.talk()
        check_order([entry["MESSAGE"] for entry in broker.entries()[marked:]])
        assert broker.main_pid() == main
        assert os.readlink(f"/proc/{host_pid(broker, main)}/exe").endswith("usr/sbin/apusd")
    broker.kill(broker.worker("mqtt"))
    clients.talk()
    broker.wait_served()
    broker.kill(broker.main_pid())
    clients.talk()
    broker.wait_served()
    assert broker.status()["connections"] == 6 and not broker.run("pgrep", "-r", "Z", "apus", check=False)


def check_order(said):
    """Of a roll: each worker is ready before the next one's turn, the router first."""
    said = said[next(place for place, message in enumerate(said) if "replaced by newer ones" in message):]
    ready = [message.split(" is ready")[0] for message in said if " is ready after" in message]
    assert ready[:3] == ["router", "listener/mqtt", "listener/web"], said


def host_pid(broker, pid):
    """What a process of the container is called outside."""
    for candidate in all_processes():
        status = process_file(candidate, "status")
        if f"\t{pid}\n" in status and "\nNSpid:" in status:
            numbers = status.split("\nNSpid:")[1].split("\n")[0].split()
            if len(numbers) > 1 and numbers[-1] == str(pid) and "apusd" in status.split("\n")[0]:
                return candidate
    raise AssertionError(f"no process is {pid} in the container")


def test_a_newer_worker_that_fails_leaves_the_former_ones(programs, opened):
    broker, clients = programs, Clients(programs, opened)
    before = pids(broker)
    broken = broker.root / "root/broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    put(broker, "usr/libexec/apus/apus-listener", broken)
    broker.run("systemctl", "reload", "apus")
    reason = wait_until(lambda: broker.status().get("degraded"), "the failure to be told")
    assert reason.startswith("listener/") and "was not upgraded" in reason
    assert "was not upgraded" in broker.run("systemctl", "show", "-P", "StatusText", "apus")
    assert "was not upgraded" in broker.run("apusctl", "status")
    assert pids(broker) == before
    clients.talk()
    put(broker, "usr/libexec/apus/apus-listener", BIN / "apus-listener")
    broker.run("systemctl", "reload", "apus")
    web = ("listener", "web")
    wait_until(lambda: pids(broker).get(web, before[web]) != before[web], "the next one to be taken")
    broker.wait_served()
    assert not broker.status().get("degraded")
    clients.talk()


@pytest.mark.parametrize("script", ["exit 3", "exec sleep 60"], ids=["ends", "hangs"])
def test_a_newer_router_that_fails_ends_the_roll(host, programs, opened, script):
    """It is the first in turn: the listeners, whose programs are newer and good, stay as they are."""
    host.configure(CONFIGURATION + '\n[supervisor]\nstart_timeout = "2 s"\n')
    try:
        programs.run("systemctl", "reload", "apus")
        broker, clients = programs, Clients(programs, opened)
        before, marked = pids(broker), len(broker.entries())
        broken = broker.root / "root/broken"
        broken.write_text(f"#!/bin/sh\n{script}\n")
        put(broker, "usr/libexec/apus/apus-router", broken)
        put(broker, "usr/libexec/apus/apus-listener", BIN / "apus-listener")
        broker.run("systemctl", "reload", "apus")
        reason = wait_until(lambda: broker.status().get("degraded"), "the failure to be told")
        assert reason.startswith("router was not upgraded"), reason
        assert "router was not upgraded" in broker.run("systemctl", "show", "-P", "StatusText", "apus")
        clients.talk()
        assert pids(broker) == before
        said = [entry["MESSAGE"] for entry in broker.entries()[marked:]]
        assert any(reason in message for message in said), said
        assert not any(message.startswith("listener/") and "started" in message for message in said), said
        put(broker, "usr/libexec/apus/apus-router", BIN / "apus-router")
        broker.run("systemctl", "reload", "apus")
        wait_until(lambda: set(pids(broker).values()).isdisjoint(before.values()), "every worker to be a new one")
        broker.wait_served()
        clients.talk()
    finally:
        host.configure(CONFIGURATION)


def test_a_supervisor_begins_though_the_bus_answers_nobody(broker, opened):
    """After the former one's death. Workers and clients are taken over at once."""
    clients, before, main = Clients(broker, opened), pids(broker), broker.main_pid()
    bus = broker.run("systemctl", "show", "-P", "MainPID", "dbus").strip()
    broker.run("kill", "-STOP", bus)
    try:
        broker.kill(main)
        clients.talk()
        wait_until(lambda: broker.main_pid() not in (0, main), "the next supervisor")
        broker.wait_served()
        assert pids(broker) == before
        opened(w.connected(broker.port())).ping()
    finally:
        broker.run("kill", "-CONT", bus)
    clients.talk()


def test_a_newer_supervisor_that_can_not_go_on_is_not_taken(programs, opened):
    broker, clients = programs, Clients(programs, opened)
    before, main = pids(broker), broker.main_pid()
    put(broker, "usr/sbin/apusd", "/bin/false")
    with pytest.raises(BrokerError):
        broker.run("systemctl", "reload", "apus")
    assert "can not be used" in broker.journal()
    assert (pids(broker), broker.main_pid()) == (before, main)
    clients.talk()


def test_a_newer_supervisor_that_hangs_holds_nobody_up(programs, opened):
    broker, clients = programs, Clients(programs, opened)
    before, main = pids(broker), broker.main_pid()
    hanging = broker.root / "root/hanging"
    hanging.write_text("#!/bin/sh\ntouch /var/lib/apus/asked\nexec sleep 60\n")
    put(broker, "usr/sbin/apusd", hanging)
    reload = subprocess.Popen(["nsenter", "-t", str(broker.leader), "-a", "systemctl", "reload", "apus"],
                              stderr=subprocess.DEVNULL)
    wait_until((broker.root / "var/lib/apus/asked").exists, "the newer program to be asked")
    for _ in range(3):
        opened(w.connected(broker.port())).ping()
        broker.kill(broker.worker("mqtt"))
        clients.talk()
    assert reload.poll() is None, "everything else waited for it"
    assert reload.wait(20) != 0
    assert "can not be used" in broker.journal()
    broker.wait_served()
    assert broker.main_pid() == main and pids(broker)["router", "router"] == before["router", "router"]
    clients.talk()
