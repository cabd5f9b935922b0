"""A disk that is full, a store that is damaged, of a newer version, in use or out of reach: what goes on and what is
said."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest

import wire as w
from broker import MQTT, Broker, wait_until
from client import unique
from durability import EXPIRY, ROOMY, kill_everything, scale, seeded, stop

QUOTA_EXCEEDED = 0x97
EX_CONFIG = 78
DURABLE = {"version": w.V5, "clean": False, "props": EXPIRY}


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of its own: small_disk("32m", "ro")."""
    mounted = []

    def mount(size, *options):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", folder]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"NOT TESTED, a tmpfs can not be mounted here: {result.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for broker in list(Broker.running):
        broker.discard()
    for folder in mounted:
        # A worker of a killed broker may take a moment to end.
        wait_until(lambda: subprocess.run(["umount", folder], capture_output=True).returncode == 0, "umount")


def absent(port, name):
    """A durable session whose client is away."""
    with w.connected(port, name, **DURABLE) as subscriber:
        subscriber.subscribe(f"{name}/#", qos=2)


def publish_until_refused(publisher, topic, size, most):
    """Publishes at QoS 1 and returns the sequence numbers that were accepted, up to the first that was refused."""
    for number in range(most):
        publisher.send(w.publish(topic, b"%d " % number + b"x" * size, 1, 1, version=w.V5))
        code = publisher.expect(w.PUBACK, 20).body[2:3]
        if code == bytes([QUOTA_EXCEEDED]):
            return list(range(number))
        assert code in (b"", b"\x00"), code
    pytest.fail(f"{most} messages of {size} bytes were accepted")


def drained(port, name):
    """A session's client, and the sequence numbers of all that waited for it and is acknowledged now."""
    client, found = w.Wire(port), []
    assert client.connect(name, **DURABLE).body[0] == 1, "no session present"
    take(client, found)
    return client, found


def take(client, found):
    """Takes messages until none comes for a second."""
    with contextlib.suppress(TimeoutError):
        while True:
            _, packet_id, data = client.expect(w.PUBLISH, 1).publish(w.V5)
            found.append(int(data.split(b" ")[0]))
            client.send(w.packet(0x40, w.u16(packet_id)))


def check_full(port, name):
    """What is refused, and what goes on, while the store takes nothing."""
    with w.connected(port, version=w.V5) as publisher:
        publisher.send(w.publish(f"{name}/one", "x", 1, 1, version=w.V5))
        assert publisher.expect(w.PUBACK).body[:3] == w.u16(1) + bytes([QUOTA_EXCEEDED])
        publisher.send(w.publish(f"{name}/two", "x", 2, 2, version=w.V5))
        assert publisher.expect(w.PUBREC).body[:3] == w.u16(2) + bytes([QUOTA_EXCEEDED])
        publisher.send(w.publish(f"{name}-retained", "x", 1, 3, True, w.V5))
        assert publisher.expect(w.PUBACK).body[:3] == w.u16(3) + bytes([QUOTA_EXCEEDED])
        # QoS 0, and clean sessions at every QoS.
        with w.connected(port, version=w.V311) as clean:
            clean.subscribe(f"{name}-clean", qos=2)
            for qos in (0, 1, 2):
                publisher.send(w.publish(f"{name}-clean", "goes on", qos, 10 + qos, version=w.V5))
                assert clean.expect(w.PUBLISH).publish()[2] == b"goes on"
                if qos:
                    assert publisher.expect(w.PUBACK if qos == 1 else w.PUBREC).body[:2] == w.u16(10 + qos)
        publisher.send(w.publish(f"{name}/zero", "x", 0, version=w.V5))
        publisher.ping()
    with w.connected(port, version=w.V311) as publisher:
        publisher.send(w.publish(f"{name}/three", "x", 1, 1))
        assert publisher.wait_closed() == []


def wait_accepted(port, topic):
    """Waits until a message for a durable session is taken again."""
    with w.connected(port, version=w.V5) as publisher:
        def accepted():
            publisher.send(w.publish(topic, b"1000000 after", 1, 1, version=w.V5))
            return publisher.expect(w.PUBACK).body[2:3] in (b"", b"\x00")

        wait_until(accepted, "service after there was room", 20)


@pytest.mark.parametrize("min_free", ["2 MiB", 0])
def test_a_full_disk(start_broker, opened, small_disk, min_free):
    """Refused while it lasts, and over by itself; what was accepted is there, what was refused is not."""
    disk, name = small_disk("24m"), unique("full")
    (disk / "ballast").write_bytes(bytes(16 << 20))
    broker = start_broker(listeners=[MQTT], limits=ROOMY, store={"min_free": min_free},
                          top={"state_dir": str(disk / "state")})
    router = broker.worker("router")["pid"]
    absent(broker.port(), name)
    with w.connected(broker.port(), version=w.V5) as publisher:
        accepted = publish_until_refused(publisher, f"{name}/queue", 20_000, 1000)
    assert len(accepted) > 20
    broker.log.wait("the store takes nothing new")
    check_full(broker.port(), name)
    (disk / "ballast").unlink()
    wait_accepted(broker.port(), f"{name}/queue")
    broker.log.wait("the store has room again")
    client, found = drained(broker.port(), name)
    opened(client)
    assert found == [*accepted, 1_000_000]
    assert broker.worker("router")["pid"] == router


def test_a_full_disk_is_survived_by_what_was_accepted(start_broker, opened, small_disk):
    """Even if the broker is killed, and starts, while the disk is full."""
    disk, name = small_disk("24m"), unique("full")
    (disk / "ballast").write_bytes(bytes(16 << 20))
    options = {"listeners": [MQTT], "limits": ROOMY, "store": {"min_free": "2 MiB"},
               "top": {"state_dir": str(disk / "state")}}
    broker = start_broker(**options)
    absent(broker.port(), name)
    with w.connected(broker.port(), version=w.V5) as publisher:
        accepted = publish_until_refused(publisher, f"{name}/queue", 20_000, 1000)
    broker = start_broker(**options, folder=kill_everything(broker))
    check_full(broker.port(), name)
    client, found = drained(broker.port(), name)  # what is there can be had although nothing is taken
    opened(client)
    assert found == accepted


def test_a_store_at_its_limit(start_broker, opened):
    """store.max_bytes is as a full disk, and working off what waits makes the room."""
    name = unique("limit")
    broker = start_broker(listeners=[MQTT], limits=ROOMY, store={"max_bytes": "2 MiB"})
    absent(broker.port(), name)
    with w.connected(broker.port(), version=w.V5) as publisher:
        accepted = publish_until_refused(publisher, f"{name}/queue", 10_000, 1000)
    assert len(accepted) > 50
    broker.log.wait("the store takes nothing new")
    check_full(broker.port(), name)
    client, found = drained(broker.port(), name)
    assert found == accepted
    client.close()
    broker.log.wait("the store has room again")
    wait_accepted(broker.port(), f"{name}/queue")
    client, found = drained(broker.port(), name)
    opened(client)
    assert found == [1_000_000]


# MARK: damage


def filled(start_broker, name, count=3000):
    """Stops a broker whose store has sessions, queued and retained messages; returns its folder."""
    broker = start_broker(listeners=[MQTT], limits=ROOMY)
    for session in range(20):
        absent(broker.port(), f"{name}{session}")
    with w.connected(broker.port()) as publisher:
        for start in range(0, count, 500):
            publisher.send(*(w.publish(f"{name}0/queue", b"%d " % (start + number) + b"x" * 400, 1, number + 1)
                             for number in range(500)))
            for _ in range(500):
                publisher.expect(w.PUBACK)
        for number in range(100):
            publisher.send(w.publish(f"{name}-retained/{number}", f"{number}", 1, 1, True))
            publisher.expect(w.PUBACK)
    return stop(broker)


def recovered(broker, name):
    """What is left of the queue, each message once; a damage that is met on the way ends the router."""
    found = []

    def attempt():
        with w.Wire(broker.port()) as client:
            try:
                if client.connect(f"{name}0", **DURABLE).body[0]:
                    take(client, found)
                return True
            except (AssertionError, OSError):  # the connection has ended, or was ended
                return False

    wait_until(attempt, "the queue", 30)
    return list(dict.fromkeys(found))


def serves(broker):
    with w.connected(broker.port()) as client:
        topic = unique("serves")
        client.subscribe(topic, qos=1)
        client.send(w.publish(topic, "x", 1, retain=True))
        assert {client.read().type, client.read().type} == {w.PUBACK, w.PUBLISH}


def spoil(store, chance):
    """Overwrites a few bytes of a few random pages, and returns which."""
    pages = store.stat().st_size // 4096
    chosen = sorted(chance.sample(range(pages), chance.choice([1, 3, 10])))
    with store.open("r+b") as file:
        for page in chosen:
            file.seek(page * 4096 + chance.randrange(4000))
            file.write(chance.randbytes(chance.choice([1, 8, 96])))
    return chosen


@pytest.mark.timeout(3600)
def test_damaged_pages(start_broker):
    """The broker starts whatever was overwritten, hands out most of what it was given and nothing that it was not, in
    order, and does not keep quiet about the rest."""
    chance, name, count, rounds = seeded(), unique("damage"), 3000, scale(5, 100)
    whole = filled(start_broker, name, count)
    recovered_in_all = set_aside = 0
    for number in range(rounds):
        folder = whole.parent / f"{whole.name}-{number}"
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("run"))
        pages = spoil(folder / "state" / "apus.db", chance)
        broker = start_broker(listeners=[MQTT], limits=ROOMY, folder=folder)
        serves(broker)
        found = recovered(broker, name)
        print(f"pages {pages}: {count - len(found)} messages lost")
        assert found == sorted(found) and set(found) <= set(range(count))
        recovered_in_all += len(found)
        if lines := broker.log.all("set aside as"):
            set_aside += 1
            [copy, *_] = (folder / "state").glob("apus.db.damaged-*Z")
            assert copy.name in lines[0]
        else:
            assert len(found) == count, "messages are missing, and no word of it"
        serves(broker)
        broker.stop()
    assert set_aside, "no damage was ever met"
    # A page of the tree's inside takes with it what hangs on it; most take a message or ten.
    assert recovered_in_all > rounds * count * 0.6
    shutil.rmtree(whole)


