"""Programs with another layout of what passes between them: rolled to and back under load, and gone over to for good. The other
layout is that of a variant of the programs, built for this from the same sources."""

import os
import threading
from pathlib import Path

import pytest

import wire as w
from broker import BIN, BrokerError, wait_until
from client import unique
from test_systemd import PROGRAMS, Clients, broker, host, programs, put  # noqa: F401: fixtures

VARIANT = Path(os.environ.get("APUS_VARIANT", BIN.parent.parent / ".build-variant/debug"))
FORMER, NEWEST = 4, 5


class Load:
    """A pair at QoS 1 that never stops: each message is acknowledged, comes once, and after the one before."""

    def __init__(self, broker, opened):
        self.topic = unique("layout")
        self.sender, self.receiver = opened(w.connected(broker.port())), opened(w.connected(broker.port()))
        self.receiver.subscribe(self.topic, qos=1)
        self.sent, self.wanted, self.failure = 0, True, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while self.wanted:
                self.sent += 1
                self.sender.send(w.publish(self.topic, str(self.sent), 1, packet_id=self.sent % 60000 + 1))
                self.sender.expect(w.PUBACK)
                topic, packet_id, payload = self.receiver.expect(w.PUBLISH).publish()
                assert (topic, payload) == (self.topic, str(self.sent).encode())
                self.receiver.send(w.packet(0x40, w.u16(packet_id)))
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def check(self):
        self.wanted = False
        self.thread.join()
        assert self.failure is None and self.sent > 100, (self.failure, self.sent)


def install(broker, folder):
    for program, name in PROGRAMS.items():
        put(broker, program, folder / name)


def upgraded(broker, folder):
    """Goes over to the programs of a folder; what apusctl says."""
    install(broker, folder)
    text = broker.run("apusctl", "upgrade")
    status = broker.status()
    assert not any(row["outdated"] for row in status["workers"]), status
    return text


needs_variant = pytest.mark.skipif(
    not (VARIANT / "apusd").exists(), reason="THE VARIANT IS NOT BUILT (make variant), and upgrades to another layout are not tested")


@needs_variant
def test_another_layout_is_rolled_to_and_back_and_committed(programs, opened):  # noqa: F811
    broker = programs  # noqa: F811
    clients, load = Clients(broker, opened), Load(broker, opened)
    main = broker.main_pid()
    for _ in range(2):
        assert "apusctl upgrade --commit" in upgraded(broker, VARIANT)
        status = broker.status()
        assert (status["layout"], status["newest_layout"]) == (FORMER, NEWEST)
        clients.talk()
        broker.kill(broker.worker("mqtt"))
        clients.talk()
        upgraded(broker, BIN)
        clients.talk()
    upgraded(broker, VARIANT)
    broker.run("apusctl", "upgrade", "--commit")
    assert broker.status()["layout"] == NEWEST
    clients.talk()
    for name in ("mqtt", "web", "router"):
        broker.wait_served()
        broker.kill(broker.worker(name))
        clients.talk()
    broker.wait_served()
    broker.run("systemctl", "restart", "apus")
    broker.wait_served()
    clients.talk()
    assert broker.status()["layout"] == NEWEST and broker.main_pid() != main
    load.check()
    # The former programs know nothing of it: what runs goes on, and says why.
    install(broker, BIN)
    with pytest.raises(BrokerError, match="layout"):
        broker.run("apusctl", "upgrade")
    assert broker.status()["layout"] == NEWEST
    clients.talk()


def test_upgrade_without_anything_newer(programs):  # noqa: F811
    broker = programs  # noqa: F811
    before = broker.status()["workers"]
    assert "every process is of Apus" in broker.run("apusctl", "upgrade")
    assert "in layout 4" in broker.run("apusctl", "upgrade", "--commit")
    after = broker.status()["workers"]
    assert [row["pid"] for row in before] == [row["pid"] for row in after]


def test_a_commit_waits_for_every_worker_to_be_of_the_program_on_disk(programs):  # noqa: F811
    broker = programs  # noqa: F811
    put(broker, "usr/libexec/apus/apus-router", BIN / "apus-router")
    wait_until(lambda: any(row["outdated"] for row in broker.status()["workers"]), "the file to be another")
    assert "older than on disk" in broker.run("apusctl", "status")
    with pytest.raises(BrokerError, match="run apusctl upgrade first"):
        broker.run("apusctl", "upgrade", "--commit")


@needs_variant
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_input_that_ends_every_listener_ends_its_connection(start_broker, opened, version):
    """The variant's listener ends at messages to `apus/trap/listener`. Its will is published, and nobody else notices."""
    broker = start_broker(top={"libexec_dir": str(VARIANT)})
    topic = unique("trap")
    sender, receiver = (opened(w.connected(broker.port(), timeout=20)) for _ in range(2))
    receiver.subscribe(topic, qos=1)
    deadly = opened(w.Wire(broker.port(), timeout=20))
    deadly.connect("deadly", version, will=(topic, "gone", 1, False))
    sender.send(w.publish(topic, "before", 1, packet_id=1))
    packet = w.publish("apus/trap/listener", "x", 1, packet_id=7, version=version)
    # A part of it lies in the arena already when the rest comes.
    deadly.send(packet[:9])
    deadly.send(packet[9:])
    deadly.wait_closed(20)
    line = broker.log.wait("what it sent ended its worker")
    assert "deadly" in line and packet[:20].hex(" ") in line, line
    sender.send(w.publish(topic, "after", 1, packet_id=2))
    got = [receiver.expect(w.PUBLISH).publish()[2] for _ in range(3)]
    assert sorted(got) == [b"after", b"before", b"gone"] and got.index(b"before") < got.index(b"after")
    for packet_id in (1, 2):
        assert sender.expect(w.PUBACK).body[:2] == w.u16(packet_id)
    receiver.ping()
    # Those that it ended, and the one that serves.
    assert broker.worker("mqtt")["restarts"] == 3


@needs_variant
def test_a_message_that_ends_every_router_is_left_out(start_broker, opened):
    """The variant's router ends at messages to `apus/trap`. What others said meanwhile is delivered, once and in order."""
    broker = start_broker(top={"libexec_dir": str(VARIANT)})
    sender, receiver = (opened(w.connected(broker.port(), timeout=20)) for _ in range(2))
    topic = unique("trap")
    deadly = opened(w.connected(broker.port(), timeout=20, will=(f"{topic}/will", "gone", 1, False)))
    watcher = opened(w.connected(broker.port(), timeout=20))
    watcher.subscribe(f"{topic}/will")
    receiver.subscribe(topic, "apus/trap", qos=1)
    sender.send(w.publish(topic, "before", 1, packet_id=1))
    deadly.send(w.publish("apus/trap", "x", 1, packet_id=7))
    sender.send(w.publish(topic, "after", 1, packet_id=2))
    deadly.wait_closed(20)
    assert "61 70 75 73 2f 74 72 61 70" in broker.log.wait("ended router after router"), "apus/trap"
    for payload in (b"before", b"after"):
        assert receiver.expect(w.PUBLISH).publish()[2] == payload
    for packet_id in (1, 2):
        assert sender.expect(w.PUBACK).body[:2] == w.u16(packet_id)
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"
    receiver.ping()
    wait_until(lambda: broker.counted("frames_skipped") == 1, "the frame to be counted")
