"""Several brokers as one: nodes on loopback that share an exchange of a real RabbitMQ."""

import os
import signal
import threading

import pytest

import wire as w

from amqp import AMQP, rabbit  # noqa: F401, a fixture
from bridging import Across, Line, wait_traffic
from broker import wait_until
from client import JSON, Paho, unique


@pytest.fixture
def cluster(start_broker, rabbit):
    """Starts so many nodes, on an exchange of their own."""

    def start(count, **more):
        exchange = unique("cluster")
        return [start_node(start_broker, rabbit, exchange, **more) for _ in range(count)]

    return start


def start_node(start_broker, rabbit, exchange, folder=None, node=None, **more):
    options = {"uri": rabbit.uri, "mode": "cluster", "exchange": exchange, "node": node or unique("node"),
               "retry_limit": "500 ms", **more}
    broker = start_broker(
        bridge=options, supervisor={"heartbeat_interval": "100ms"}, **({"folder": folder} if folder else {}))
    broker.node, broker.exchange = options["node"], exchange
    wait_joined(broker)
    return broker


def wait_joined(broker):
    wait_until(lambda: broker.counted("bridge_connected") == 1 and not broker.status().get("degraded"),
               "the node to be connected", 20)


def bound(rabbit, broker):
    """The keys that a node's queue is bound by."""
    rows = rabbit.ctl("list_bindings", "source_name", "destination_name", "routing_key").splitlines()
    rows = [row.split("\t") for row in rows]
    return sorted(key for source, destination, key in rows
                  if destination in (f"apus.{broker.node}.a", f"apus.{broker.node}.b") and key != "$apus.#")


def wait_bound(rabbit, broker, *keys):
    wait_until(lambda: bound(rabbit, broker) == sorted(keys), f"{broker.node} to be bound by {keys}", 20)


def test_published_on_any_node_heard_on_all(cluster, rabbit, opened):
    nodes = cluster(3)
    topic = f"room/{unique()}"
    key = topic.replace("/", ".")
    clients = [opened(Paho(node.port(), version="5.0")) for node in nodes]
    page = opened(JSON(nodes[2].port("web")))
    for client in clients:
        client.subscribe(topic + "/+", 1)
    page.subscribe(topic + "/#", QoS=1)
    for node in nodes:
        wait_bound(rabbit, node, *[key + ".*", key + ".#"][:2 if node is nodes[2] else 1])
    for qos in range(3):
        for number, client in enumerate(clients):
            text = f"{qos} from {number}"
            client.publish(f"{topic}/x", text, qos)
            for other in clients:
                assert other.expect(f"{topic}/x", text).qos == min(qos, 1)
            page.expect(f"{topic}/x", text)
    for client in clients:
        client.expect_nothing_before(unique())


def test_only_what_clients_subscribe_to_is_bound(cluster, rabbit, opened):
    one, two = cluster(2)
    here, there = opened(Paho(one.port(), version="5.0")), opened(Paho(two.port(), version="5.0"))
    wait_bound(rabbit, one)
    here.subscribe("a/b", 1)
    here.subscribe("$share/group/c/+", 1)
    there.subscribe("a/#", 0)
    wait_bound(rabbit, one, "a.b", "c.*")
    wait_bound(rabbit, two, "a.#")
    opened(another := Paho(one.port())).subscribe("a/b", 0)
    here.unsubscribe("a/b")
    here.unsubscribe("$share/group/c/+")
    wait_bound(rabbit, one, "a.b")
    another.close()
    wait_bound(rabbit, one)
    # What an earlier bridge had bound goes, too, though it was killed before it could unbind it.
    pid = two.worker("bridge")["pid"]
    os.kill(pid, signal.SIGSTOP)
    there.unsubscribe("a/#")
    there.subscribe("d", 1)
    os.kill(pid, signal.SIGKILL)
    two.wait_respawned("bridge", pid)
    wait_bound(rabbit, two, "d")


def test_more_filters_than_are_bound(cluster, rabbit, opened):
    """bindings at its limit: with one more the node takes everything."""
    one, two = cluster(2, bindings=3)
    here, there = opened(Paho(one.port())), opened(Paho(two.port()))
    for number in range(3):
        here.subscribe(f"limit/{number}", 1)
    wait_bound(rabbit, one, "limit.0", "limit.1", "limit.2")
    here.subscribe("limit/3", 1)
    wait_until(lambda: "#" in bound(rabbit, one), "everything to be bound", 20)
    there.publish("limit/3", "everything", 1)
    here.expect("limit/3", "everything")
    assert one.log.wait("bridge.rabbitmq.bindings is reached")


