"""What was acknowledged is never lost: durable sessions and retained messages over restarts, killed routers and power
cuts. make soak runs the long forms."""

import os
import re
import select
import shutil
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wire as w
from broker import MQTT, ROOT, Broker, wait_until
from client import unique
from durability import (EXPIRY, ROOMY, Traffic, interrupt, kill_everything, kill_workers, scale, seeded,
                        stop)

HERE = Path(__file__).resolve().parent
LONG = 3 * 3600
# How a broker's service is interrupted: SIGTERM and a new start, SIGKILL of all processes and a new start, SIGKILL of
# the router alone.
ENDS = ["stop", "kill", "router"]
V5_DURABLE = {"version": w.V5, "clean": False, "props": EXPIRY}
V311_DURABLE = {"version": w.V311, "clean": False}
DURABLE = {w.V5: V5_DURABLE, w.V311: V311_DURABLE}


def reconnected(port, client_id, **options):
    """A connection to a broker that may be about to begin its service. Returns it and its CONNACK."""
    found = []

    def attempt():
        client = w.Wire(port)
        try:
            found.append((client, client.connect(client_id, **options)))
        except (AssertionError, OSError):
            client.close()
        return found

    return wait_until(attempt, "a connection")[0]


def resumed(port, client_id, **options):
    client, connack = reconnected(port, client_id, **options)
    assert connack.body[0] == 1, "no session present"
    return client


def publish_all(client, topic, payloads, qos=1):
    """Publishes and waits for every acknowledgement; QoS 2 exchanges are completed."""
    for index, payload in enumerate(payloads):
        client.send(w.publish(topic, payload, qos, index + 1, version=client.version))
        answer = client.expect(w.PUBACK if qos == 1 else w.PUBREC)
        assert answer.body[:2] == w.u16(index + 1) and answer.body[2:3] in (b"", b"\x00"), answer
        if qos == 2:
            client.send(w.packet(0x62, answer.body[:2]))
            client.expect(w.PUBCOMP)


def take(client, count):
    """The next publications as (payload, QoS, packet id, DUP); none is acknowledged."""
    found = []
    for _ in range(count):
        packet = client.expect(w.PUBLISH)
        _, packet_id, payload = packet.publish(client.version)
        found.append((payload, packet.qos, packet_id, bool(packet.flags & 8)))
    return found


def answer(client, kind, packet_id):
    client.send(w.packet(kind << 4 | (2 if kind == w.PUBREL else 0), w.u16(packet_id)))


# MARK: sessions


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_sessions_subscriptions_and_queues_outlive_the_broker(start_broker, opened, how, version):
    broker, name = start_broker(), unique("session")
    away = w.connected(broker.port(), name, **DURABLE[version])
    away.subscribe(f"{name}/a", f"{name}/b", qos=2)
    away.send(w.unsubscribe(f"{name}/b", version=version))
    away.expect(w.UNSUBACK)
    away.close()
    passing = w.connected(broker.port(), f"{name}-clean", version)
    passing.subscribe(f"{name}/a", qos=1)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, f"{name}/a", [b"1", b"2", b"3"])
        publish_all(publisher, f"{name}/a", [b"4", b"5"], qos=2)
        publish_all(publisher, f"{name}/b", [b"not for it"])

    broker = interrupt(broker, how, start_broker)
    passing.close()
    here = opened(resumed(broker.port(), name, **DURABLE[version]))
    found = take(here, 5)
    assert [entry[0] for entry in found] == [b"1", b"2", b"3", b"4", b"5"]
    assert [entry[1] for entry in found] == [1, 1, 1, 2, 2]
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, f"{name}/b", [b"not for it either"])
        publish_all(publisher, f"{name}/a", [b"6"])
    assert take(here, 1)[0][:2] == (b"6", 1)
    _, connack = reconnected(broker.port(), f"{name}-clean", version=version, clean=False)
    assert connack.body[0] == 0, "a clean session outlived its connection"


@pytest.mark.parametrize("durability", ["periodic", "none"])
def test_whatever_the_durability_an_orderly_stop_loses_nothing(start_broker, opened, durability):
    broker, name = start_broker(store={"durability": durability}), unique("stop")
    with w.connected(broker.port(), name, **V311_DURABLE) as subscriber:
        subscriber.subscribe(name, qos=2)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, name, [b"%d" % number for number in range(2000)])
    broker = interrupt(broker, "stop", start_broker, store={"durability": durability})
    subscriber = opened(resumed(broker.port(), name, **V311_DURABLE))
    for number in range(2000):
        [(payload, _, packet_id, _)] = take(subscriber, 1)
        assert payload == b"%d" % number
        answer(subscriber, w.PUBACK, packet_id)