SPOILT = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: bytes(range(256)) * (len(data) // 256),
    "no database": lambda data: b"SQLite format 4\0" + data[16:],
    "half": lambda data: data[:len(data) // 8192 * 4096],
    "a torn page": lambda data: data[:len(data) - 1000],
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_store_that_is_none(start_broker, kind):
    name = unique("none")
    folder = filled(start_broker, name, 500)
    store = folder / "state" / "apus.db"
    spoilt = SPOILT[kind](store.read_bytes())
    store.write_bytes(spoilt)
    broker = start_broker(listeners=[MQTT], limits=ROOMY, folder=folder)
    serves(broker)
    found = recovered(broker, name)
    assert found == sorted(found)
    line = broker.log.wait("set aside as")
    [copy, *_] = store.parent.glob("apus.db.damaged-*Z")
    assert copy.name in line and copy.read_bytes() == spoilt
    if kind in ("empty", "zeros", "noise", "no database"):
        assert found == []
    absent(broker.port(), name)
    broker = start_broker(listeners=[MQTT], limits=ROOMY, folder=stop(broker))
    assert not broker.log.all("set aside"), "the new store is damaged too"
    client, found = drained(broker.port(), name)
    client.close()


# MARK: stores that can not be used


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.endswith((".lock", "-shm"))}


def expect_refusal(broker, pattern, status):
    assert broker.process.wait(20) == status, "\n".join(broker.log.all())
    line = broker.log.wait(pattern)
    broker.discard()
    return line


def test_a_store_of_a_newer_version_is_refused_untouched(start_broker):
    folder = filled(start_broker, unique("newer"), 500)
    store = folder / "state" / "apus.db"
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.execute("PRAGMA user_version = 999")
    before = contents(store.parent)
    broker = start_broker(listeners=[MQTT], folder=folder, ready=False)
    assert broker.process.wait(20) == EX_CONFIG, "\n".join(broker.log.all())
    assert contents(store.parent) == before
    assert "apus.db" in expect_refusal(broker, "999", EX_CONFIG)


def test_a_state_folder_that_can_not_be_written(start_broker, small_disk, tmp_path):
    if os.geteuid() == 0:
        folder = small_disk("1m", "ro")
    else:
        folder = tmp_path / "folder"
        folder.mkdir(mode=0o555)
    broker = start_broker(listeners=[MQTT], top={"state_dir": str(folder)}, ready=False)
    line = expect_refusal(broker, str(folder), EX_CONFIG)
    assert "Read-only" in line or "denied" in line, line


def test_a_store_on_a_disk_that_became_read_only(start_broker, small_disk):
    """The broker says so and does not start; not a byte is changed, and all is there when it can be written again."""
    disk, name = small_disk("64m"), unique("read-only")
    options = {"listeners": [MQTT], "top": {"state_dir": str(disk / "state")}, "store": {"min_free": 0}}
    broker = start_broker(**options)
    absent(broker.port(), name)
    with w.connected(broker.port()) as publisher:
        for number in range(100):
            publisher.send(w.publish(f"{name}/queue", b"%d " % number, 1, 1))
            publisher.expect(w.PUBACK)
    # Killed: there is a write-ahead log, which nobody may touch now.
    folder = kill_everything(broker)
    before = contents(disk / "state")
    assert before["apus.db-wal"]
    # A worker of a killed broker may take a moment to end.
    wait_until(lambda: remounted(disk, "ro"), "the disk, read-only")
    broker = start_broker(**options, folder=folder, ready=False)
    line = expect_refusal(broker, str(disk / "state"), EX_CONFIG)
    assert "Read-only" in line, line
    assert contents(disk / "state") == before
    assert remounted(disk, "rw")
    broker = start_broker(**options)
    client, found = drained(broker.port(), name)
    client.close()
    assert found == list(range(100))


def remounted(disk, how):
    return subprocess.run(["mount", "-o", f"remount,{how}", disk], capture_output=True).returncode == 0


def test_a_state_folder_that_is_a_file(start_broker, tmp_path):
    (tmp_path / "file").write_text("")
    broker = start_broker(listeners=[MQTT], top={"state_dir": str(tmp_path / "file")}, ready=False)
    expect_refusal(broker, str(tmp_path / "file"), EX_CONFIG)


def test_a_store_in_use_is_left_alone(start_broker):
    """Of two brokers on one folder the second gives up, and the first does not notice."""
    first = start_broker(listeners=[MQTT])
    second = start_broker(listeners=[MQTT], top={"state_dir": str(first.folder / "state")}, ready=False)
    assert second.process.wait(40) != 0
    assert second.log.wait("apus.db")
    second.discard()
    serves(first)
