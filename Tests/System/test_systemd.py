"""Under a real systemd: a restart and the supervisor's death are pauses, a stop says goodbye."""

import subprocess

import pytest

import wire as w
from broker import wait_until
from client import JSON, Paho, unique
from systemd import SystemdHost

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
    host.run("systemctl", "stop", "apus")
    # Whatever a test has left to die.
    wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process of the broker to be gone", 40)


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


def test_a_termination_that_nobody_asked_systemd_for_is_a_stop(broker, opened):
    client = opened(w.connected(broker.port(), version=w.V5))
    broker.run("kill", "-TERM", broker.main_pid())
    assert client.expect(w.DISCONNECT).body[0] == 0x8B