def test_time_goes_on_while_the_broker_is_away(start_broker, opened):
    """Sessions and messages expire by the time that passes, not by the time that the broker runs."""
    broker, name = start_broker(), unique("time")
    for client_id, expiry in (("short", 2), ("long", 3600)):
        with w.connected(broker.port(), f"{name}-{client_id}", version=w.V5, clean=False,
                         props=b"\x11" + expiry.to_bytes(4, "big")) as client:
            client.subscribe(name, qos=1)
    with w.connected(broker.port(), version=w.V5) as publisher:
        for number, expiry in enumerate((2, 3600), 1):
            publisher.send(w.publish(name, str(expiry), 1, number, version=w.V5,
                                     props=b"\x02" + expiry.to_bytes(4, "big")))
            publisher.expect(w.PUBACK)
    folder, since = stop(broker), time.monotonic()
    wait_until(lambda: time.monotonic() - since > 3, "three seconds")
    broker = start_broker(folder=folder)
    client, connack = reconnected(broker.port(), f"{name}-short", **V5_DURABLE)
    assert opened(client) and connack.body[0] == 0
    client = opened(resumed(broker.port(), f"{name}-long", **V5_DURABLE))
    packet = client.expect(w.PUBLISH)
    assert packet.publish(w.V5)[2] == b"3600"
    assert packet.properties()[0][0] == 2 and 3500 < packet.properties()[0][1] < 3599  # [MQTT-3.3.2-6]


@pytest.mark.parametrize("how", ENDS)
def test_a_session_that_was_ended_does_not_come_back(start_broker, how):
    broker, name = start_broker(), unique("ended")
    with w.connected(broker.port(), name, **V311_DURABLE) as client:
        client.subscribe(name, qos=1)
    with w.connected(broker.port(), name) as client:  # clean session: what was there ends
        client.ping()
    broker = interrupt(broker, how, start_broker)
    client, connack = reconnected(broker.port(), name, **V311_DURABLE)
    assert connack.body[0] == 0
    client.close()


@pytest.mark.parametrize("how", ENDS)
def test_options_of_subscriptions_outlive_the_broker(start_broker, opened, how):
    """No local, retain as published, the subscription identifier, the share."""
    broker, name = start_broker(), unique("options")
    client = w.connected(broker.port(), name, **V5_DURABLE)
    options = {f"{name}/own": (0x01 | 0x04, 7), f"{name}/kept": (0x01 | 0x08, 8), f"$share/group/{name}/shared": (1, 9)}
    for packet_id, (topic, (bits, identifier)) in enumerate(options.items(), 1):
        client.send(w.packet(0x82, w.u16(packet_id) + w.properties(w.V5, b"\x0b" + w.varint(identifier))
                             + w.text(topic) + bytes([bits])))
        assert client.expect(w.SUBACK).body[-1] == 1
    client.close()

    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **V5_DURABLE))
    client.send(w.publish(f"{name}/own", b"its own", 1, 1, version=w.V5))
    client.expect(w.PUBACK)
    with w.connected(broker.port()) as publisher:
        for topic in ("own", "kept", "shared"):
            publisher.send(w.publish(f"{name}/{topic}", topic, 1, 1, retain=True))
            publisher.expect(w.PUBACK)
            packet = client.expect(w.PUBLISH)
            assert packet.publish(w.V5)[2] == topic.encode()
            assert packet.retain == (topic == "kept")
            assert packet.properties() == [(0x0B, {"own": 7, "kept": 8, "shared": 9}[topic])]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_what_was_in_flight_comes_again_as_it_was(start_broker, opened, how, version):
    """The same messages in the same order under the same identifiers, marked as repetitions [MQTT-4.4.0-1]."""
    broker, name = start_broker(), unique("flight")
    client = w.connected(broker.port(), name, **DURABLE[version])
    client.subscribe(name, qos=2)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, name, [b"1", b"2"])
        publish_all(publisher, name, [b"3", b"4"], qos=2)
        publish_all(publisher, name, [b"5"])
    before = take(client, 5)
    assert not any(entry[3] for entry in before)
    client.close()

    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **DURABLE[version]))
    assert take(client, 5) == [(*entry[:3], True) for entry in before]
    for _, qos, packet_id, _ in before:
        answer(client, w.PUBACK if qos == 1 else w.PUBREC, packet_id)
    for _ in range(2):
        answer(client, w.PUBCOMP, int.from_bytes(client.expect(w.PUBREL).body[:2], "big"))
    client.ping()
    client.close()

    broker = interrupt(broker, "stop", start_broker)
    client = opened(resumed(broker.port(), name, **DURABLE[version]))
    client.ping()  # nothing comes before the answer: all of it was acknowledged


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_what_was_in_flight_to_who_was_connected_comes_again_as_it_was(start_broker, opened, how, version):
    """The same where the client is there when the broker ends: all that it got as it was published."""
    broker, name = start_broker(), unique("flight")
    client = opened(w.connected(broker.port(), name, **DURABLE[version]))
    client.subscribe(name, qos=2)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, name, [b"1", b"2"])
        publish_all(publisher, name, [b"3", b"4"], qos=2)
        publish_all(publisher, name, [b"5"])
    before = take(client, 5)
    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **DURABLE[version]))
    assert take(client, 5) == [(*entry[:3], True) for entry in before]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_had_waited_and_was_in_flight_comes_again(start_broker, opened, how):
    """What lay in the store before it was sent comes again in its order. At QoS 2, and where the broker ended in order, as it
    was; after a crash of everything a QoS 1 message may come under another identifier, see docs/durability.md."""
    broker, name = start_broker(), unique("flight")
    with w.connected(broker.port(), name, **V5_DURABLE) as client:
        client.subscribe(name, qos=2)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, name, [b"1", b"2"])
        publish_all(publisher, name, [b"3", b"4"], qos=2)
        publish_all(publisher, name, [b"5"])
    client = opened(resumed(broker.port(), name, **V5_DURABLE))
    before = take(client, 5)
    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **V5_DURABLE))
    after = take(client, 5)
    assert [entry[:2] for entry in after] == [entry[:2] for entry in before]
    for old, new in zip(before, after):
        if old[1] == 2 or how == "stop":
            assert new == (*old[:3], True)
    client.ping()