def test_a_durable_session_that_sleeps_is_heard_for(start_broker, rabbit, opened):
    """A node that is started again wants for its sleeping sessions what they had subscribed to, and catches up."""
    exchange = unique("cluster")
    one = start_node(start_broker, rabbit, exchange)
    two = start_node(start_broker, rabbit, exchange)
    name, topic = unique("sleeper"), f"sleep/{unique()}"
    sleeper = opened(Paho(one.port(), name, clean=False))
    sleeper.subscribe(topic, 1)
    key = topic.replace("/", ".")
    wait_bound(rabbit, one, key)
    sleeper.close()
    one.signal(signal.SIGTERM)
    one.process.wait(15)
    folder = one.take_folder()
    there = opened(Paho(two.port()))
    there.publish(topic, "while it is away", 1)
    one = start_node(start_broker, rabbit, exchange, folder=folder, node=one.node)
    wait_bound(rabbit, one, key)
    there.publish(topic, "after", 1)
    sleeper = opened(Paho(one.port(), name, clean=False))
    sleeper.expect(topic, "while it is away")
    sleeper.expect(topic, "after")


# MARK: once


def begin(rabbit, source, targets, opened, **more):
    across = Across(source, targets, opened, **more)
    for target in targets:
        wait_until(lambda: across.key in bound(rabbit, target), f"{target.node} to be bound", 20)
    return across.start()


@pytest.mark.timeout(150)
@pytest.mark.parametrize("qos", [1, 2])
def test_rabbitmq_is_killed_under_load(cluster, rabbit, opened, qos):
    """What it had taken and not confirmed is published again, what it had delivered it delivers again: heard once."""
    one, two = cluster(2)
    across = begin(rabbit, one, [two], opened, qos=qos)
    for _ in range(3):
        wait_traffic(across)
        rabbit.kill()
        wait_traffic(across)
        rabbit.start()
        wait_joined(one)
        wait_joined(two)
    wait_traffic(across)
    across.check()


@pytest.mark.parametrize("side", ["from", "to"])
@pytest.mark.parametrize("role", ["bridge", "router"])
def test_a_worker_is_killed_under_load(cluster, rabbit, opened, role, side):
    one, two = cluster(2)
    across = begin(rabbit, one, [two], opened, qos=2)
    broker = one if side == "from" else two
    for _ in range(5):
        wait_traffic(across)
        pid = broker.worker(role)["pid"]
        os.kill(pid, signal.SIGKILL)
        broker.wait_respawned(role, pid)
    wait_traffic(across)
    across.check()


def test_a_message_that_comes_twice(cluster, rabbit, opened):
    """By its node and number, whoever sends it; without them it is another one each time."""
    (one,) = cluster(1)
    client = opened(Paho(one.port(), version="5.0"))
    client.subscribe("twice/#", 2)
    wait_bound(rabbit, one, "twice.#")
    backend = opened(AMQP(rabbit, exchange=one.exchange))
    headers = {"x-apus-node": "program", "x-apus-id": "00000000000000ff.1"}
    for _ in range(2):
        backend.publish("twice.x", "numbered", headers=headers)
        backend.publish("twice.x", "plain", headers={"x-apus-node": "program", "x-apus-id": "ff"})
    assert [client.message().payload for _ in range(3)] == [b"numbered", b"plain", b"plain"]
    client.expect_nothing_before(unique())
    wait_until(lambda: one.counted("router_messages_repeated") == 1, "the second to be counted")
    # Neither a killed router nor a killed bridge forgets it.
    for role in ("router", "bridge"):
        pid = one.worker(role)["pid"]
        os.kill(pid, signal.SIGKILL)
        one.wait_respawned(role, pid)
    wait_joined(one)
    wait_until(lambda: "twice.#" in bound(rabbit, one), "the node to be bound", 20)
    backend.publish("twice.x", "numbered", headers=headers)
    backend.publish("twice.x", "last")
    client.expect("twice/x", "last")