# MARK: QoS 2, step by step


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_qos_2_from_a_publisher_goes_on_at_each_step(start_broker, opened, how, version):
    broker, name, options = start_broker(), unique("twice"), DURABLE[version]
    first = w.publish(name, b"once", 2, packet_id=7, version=version)
    repeated = bytes([first[0] | 8]) + first[1:]
    with w.connected(broker.port(), f"{name}-s", **V311_DURABLE) as subscriber:
        subscriber.subscribe(name, qos=1)

    client = w.connected(broker.port(), name, **options)
    client.send(first)
    client.expect(w.PUBREC)
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = resumed(broker.port(), name, **options)
    client.send(repeated)  # as if PUBREC had not arrived
    assert client.expect(w.PUBREC).body[:2] == w.u16(7)
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = resumed(broker.port(), name, **options)
    answer(client, w.PUBREL, 7)
    assert client.expect(w.PUBCOMP).body == w.u16(7)
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **options))
    answer(client, w.PUBREL, 7)  # as if PUBCOMP had not arrived
    assert client.expect(w.PUBCOMP).body[:2] == w.u16(7)
    client.send(w.publish(name, b"another", 2, packet_id=7, version=version))  # the identifier is free
    client.expect(w.PUBREC)

    subscriber = opened(resumed(broker.port(), f"{name}-s", **V311_DURABLE))
    assert [entry[0] for entry in take(subscriber, 2)] == [b"once", b"another"]
    subscriber.ping()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("version", [w.V311, w.V5])
def test_qos_2_to_a_subscriber_goes_on_at_each_step(start_broker, opened, how, version):
    broker, name, options = start_broker(), unique("step"), DURABLE[version]
    client = w.connected(broker.port(), name, **options)
    client.subscribe(name, qos=2)
    with w.connected(broker.port()) as publisher:
        publish_all(publisher, name, [b"once"], qos=2)
    [(payload, qos, packet_id, _)] = take(client, 1)
    assert (payload, qos) == (b"once", 2)
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = resumed(broker.port(), name, **options)
    assert take(client, 1) == [(b"once", 2, packet_id, True)]
    answer(client, w.PUBREC, packet_id)
    assert client.expect(w.PUBREL).body[:2] == w.u16(packet_id)
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = resumed(broker.port(), name, **options)
    assert client.expect(w.PUBREL).body[:2] == w.u16(packet_id)  # and no PUBLISH before it
    answer(client, w.PUBCOMP, packet_id)
    client.ping()
    client.close()
    broker = interrupt(broker, how, start_broker)
    client = opened(resumed(broker.port(), name, **options))
    if how != "stop":  # PUBCOMP is answered by nothing, so who is killed may not have stored it
        client.send(w.packet(w.PINGREQ << 4))
        if (packet := client.read()).type == w.PUBREL:
            packet = client.read()
        assert packet.type == w.PINGRESP
    client.ping()


# MARK: retained messages, wills