@pytest.mark.parametrize("count", [2, 3])
def test_a_node_is_killed(cluster, start_broker, rabbit, opened, count):
    """The others go on, and it catches up."""
    source, *targets = cluster(count)
    across = begin(rabbit, source, targets, opened)
    wait_traffic(across)
    victim = targets[-1]
    processes = [worker["pid"] for worker in victim.workers()]
    victim.signal(signal.SIGKILL)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    victim.process.wait(15)
    wait_traffic(across)
    folder = victim.take_folder()
    name = across.hearers[-1].client_id
    victim = start_node(start_broker, rabbit, victim.exchange, folder=folder, node=victim.node)
    cut_off, again = across.hearers[-1], opened(Paho(victim.port(), name, clean=False))
    cut_off.client.loop_stop()
    across.hearers[-1] = again
    wait_traffic(across)
    across.check(broken={again: list(cut_off.messages.queue)})


def test_a_node_loses_rabbitmq(start_broker, rabbit, opened):
    """It alone. It serves its own clients, the others go on, and both sides make up for what they have missed."""
    line, exchange = opened(Line(rabbit.port)), unique("cluster")
    one = start_node(start_broker, rabbit, exchange, uri=rabbit.uri.replace(str(rabbit.port), str(line.port)))
    two, three = (start_node(start_broker, rabbit, exchange) for _ in range(2))
    from_one = begin(rabbit, one, [one, two, three], opened)
    from_two = begin(rabbit, two, [one, two, three], opened)
    wait_traffic(from_one, from_two)
    line.cut()
    wait_until(lambda: one.status().get("degraded"), "the node to say so")
    here = opened(Paho(one.port(), version="5.0"))
    here.expect_nothing_before(unique("here"), 1)
    heard = {(flow, place): flow.hearers[place].messages.qsize() for flow, place in ((from_one, 0), (from_two, 1), (from_two, 2))}
    # By clients of its own what is published at it, by those of the others what is published there.
    wait_traffic(from_one, from_two)
    for (flow, place), count in heard.items():
        wait_until(lambda: flow.hearers[place].messages.qsize() >= count + 200, "the traffic to be heard")
    assert one.status().get("degraded") and not two.status().get("degraded") and not three.status().get("degraded")
    line.mend()
    wait_joined(one)
    wait_traffic(from_one, from_two)
    from_one.check()
    from_two.check()


def test_a_filter_that_amqp_can_not_say(cluster, opened):
    """Its own node's messages match it, nobody else's; it is counted."""
    (one,) = cluster(1)
    client = opened(Paho(one.port()))
    client.subscribe("a.b/#", 1)
    client.publish("a.b/c", "here", 1)
    client.expect("a.b/c", "here")
    wait_until(lambda: one.counted("bridge_filters_unmappable") == 1, "it to be counted")
    assert one.log.wait("a.b/# can not pass the bridge")


# MARK: one connection a client


@pytest.mark.parametrize("clean", [True, False])
def test_a_client_is_taken_over_from_another_node(cluster, opened, clean):
    one, two, three = cluster(3)
    name = unique("mover")
    for former, node in ((one, two), (two, three), (three, one)):
        first = opened(Paho(former.port(), name, "5.0", clean=clean))
        second = opened(Paho(node.port(), name, "5.0", clean=clean))
        assert first.wait_disconnected().value == 0x8E
        second.expect_nothing_before(unique())
        assert [bool(broker.client(name)) for broker in (former, node)] == [False, True]
        second.close()


def test_the_session_of_a_client_that_moves(cluster, rabbit, opened):
    """It stays, and so does what waits for it, until a clean start anywhere."""
    one, two = cluster(2)
    name, topic = unique("mover"), f"moves/{unique()}"
    mover = opened(Paho(one.port(), name, clean=False))
    mover.subscribe(topic, 1)
    wait_bound(rabbit, one, topic.replace("/", "."))
    moved = opened(Paho(two.port(), name, clean=False))
    assert not moved.flags.session_present
    mover.wait_disconnected()
    opened(Paho(two.port())).publish(topic, "while it is away", 1)
    moved.expect_nothing_before(unique())
    moved.close()
    back = opened(Paho(one.port(), name, clean=False))
    assert back.flags.session_present
    back.expect(topic, "while it is away")
    opened(Paho(two.port(), name, clean=True))
    back.wait_disconnected()
    wait_bound(rabbit, one)
    assert not opened(Paho(one.port(), name, clean=False)).flags.session_present


def test_the_later_one_holds(cluster, rabbit, opened):
    """Two nodes that could not speak with each other: when they can again, the later connection stays, whoever speaks first."""
    one, two = cluster(2)
    rabbit.stop()
    name = unique("twice")
    first = opened(Paho(one.port(), name, "5.0"))
    second = opened(Paho(two.port(), name, "5.0"))
    first.expect_nothing_before(unique())
    rabbit.start()
    assert first.wait_disconnected(30).value == 0x8E
    wait_joined(one)
    wait_joined(two)
    second.expect_nothing_before(unique())