@pytest.mark.parametrize("how", ENDS)
def test_retained_messages_outlive_the_broker(start_broker, opened, how):
    broker, name = start_broker(), unique("retained")
    properties = b"\x03" + w.text("text/plain") + b"\x26" + w.text("a") + w.text("b")
    publisher = w.connected(broker.port(), version=w.V5)
    for index, (topic, payload) in enumerate(
            [("first", b"old"), ("gone", b"x"), ("first", b"new"), ("gone", b""), ("empty/levels//", b"y" * 9000)]):
        publisher.send(w.publish(f"{name}/{topic}", payload, 1, index + 1, True, w.V5, properties))
        assert publisher.expect(w.PUBACK).body[2:3] in (b"", b"\x00", b"\x10")
    publisher.close()
    for _ in range(2):
        broker = interrupt(broker, how, start_broker)
        subscriber, _ = reconnected(broker.port(), unique(), version=w.V5)
        opened(subscriber).subscribe(f"{name}/#", qos=1)
        packets = [subscriber.expect(w.PUBLISH) for _ in range(2)]
        assert {packet.publish(w.V5)[0]: packet.publish(w.V5)[2] for packet in packets} == {
            f"{name}/first": b"new", f"{name}/empty/levels//": b"y" * 9000}
        for packet in packets:
            assert packet.retain
            assert packet.properties() == [(0x03, b"text/plain"), (0x26, (b"a", b"b"))]
        subscriber.ping()


def test_the_will_of_who_was_connected_as_the_broker_died_is_sent(start_broker, opened):
    broker, name = start_broker(), unique("will")
    with w.connected(broker.port(), f"{name}-s", **V311_DURABLE) as subscriber:
        subscriber.subscribe(name, qos=1)
    client = opened(w.connected(broker.port(), name, will=(name, "gone", 1, False), **V311_DURABLE))
    client.ping()
    broker = interrupt(broker, "kill", start_broker)
    subscriber = opened(resumed(broker.port(), f"{name}-s", **V311_DURABLE))
    assert take(subscriber, 1)[0][:2] == (b"gone", 1)


# MARK: many


@pytest.mark.parametrize("how", ["kill", "router"])
def test_who_is_away_is_loaded_when_needed(start_broker, opened, how):
    """There are so many of them that a router does not wait for them (1,000). Messages and clients that come at once find
    their sessions, and no filter is missed."""
    count, name, broker = 1200, unique("many"), start_broker()

    def leave_session(number):
        with w.connected(broker.port(), f"{name}-{number}", **V311_DURABLE) as client:
            client.subscribe([f"{name}/{number}/x", f"{name}/{number}/#", f"{name}/+/{number}/#"][number % 3], qos=1)

    # Together, because each waits for the disk twice.
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(leave_session, range(count)))
    with w.connected(broker.port(), f"{name}-member", **V311_DURABLE) as client:
        client.subscribe(f"$share/group/{name}/1/x", qos=1)
    broker = interrupt(broker, how, start_broker)
    publisher, _ = reconnected(broker.port(), unique())
    wanted = {"member": [], 1: [], 2: [], 1197: [], 1198: [], 1199: []}
    for topic, receivers in [("1197/x", [1197]), ("1/x", [1, "member"]), ("any/1199", [1199]), ("any/1199/y/z", [1199]),
                             ("1198", [1198]), ("nobody", [])]:
        publish_all(opened(publisher), f"{name}/{topic}", [topic])
        for receiver in receivers:
            wanted[receiver].append(topic.encode())
    for receiver, payloads in wanted.items():
        client = opened(resumed(broker.port(), f"{name}-{receiver}", **V311_DURABLE))
        assert [payload for payload, *_ in take(client, len(payloads))] == payloads
        client.ping()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_long_queue_comes_in_order_after_a_restart(start_broker, opened, how):
    count, batch, name = 20_000, 500, unique("long")
    broker = start_broker(limits=ROOMY)
    options = {**V5_DURABLE, "props": EXPIRY + b"\x21" + w.u16(10)}
    with w.connected(broker.port(), name, **options) as subscriber:
        subscriber.subscribe(name, qos=1)
    with w.connected(broker.port()) as publisher:
        for start in range(0, count, batch):
            publisher.send(*(w.publish(name, str(start + i), 1, i + 1) for i in range(batch)))
            for _ in range(batch):
                publisher.expect(w.PUBACK)
    broker = interrupt(broker, how, start_broker, limits=ROOMY)
    subscriber = opened(resumed(broker.port(), name, **options))
    for number in range(count):
        _, packet_id, payload = subscriber.expect(w.PUBLISH).publish(w.V5)
        assert payload == b"%d" % number
        answer(subscriber, w.PUBACK, packet_id)
    subscriber.ping()


@pytest.fixture(scope="module")
def mqload(tmp_path_factory):
    output = tmp_path_factory.mktemp("mqload") / "mqload"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", output, *(ROOT / "Benchmarks").glob("*.c")], check=True)

    def run(port, *options):
        result = subprocess.run([output, "-p", str(port), *options], capture_output=True, text=True, timeout=1200)
        assert result.returncode == 0, result.stderr
        return {key: value for key, value in (word.split("=") for word in result.stdout.split())}

    return run


def resident_mb(pid):
    return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) / 1024


def test_a_queue_for_who_does_not_read_lies_on_disk(start_broker, opened, mqload):
    """The same for a durable session whose client is connected, but slow."""
    count, broker = 50_000, start_broker(listeners=[MQTT], limits=ROOMY)
    slow = opened(w.connected(broker.port(), unique("slow"), receive_buffer=4096, **V311_DURABLE))
    slow.subscribe("mqload/0/t", qos=1)
    router = broker.worker("router")["pid"]
    before = resident_mb(router)
    mqload(broker.port(), "-m", "queue", "-n", "1", "-q", "1", "-z", "256", "-w", "1000", "-c", str(count))
    assert resident_mb(router) - before < 64
    for number in range(count):
        _, packet_id, payload = slow.expect(w.PUBLISH).publish()
        assert int.from_bytes(payload[8:12], "little") == number
        answer(slow, w.PUBACK, packet_id)


@pytest.mark.timeout(LONG)
def test_a_queue_for_who_is_away_lies_on_disk(start_broker, mqload):
    """Memory stays bounded whatever waits, and all of it comes, in order. In make soak a million, with the time."""
    count = 1_000_000 if os.environ.get("APUS_SOAK") else 50_000
    broker = start_broker(listeners=[MQTT], limits=ROOMY)
    router = broker.worker("router")["pid"]
    before = resident_mb(router)
    queued = mqload(broker.port(), "-m", "queue", "-n", "1", "-q", "1", "-z", "256", "-w", "1000", "-c", str(count))
    grown = resident_mb(router) - before
    drained = mqload(broker.port(), "-m", "drain", "-n", "1", "-q", "1", "-c", str(count))
    grown_after = resident_mb(router) - before
    figures = (f"{count} messages: {float(queued['msgs_per_s']):,.0f}/s queued, {grown:.1f} MiB more in memory, "
               f"{float(drained['msgs_per_s']):,.0f}/s drained, {grown_after:.1f} MiB more after that")
    print(figures)
    assert grown < 64 and grown_after < 64, figures
    assert drained["lost"] == drained["dup"] == drained["ooo"] == "0", drained
    assert broker.worker("router")["pid"] == router
    if os.environ.get("APUS_SOAK"):
        assert float(drained["msgs_per_s"]) >= 50_000, figures


# MARK: crashes