def test_nobody_speaks_as_a_broker(cluster, rabbit, opened):
    (one,) = cluster(1)
    client = opened(Paho(one.port(), "victim", "5.0"))
    thief = opened(w.Wire(one.port()))
    thief.connect(unique("thief"), w.V5)
    claim = bytes([1]) + (1 << 63).to_bytes(8, "little") + bytes([0, 6, 0]) + b"victim"
    thief.send(w.publish("$apus/claim", claim, qos=1, version=w.V5))
    assert thief.expect(w.PUBACK).body[2] == 0x87
    # Nor does one that subscribes to it, and ends that, make the node deaf for the others.
    client.subscribe("$apus/#", 1)
    client.unsubscribe("$apus/#")
    # A program that does not say which broker it is, either; it is refused and not sent again.
    program = opened(AMQP(rabbit, exchange=one.exchange))
    client.subscribe("victim/hears", 1)
    wait_bound(rabbit, one, "victim.hears")
    program.publish("$apus.claim", claim)
    program.publish("victim.hears", "this")
    client.expect("victim/hears", "this")
    # Who has the right to publish to the exchange, and says it is a broker, is believed: docs/rabbitmq.md says so.
    program.publish("$apus.claim", claim, headers={"x-apus-node": "program", "x-apus-id": "00000000000000ff.1"})
    assert client.wait_disconnected().value == 0x8E


# MARK: retained messages


def kept(broker, filter_):
    """What a new subscription gets: payloads by topic."""
    with Paho(broker.port(), version="5.0") as client:
        end = unique("end")
        client.subscribe(filter_, 2)
        client.subscribe(end, 1)
        found = {}
        while True:
            client.publish(end, "", 1)
            count = 0
            while (message := client.message()).topic != end:
                found[message.topic] = message.payload.decode()
                count += 1
            # Retained messages may come behind new ones.
            if count == 0:
                return found


def wait_kept(brokers, filter_, expected, timeout=30):
    for broker in brokers:
        wait_until(lambda: kept(broker, filter_) == expected, f"{broker.node} to have {len(expected)} messages", timeout)


def test_retained_messages_are_the_same_everywhere(cluster, rabbit, opened):
    one, two, three = nodes = cluster(3)
    topic = unique("kept")
    here, there = opened(Paho(one.port())), opened(Paho(two.port()))
    for qos in range(3):
        here.publish(f"{topic}/{qos}", f"of one at {qos}", qos, retain=True)
    wait_kept(nodes, topic + "/#", {f"{topic}/{qos}": f"of one at {qos}" for qos in range(3)})
    # Nobody has subscribed at the node where it is replaced, and where it is cleared.
    there.publish(f"{topic}/0", "of two", 1, retain=True)
    there.publish(f"{topic}/1", "", 1, retain=True)
    # What AMQP can not say as a key is not heard by others' subscribers, but retained there.
    there.publish(f"{topic}/a.b", "dotted", 1, retain=True)
    expected = {f"{topic}/0": "of two", f"{topic}/2": "of one at 2", f"{topic}/a.b": "dotted"}
    wait_kept(nodes, topic + "/#", expected)
    # Killed routers know it as well, and what was cleared.
    for node in nodes:
        pid = node.worker("router")["pid"]
        os.kill(pid, signal.SIGKILL)
        node.wait_respawned("router", pid)
    wait_kept(nodes, topic + "/#", expected)
    assert two.counted("router_messages_dropped") == 0


def test_two_nodes_retain_at_once(cluster, rabbit, opened):
    """Without RabbitMQ each for itself; with it again the later one holds at both, and what was cleared later is cleared."""
    one, two = nodes = cluster(2)
    topic = unique("at once")
    here, there = opened(Paho(one.port())), opened(Paho(two.port()))
    here.publish(f"{topic}/cleared", "first", 1, retain=True)
    wait_kept(nodes, topic + "/#", {f"{topic}/cleared": "first"})
    rabbit.stop()
    here.publish(f"{topic}/a", "earlier", 1, retain=True)
    there.publish(f"{topic}/b", "earlier", 1, retain=True)
    there.publish(f"{topic}/a", "later", 1, retain=True)
    here.publish(f"{topic}/b", "later", 1, retain=True)
    here.publish(f"{topic}/cleared", "second", 1, retain=True)
    there.publish(f"{topic}/cleared", "", 1, retain=True)
    assert kept(one, topic + "/#") == {f"{topic}/a": "earlier", f"{topic}/b": "later", f"{topic}/cleared": "second"}
    assert kept(two, topic + "/#") == {f"{topic}/a": "later", f"{topic}/b": "earlier"}
    rabbit.start()
    wait_kept(nodes, topic + "/#", {f"{topic}/a": "later", f"{topic}/b": "later"})