def in_portions(count, size=20):
    """Numbers of rounds, a list for each Traffic: what has gone wrong is to show before the end of many."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


@pytest.mark.timeout(LONG)
def test_crashes_lose_nothing(start_broker):
    """SIGKILL at random moments under traffic: of the router, at times of the listener too, or of everything."""
    chance = seeded()
    options = {"listeners": [MQTT], "limits": ROOMY, "log": {"connections": False}}
    broker = start_broker(**options)
    for portion in in_portions(scale(15, 200)):
        with Traffic(broker.port(), chance, unique("crash")) as traffic:
            for number in portion:
                traffic.wait_flowing()
                time.sleep(chance.uniform(0, 0.4))
                if number % 4 == 3:  # also makes the supervisor forget how often the router has died
                    broker = start_broker(**options, folder=kill_everything(broker))
                    traffic.port = broker.port()
                else:
                    for _ in range(chance.choice([1, 1, 1, 2])):  # the second as it begins
                        kill_workers(broker, *chance.choice([["router"], ["router"], ["router", "mqtt"]]))
                assert not traffic.errors, f"round {number}: {traffic.errors}"
            traffic.wait_flowing()
            traffic.finish()
            print(f"{traffic.acknowledged()} messages acknowledged, none lost")


# MARK: power cuts


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    """The library that keeps what was synced apart; see powercut/forgetful.c."""
    library = tmp_path_factory.mktemp("forgetful") / "forgetful.so"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-U_FORTIFY_SOURCE", "-Wall", "-Werror", "-o", library,
         HERE / "powercut" / "forgetful.c", "-ldl", "-lpthread"], check=True)
    return library


class Disk:
    """A state folder on a disk that loses its power."""

    def __init__(self, library, folder, chance):
        self.folder, self.shadow, self.chance = folder / "state", folder / "shadow", chance
        self.folder.mkdir()
        self.shadow.mkdir()
        self.broker = {
            "listeners": [MQTT], "limits": ROOMY, "log": {"connections": False}, "top": {"state_dir": str(self.folder)},
            "environment": {"LD_PRELOAD": str(library), "FORGETFUL_FOLDER": str(self.folder),
                            "FORGETFUL_SHADOW": str(self.shadow)}}

    def cut(self, torn):
        """Puts what was synced in the place of what was written. torn: with some of the rest, in any order."""
        for pending in self.shadow.glob("*.pending"):
            shadow = pending.with_suffix("")
            if torn:
                self.tear(shadow, list(records(pending.read_bytes())))
            pending.unlink()
        shutil.rmtree(self.folder)
        shutil.copytree(self.shadow, self.folder)
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def tear(self, shadow, unsynced):
        chosen = [record for record in unsynced if self.chance.random() < 0.5]
        self.chance.shuffle(chosen)
        with shadow.open("r+b") as file:
            for kind, offset, data in chosen:
                if kind:
                    file.truncate(offset)
                else:
                    if self.chance.random() < 0.2:  # a disk writes sectors
                        data = data[:self.chance.randrange(len(data) + 1) // 512 * 512]
                    file.seek(offset)
                    file.write(data)

    def tell(self, what):
        """fail | hold | read-only: what becomes of syncs and writes from now on; see forgetful.c."""
        (self.shadow / what).touch()

    def tell_no_more(self, what):
        (self.shadow / what).unlink()


def records(data):
    """(kind, offset, bytes) of a list of pending writes; its last record may have been cut off."""
    position = 0
    while position + 24 <= len(data):
        kind, offset, length = struct.unpack_from("<qqq", data, position)
        position += 24
        if position + length > len(data):
            return
        yield kind, offset, data[position:position + length]
        position += length


def cut_rounds(start_broker, disk, chance, count, **options):
    broker = start_broker(**disk.broker, **options)
    for portion in in_portions(count):
        with Traffic(broker.port(), chance, unique("cut")) as traffic:
            for number in portion:
                if chance.random() < 0.8:  # else perhaps while it begins
                    traffic.wait_flowing()
                time.sleep(chance.uniform(0, 0.6))
                folder = kill_everything(broker)
                assert disk.cut(torn=number % 2 == 1) > 0, "nothing was ever synced"
                broker = start_broker(**disk.broker, **options, folder=folder)
                assert not broker.log.all("set aside"), f"round {number}: what was cut off counts as damaged"
                traffic.port = broker.port()
                assert not traffic.errors, f"round {number}: {traffic.errors}"
            traffic.wait_flowing()
            traffic.finish()
            print(f"{traffic.acknowledged()} messages acknowledged, none lost")


@pytest.mark.timeout(LONG)
def test_power_cuts_lose_nothing(start_broker, forgetful, tmp_path):
    chance = seeded()
    cut_rounds(start_broker, Disk(forgetful, tmp_path, chance), chance, scale(5, 100))


@pytest.mark.timeout(LONG)
def test_power_cuts_lose_no_retained_messages(start_broker, forgetful, tmp_path):
    """After a cut in the midst of replacing fifty of them again and again, each is the last that was acknowledged or a
    later one that was sent."""
    chance, topics = seeded(), 50
    disk, name = Disk(forgetful, tmp_path, chance), unique("cut")
    broker = start_broker(**disk.broker)
    sent, acknowledged, next_number = {}, {}, 0
    for _ in range(scale(4, 100)):
        with w.connected(broker.port()) as publisher:
            batch = {}
            for packet_id in range(1, 1001):
                topic, next_number = chance.randrange(topics), next_number + 1
                batch[packet_id] = topic, next_number
                publisher.send(w.publish(f"{name}/{topic}", b"%d " % next_number + b"x" * chance.randrange(500), 1,
                                         packet_id, retain=True))
                sent[topic] = next_number
            for packet_id in range(1, chance.randrange(1000)):
                assert publisher.expect(w.PUBACK).body == w.u16(packet_id)
                acknowledged.update([batch[packet_id]])
            folder = kill_everything(broker)
        disk.cut(torn=chance.random() < 0.5)
        broker = start_broker(**disk.broker, folder=folder)
        with w.connected(broker.port()) as subscriber:
            found = {}
            subscriber.subscribe(f"{name}/#")
            while not acknowledged.keys() <= found.keys():
                topic, _, payload = subscriber.expect(w.PUBLISH).publish()
                found[int(topic.rpartition("/")[2])] = int(payload.split(b" ")[0])
        for topic, number in acknowledged.items():
            assert number <= found[topic] <= sent[topic]


def test_power_cuts_without_syncs_do_lose(start_broker, forgetful, tmp_path):
    """With `durability = "none"` the same test must fail: it sees what is lost."""
    chance = seeded()
    with pytest.raises(AssertionError, match="(lost|did not arrive)"):
        cut_rounds(start_broker, Disk(forgetful, tmp_path, chance), chance, 3, store={"durability": "none"})


def test_a_failed_sync_acknowledges_nothing(start_broker, forgetful, tmp_path, opened):
    """While the disk can not sync, no QoS 1 publish to a durable session succeeds; what did before survives a cut."""
    disk, name = Disk(forgetful, tmp_path, seeded()), unique("fail")
    broker = start_broker(**disk.broker)
    with w.connected(broker.port(), name, **V311_DURABLE) as subscriber:
        subscriber.subscribe(name, qos=1)
    publisher = opened(w.connected(broker.port(), version=w.V5))
    publish_all(publisher, name, [b"kept 1", b"kept 2"])
    disk.tell("fail")
    for _ in range(2):
        publisher.send(w.publish(name, b"refused", 1, 10, version=w.V5))
        assert publisher.expect(w.PUBACK, 20).body[2] >= 0x80
    disk.tell_no_more("fail")

    def succeeds():
        publisher.send(w.publish(name, b"kept 3", 1, 11, version=w.V5))
        return publisher.expect(w.PUBACK).body[2:3] in (b"", b"\x00")

    wait_until(succeeds, "an acknowledgement after the disk's recovery", 20)
    folder = kill_everything(broker)
    disk.cut(torn=False)
    broker = start_broker(**disk.broker, folder=folder)
    subscriber = opened(resumed(broker.port(), name, **V311_DURABLE))
    found = [entry[0] for entry in take(subscriber, 3)]
    assert found == [b"kept 1", b"kept 2", b"kept 3"]
    subscriber.ping()


class Asked:
    """A client that has asked for something that is to be on disk before it is answered."""

    def __init__(self, client, request, answer_type, refusable=False):
        self.client, self.request, self.answer_type, self.refusable = client, request, answer_type, refusable

    def ask(self):
        self.client.send(self.request)

    def is_silent(self):
        return not select.select([self.client.socket], [], [], 0)[0]

    def expect(self, is_refused):
        """The answer. Only what asks to keep a message can be refused."""
        packet = self.client.expect(self.answer_type, 20)
        code = packet.body[1 if packet.type == w.CONNACK else 2 if packet.type in (w.PUBACK, w.PUBREC) else -1:][:1]
        if packet.type in (w.PUBACK, w.PUBREC, w.CONNACK, w.SUBACK):
            assert (code >= b"\x80") == is_refused, packet
        return packet


@pytest.mark.parametrize("how", ["hold", "fail"])
def test_nothing_that_needs_the_disk_is_answered_before_it(start_broker, forgetful, tmp_path, opened, how):
    """CONNACK, SUBACK, UNSUBACK, PUBACK, PUBREC, PUBREL, PUBCOMP and a PUBLISH at QoS 2, each where a session that is kept or
    a retained message depends on it: none comes while a sync takes its time or fails. Then the sync succeeds, the answers come,
    and a power cut right behind the last of them takes nothing of it back."""
    check_order(start_broker, Disk(forgetful, tmp_path, seeded()), opened, how)


def test_an_answer_before_the_disk_has_it_is_noticed(start_broker, forgetful, tmp_path, opened):
    """With `durability = "periodic"` the same test must fail."""
    with pytest.raises(AssertionError, match="answered before the disk has it"):
        check_order(start_broker, Disk(forgetful, tmp_path, seeded()), opened, "hold", store={"durability": "periodic"})
    for broker in list(Broker.running):
        broker.discard()  # its disk is held


def check_order(start_broker, disk, opened, how, **options):
    name = unique("order")
    prompt = {"supervisor": {"heartbeat_interval": "50 ms"}, **options}
    broker = start_broker(**disk.broker, **prompt)
    port = broker.port()

    def durable(suffix, *filters):
        client = opened(w.connected(port, f"{name}-{suffix}", **V5_DURABLE))
        if filters:
            client.subscribe(*filters, qos=2)
        return client

    durable("away", f"{name}/away").close()
    durable("gone", f"{name}/gone").close()
    probe = opened(w.connected(port, version=w.V5))
    passing = [opened(w.connected(port, version=w.V5)) for _ in range(4)]
    releasing, receiving = durable("releasing"), durable("receiving", f"{name}/receiving")
    receiving_2 = durable("receiving 2", f"{name}/receiving 2")
    publish_all(passing[3], f"{name}/receiving", [b"received"], qos=2)
    [(_, _, received_id, _)] = take(receiving, 1)
    releasing.send(w.publish(f"{name}/released", b"x", 2, 7, version=w.V5))
    releasing.expect(w.PUBREC)
    asked = {
        "subscribed": Asked(durable("subscribed"), w.subscribe(f"{name}/subscribed", qos=1, version=w.V5), w.SUBACK),
        "unsubscribed": Asked(durable("unsubscribed", f"{name}/unsubscribed"),
                              w.unsubscribe(f"{name}/unsubscribed", version=w.V5), w.UNSUBACK),
        "once": Asked(passing[0], w.publish(f"{name}/away", b"once", 1, 1, version=w.V5), w.PUBACK, True),
        "twice": Asked(passing[1], w.publish(f"{name}/away", b"twice", 2, 1, version=w.V5), w.PUBREC, True),
        "retained": Asked(passing[2], w.publish(f"{name}/retained", b"x", 1, 1, True, w.V5), w.PUBACK, True),
        "released": Asked(releasing, w.packet(0x62, w.u16(7)), w.PUBCOMP),
        "received": Asked(receiving, w.packet(0x50, w.u16(received_id)), w.PUBREL),
        "new": Asked(opened(w.Wire(port)), w.connect(f"{name}-new", **V5_DURABLE), w.CONNACK),
        "replaced": Asked(opened(w.Wire(port)), w.connect(f"{name}-gone", w.V5), w.CONNACK),
    }
    disk.tell(how)
    for request in asked.values():
        request.ask()
    if how == "hold":
        passing[3].send(w.publish(f"{name}/receiving 2", b"delivered", 2, 9, version=w.V5))
        asked["delivered"] = Asked(receiving_2, b"", w.PUBLISH)
    # The router has handled all of it: it shows the two that connect, and answers what was said behind the others.
    wait_until(lambda: broker.client(f"{name}-new") and broker.client(f"{name}-gone"), "both to have come to the router")
    publish_all(probe, f"{name}/nobody", [b"x"] * 3)
    if how == "fail":
        failures = broker.counted("store_failures")
        wait_until(lambda: broker.counted("store_failures") > failures + 1, "transactions that fail")
    for what, request in asked.items():
        if how == "fail" and request.refusable:
            request.expect(is_refused=True)
        else:
            assert request.is_silent(), f"{what}: answered before the disk has it"
    disk.tell_no_more(how)
    for request in asked.values():
        if how == "hold" or not request.refusable:
            request.expect(is_refused=False)
    folder = kill_everything(broker)
    disk.cut(torn=False)

    broker = start_broker(**disk.broker, **prompt, folder=folder)
    port = broker.port()
    publisher = opened(w.connected(port))
    subscriber = opened(resumed(port, f"{name}-subscribed", **V5_DURABLE))
    publish_all(publisher, f"{name}/subscribed", [b"there"])
    assert take(subscriber, 1)[0][0] == b"there"
    former = opened(resumed(port, f"{name}-unsubscribed", **V5_DURABLE))
    publish_all(publisher, f"{name}/unsubscribed", [b"for nobody"])
    former.ping()
    away = opened(resumed(port, f"{name}-away", **V5_DURABLE))
    if how == "hold":
        assert sorted(payload for payload, *_ in take(away, 2)) == [b"once", b"twice"]
        watcher = opened(w.connected(port))
        watcher.subscribe(f"{name}/retained")
        assert watcher.expect(w.PUBLISH).retain
    away.ping()
    releasing = opened(resumed(port, f"{name}-releasing", **V5_DURABLE))
    answer(releasing, w.PUBREL, 7)
    assert releasing.expect(w.PUBCOMP).body[:3] == w.u16(7) + b"\x92", "the identifier is not free"
    receiving = opened(resumed(port, f"{name}-receiving", **V5_DURABLE))
    assert receiving.expect(w.PUBREL).body[:2] == w.u16(received_id)  # and not the message once more
    opened(resumed(port, f"{name}-new", **V5_DURABLE))
    client, connack = reconnected(port, f"{name}-gone", **V5_DURABLE)
    assert opened(client) and connack.body[0] == 0, "a session that was replaced is back"


def test_a_disk_that_becomes_read_only(start_broker, forgetful, tmp_path, opened):
    """As the kernel makes one that has failed: refused is what would have to be stored, the rest goes on, and so does all
    when it can be written again."""
    disk, name = Disk(forgetful, tmp_path, seeded()), unique("read-only")
    broker = start_broker(**disk.broker)
    router = broker.worker("router")["pid"]
    with w.connected(broker.port(), name, **V311_DURABLE) as subscriber:
        subscriber.subscribe(name, qos=1)
    publisher = opened(w.connected(broker.port(), version=w.V5))
    publish_all(publisher, name, [b"kept 1", b"kept 2"])
    disk.tell("read-only")
    for _ in range(2):
        publisher.send(w.publish(name, b"refused", 1, 10, version=w.V5))
        assert publisher.expect(w.PUBACK, 20).body[2] == 0x97
    broker.log.wait("the store can not be written|store_failed|[Rr]ead-only|readonly")
    clean = opened(w.connected(broker.port(), version=w.V5))
    clean.subscribe(f"{name}-clean", qos=2)
    publish_all(publisher, f"{name}-clean", [b"goes on"])
    assert take(clean, 1)[0][0] == b"goes on"
    disk.tell_no_more("read-only")

    def succeeds():
        publisher.send(w.publish(name, b"kept 3", 1, 11, version=w.V5))
        return publisher.expect(w.PUBACK).body[2:3] in (b"", b"\x00")

    wait_until(succeeds, "an acknowledgement after the disk's recovery", 20)
    assert broker.worker("router")["pid"] == router
    assert not broker.log.all("set aside")
    folder = kill_everything(broker)
    disk.cut(torn=False)
    broker = start_broker(**disk.broker, folder=folder)
    subscriber = opened(resumed(broker.port(), name, **V311_DURABLE))
    assert [entry[0] for entry in take(subscriber, 3)] == [b"kept 1", b"kept 2", b"kept 3"]
    subscriber.ping()