@pytest.mark.timeout(120)
def test_a_new_node_gets_what_is_retained(cluster, start_broker, rabbit, opened):
    """And so does one whose queue was lost; and one that had messages of its own before it came shares them."""
    one, two = cluster(2)
    topic = unique("new")
    here = opened(Paho(one.port(), version="5.0"))
    for number in range(2000):
        here.publish(f"{topic}/{number}", "x" * 100, 1, retain=True)
    alone = start_broker()
    with Paho(alone.port()) as client:
        client.publish(f"{topic}/alone", "own", 1, retain=True)
        client.publish(f"{topic}/5", "earlier than any of a cluster", 1, retain=True)
    alone.signal(signal.SIGTERM)
    alone.process.wait(15)
    expected = {f"{topic}/{number}": "x" * 100 for number in range(2000)} | {f"{topic}/alone": "own"}
    three = start_node(start_broker, rabbit, one.exchange, folder=alone.take_folder())
    wait_kept([three, one, two], topic + "/#", expected, 60)
    # A bridge that is away, whose queue somebody deletes.
    folder = stop(two)
    rabbit.ctl("delete_queue", f"apus.{two.node}")
    here.publish(f"{topic}/6", "missed", 1, retain=True)
    here.publish(f"{topic}/7", "", 1, retain=True)
    two = start_node(start_broker, rabbit, one.exchange, folder=folder, node=two.node)
    expected[f"{topic}/6"] = "missed"
    del expected[f"{topic}/7"]
    wait_kept([two], topic + "/#", expected, 60)


@pytest.mark.timeout(150)
def test_retained_messages_through_deaths(cluster, rabbit, opened):
    """Clients retain and clear the same topics at both nodes while everything dies: in the end both nodes have the same."""
    nodes = cluster(2)
    topic = unique("deaths")
    ends, counts = threading.Event(), [0, 0]

    def change(index):
        with Paho(nodes[index].port(), version="5.0") as client:
            while not ends.is_set():
                number = counts[index]
                client.publish(f"{topic}/{number % 40}", "" if number % 7 == 0 else f"{index}: {number}", 1, retain=True)
                counts[index] += 1

    threads = [threading.Thread(target=change, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()

    def more(count=200):
        goals = [each + count for each in counts]
        wait_until(lambda: all(each >= goal for each, goal in zip(counts, goals)), "clients to go on", 30)

    try:
        for role in ("router", "bridge"):
            for node in nodes:
                more()
                pid = node.worker(role)["pid"]
                os.kill(pid, signal.SIGKILL)
                node.wait_respawned(role, pid)
        more()
        rabbit.kill()
        more()
        rabbit.start()
        for node in nodes:
            wait_joined(node)
        more()
    finally:
        ends.set()
        for thread in threads:
            thread.join()

    def agree():
        one, two = (kept(node, topic + "/#") for node in nodes)
        return one == two and len(one) > 20

    wait_until(agree, "both nodes to have the same", 90)


def stop(broker):
    broker.signal(signal.SIGTERM)
    broker.process.wait(15)
    return broker.take_folder()


def test_a_program_retains(cluster, rabbit, opened):
    """With the header of RabbitMQ's own plugin: where one node hears it, all have it."""
    one, two = nodes = cluster(2)
    topic = unique("program")
    hearer = opened(Paho(one.port(), version="5.0"))
    hearer.subscribe(topic + "/+", 1)
    wait_bound(rabbit, one, topic + ".*")
    program = opened(AMQP(rabbit, exchange=one.exchange))
    program.publish(topic + ".x", "kept", headers={"x-mqtt-retain": True})
    hearer.expect(topic + "/x", "kept")
    wait_kept(nodes, topic + "/#", {topic + "/x": "kept"})
    # For all nodes it can say so by RabbitMQ's CC header, whoever has subscribed.
    program.publish(topic + ".y.z", "of all", headers={"x-mqtt-retain": True, "CC": ["$apus.all"]})
    wait_kept(nodes, topic + "/#", {topic + "/x": "kept", topic + "/y/z": "of all"})
