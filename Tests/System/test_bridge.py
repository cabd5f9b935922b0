"""The bridge to a real RabbitMQ: pika on one side, MQTT clients on the other, RabbitMQ's own MQTT plugin as a third."""

import os
import re
import shutil
import signal
import socket
import threading
import time

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import wire as w
from bridging import Downward, Line, Upward, wait_traffic
from broker import BIN, ROOT, wait_until
from client import JSON, Paho, unique
from amqp import AMQP, declare, rabbit  # noqa: F401, a fixture
from rabbitmq import RabbitMQ
from steps import SOAK


def settings(rabbit, **more):
    """Of a bridge for everything below out/ and in/, each broker with a queue of its own."""
    return {"uri": rabbit.uri, "outbound": ["out/#"], "inbound": ["in/#"], "queue": unique("apus"), "retry_limit": "500 ms",
            **more}


def wait_bridged(broker):
    wait_until(lambda: broker.counted("bridge_connected") == 1 and not broker.status().get("degraded"),
               "the bridge to be connected", 20)


@pytest.fixture
def bridged(start_broker, rabbit):
    def start(**more):
        broker = start_broker(bridge=settings(rabbit, **more), supervisor={"heartbeat_interval": "100ms"})
        wait_bridged(broker)
        return broker

    return start


def test_both_ways(bridged, rabbit, opened):
    broker = bridged(queue=(queue := unique("apus")))
    backend = opened(AMQP(rabbit, "out.#"))
    device = opened(Paho(broker.port(), version="5.0"))
    page = opened(JSON(broker.port("web")))
    device.subscribe("in/#", 1)
    page.subscribe("in/+/b", QoS=1)
    for qos in range(3):
        device.publish(f"out/{qos}", f"up {qos}", qos)
        method, properties, body = backend.message()
        assert (method.routing_key, body) == (f"out.{qos}", f"up {qos}".encode())
        assert properties.delivery_mode == (2 if qos else 1)
        assert properties.headers["x-mqtt-publish-qos"] == min(qos, 1)
    page.request("publish", Topic="out/page", Payload="from a page", QoS=1)
    assert backend.message()[2] == b"from a page"
    backend.publish("in.a.b", b"down")
    assert device.expect("in/a/b", "down").qos == 1
    page.expect("in/a/b", "down")
    # Nothing came back, and nothing twice.
    device.expect_nothing_before("mark")
    assert backend.is_empty()
    wait_until(lambda: broker.counted("bridge_messages_sent") == 4, "what was sent to be counted")
    wait_until(lambda: broker.counted("bridge_messages_received") == 1, "what was received to be counted")
    wait_until(lambda: rabbit.messages_in(queue) == 0, "it to be acknowledged")


# MARK: what goes with a message


def properties_of(**values):
    properties = Properties(PacketTypes.PUBLISH)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def test_properties_to_rabbitmq(bridged, rabbit, opened):
    broker = bridged(node="the-node")
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port(), version="5.0"))
    device.publish("out/p", "x", 1, retain=True, properties=properties_of(
        ContentType="application/json", PayloadFormatIndicator=1, MessageExpiryInterval=60, ResponseTopic="in/answer",
        CorrelationData=b"c-1", UserProperty=[("a", "1"), ("b", "2"), ("a", "3")]))
    _, properties, _ = backend.message()
    assert properties.content_type == "application/json" and properties.content_encoding == "utf-8"
    assert 0 < int(properties.expiration) <= 60_000 and properties.reply_to == "in.answer"
    assert properties.correlation_id == "c-1" and properties.timestamp
    assert properties.headers == {"x-mqtt-publish-qos": 1, "x-mqtt-dup": False, "x-mqtt-retain": True,
                                  "x-apus-node": "the-node", "a": ["1", "3"], "b": "2"}
    device.publish("out/p", "x", 1, properties=properties_of(CorrelationData=b"\xff\x00"))
    assert backend.message()[1].headers["x-mqtt-correlation-data"] == b"\xff\x00"


def test_properties_from_rabbitmq(bridged, rabbit, opened):
    broker = bridged()
    backend, device = opened(AMQP(rabbit)), opened(Paho(broker.port(), version="5.0"))
    device.subscribe("in/#", 1)
    backend.publish("in.p", "{}", content_type="application/json", content_encoding="utf-8", expiration="60000",
                    reply_to="out.answer", correlation_id="c-1", delivery_mode=2,
                    headers={"s": "text", "n": 7, "t": True, "l": ["1", "2"], "deep": {"a": 1}})
    message = device.expect("in/p", "{}")
    properties = message.properties
    assert properties.ContentType == "application/json" and properties.PayloadFormatIndicator == 1
    assert 0 < properties.MessageExpiryInterval <= 60 and properties.ResponseTopic == "out/answer"
    assert properties.CorrelationData == b"c-1"
    assert properties.UserProperty == [("s", "text"), ("n", "7"), ("t", "true"), ("l", "1"), ("l", "2")]
    # Kept for whoever subscribes later.
    backend.publish("in/r".replace("/", "."), "kept", headers={"x-mqtt-retain": True})
    device.expect("in/r", "kept")
    late = opened(Paho(broker.port()))
    late.subscribe("in/r", 1)
    assert late.expect("in/r", "kept").retain


def test_a_question_and_its_answer(bridged, rabbit, opened):
    """MQTT 5 §4.10: the answer goes where the question says."""
    broker = bridged()
    backend, device = opened(AMQP(rabbit, "out.question")), opened(Paho(broker.port(), version="5.0"))
    device.subscribe("in/answers/7", 1)
    device.publish("out/question", "6 × 7?", 1, properties=properties_of(
        ResponseTopic="in/answers/7", CorrelationData=b"q"))
    _, question, _ = backend.message()
    backend.publish(question.reply_to, "42", correlation_id=question.correlation_id)
    assert device.expect("in/answers/7", "42").properties.CorrelationData == b"q"


def test_the_plugin_sees_the_same(bridged, rabbit, opened):
    """RabbitMQ's own MQTT plugin: its clients and ours hear each other under the same topics."""
    broker = bridged()
    ours = opened(Paho(broker.port()))
    theirs = opened(Paho(rabbit.mqtt_port, username="guest", password="guest"))
    ours.subscribe("in/#", 1)
    theirs.subscribe("out/#", 1)
    for level in ("a/b", "/a", "a//b", "ä ö", "a/b/"):
        ours.publish(f"out/{level}", f"to {level}", 1)
        assert theirs.expect(f"out/{level}", f"to {level}").qos == 1
        theirs.publish(f"in/{level}", f"from {level}", 1)
        assert ours.expect(f"in/{level}", f"from {level}").qos == 1


def test_all_three_hear_the_same(bridged, rabbit, opened):
    """A program's message is heard by clients of Apus and of the plugin under one topic, a client's by the program and the plugin."""
    broker = bridged()
    program = opened(AMQP(rabbit, "out.#", "in.#"))
    ours = opened(Paho(broker.port()))
    theirs = opened(Paho(rabbit.mqtt_port, username="guest", password="guest"))
    ours.subscribe("in/#", 1)
    theirs.subscribe("in/#", 1)
    theirs.subscribe("out/#", 1)
    for level in ("a/b", "/a", "a//b", "ä ö", "a/b/"):
        key = level.replace("/", ".")
        program.publish(f"in.{key}", f"down {level}", delivery_mode=2)
        for client in (ours, theirs):
            assert client.expect(f"in/{level}", f"down {level}").qos == 1
        assert program.message()[0].routing_key == f"in.{key}"
        ours.publish(f"out/{level}", f"up {level}", 1)
        assert theirs.expect(f"out/{level}", f"up {level}").qos == 1
        method, _, body = program.message()
        assert (method.routing_key, body) == (f"out.{key}", f"up {level}".encode())


# MARK: what can not pass


def wait_line(broker, pattern):
    return wait_until(lambda: broker.log.all(pattern), f"a line like {pattern}")[0]


def test_topics_that_amqp_can_not_say(bridged, rabbit, opened):
    broker = bridged()
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    bridge = broker.worker("bridge")["pid"]
    for topic in ("out/a.b", "out/a*", "out/" + "x" * 252):
        device.publish(topic, "lost", 1)
    device.publish("out/" + "x" * 251, "longest", 1)
    assert backend.message()[2] == b"longest"
    assert backend.is_empty()
    wait_until(lambda: broker.counted("bridge_messages_unmappable") == 3, "three to be counted")
    line = wait_line(broker, "can not pass the bridge")
    assert "out/a.b" in line and "dot" in line
    assert broker.worker("bridge")["pid"] == bridge


def test_keys_that_mqtt_can_not_say(bridged, rabbit, opened):
    broker = bridged(queue=(queue := unique("apus")))
    backend, device = opened(AMQP(rabbit)), opened(Paho(broker.port()))
    device.subscribe("in/#", 1)
    for key in ("in.a/b", "in.+", "in.#", "in.*"):
        backend.publish(key, "lost")
    backend.publish("in.good", "found")
    device.expect("in/good", "found")
    wait_until(lambda: broker.counted("bridge_messages_unmappable") == 4, "four to be counted")
    assert "in.a/b" in wait_line(broker, "can not pass the bridge")
    # None of them comes again.
    wait_until(lambda: rabbit.messages_in(queue) == 0, "the queue to be empty")


def test_a_message_that_nobody_waits_for(bridged, rabbit, opened):
    broker = bridged()
    bridge = broker.worker("bridge")["pid"]
    backend, device = opened(AMQP(rabbit, "out.somebody")), opened(Paho(broker.port()))
    device.publish("out/nobody", "x", 1)
    wait_until(lambda: broker.counted("bridge_messages_unroutable") == 1, "it to be counted")
    line = wait_line(broker, "has no queue for")
    assert "out.nobody" in line and "NO_ROUTE" in line and "amq.topic" in line
    # A hundred of them are few lines, and the number of those that are missing.
    for number in range(100):
        device.publish("out/nobody", str(number), 1)
    wait_until(lambda: broker.counted("bridge_messages_unroutable") == 101, "all to be counted")
    broker.log.wait("more lines like bridge_unroutable were held back")
    assert len(broker.log.all("has no queue for")) <= 4
    device.publish("out/somebody", "next", 1)
    assert backend.message()[2] == b"next"
    assert broker.worker("bridge")["pid"] == bridge and not broker.status().get("degraded")


# MARK: what RabbitMQ does not take


def frame_room(node, sizes):
    """Bytes of the properties that a message of QoS 1 has in AMQP, with user properties called by one letter each."""
    headers = {"x-mqtt-publish-qos": 1, "x-mqtt-dup": 1, "x-apus-node": 4 + len(node)}
    # Flags, the table's length, the delivery mode, the time.
    return 2 + 4 + 1 + 8 + sum(2 + len(name) + size for name, size in headers.items()) + sum(2 + 1 + 4 + size for size in sizes)


# What a frame of 131,072 bytes has beside them.
ROOM = 131_072 - 20


@pytest.mark.parametrize("what", ["CC", "CC twice", "BCC", "large"])
def test_properties_that_rabbitmq_can_not_take(bridged, rabbit, opened, what):
    """They are left out by name, and what follows passes: one client does not stop the bridge."""
    node = unique("node")
    broker = bridged(node=node)
    bridge = broker.worker("bridge")["pid"]
    backend, device = opened(AMQP(rabbit, "out.#", "elsewhere")), opened(Paho(broker.port(), version="5.0"))
    sizes = [65_500, ROOM - frame_room(node, [65_500, 0])]
    user = {"CC": [("CC", "elsewhere")], "CC twice": [("CC", "elsewhere"), ("CC", "elsewhere")], "BCC": [("BCC", "elsewhere")],
            "large": [("a", "x" * sizes[0]), ("b", "x" * (sizes[1] + 1))]}[what]
    device.publish("out/bad", "lost", 1, properties=properties_of(UserProperty=user))
    device.publish("out/bad", "lost", 0, properties=properties_of(UserProperty=user))
    # The largest that fit.
    largest = [("a", "x" * sizes[0]), ("b", "x" * sizes[1])]
    device.publish("out/next", "next", 1, properties=properties_of(UserProperty=largest))
    method, properties, body = backend.message()
    assert body == b"next" and properties.headers["b"] == "x" * sizes[1]
    assert not properties.headers["x-mqtt-dup"] and backend.is_empty()
    wait_until(lambda: broker.counted("bridge_messages_unmappable") == 2, "both to be counted")
    wait_until(lambda: broker.counted("bridge_messages_unconfirmed") == 0 and broker.counted("bridge_waiting") == 0, "nothing to be left")
    assert re.search("to out.bad can not pass the bridge: .*" + ("131052" if what == "large" else what.split()[0]),
                     wait_line(broker, "can not pass the bridge"))
    assert broker.worker("bridge")["pid"] == bridge and len(broker.log.all("the bridge publishes to")) == 1


def test_an_expiry_that_is_longer_than_rabbitmq_takes(bridged, rabbit, opened):
    broker = bridged()
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port(), version="5.0"))
    device.publish("out/x", "late", 1, properties=properties_of(MessageExpiryInterval=0xFFFF_FFFF))
    assert backend.message()[1].expiration == str(10 * 365 * 86_400 * 1000)


@pytest.fixture
def narrow(bridged, rabbit):
    """A bridge to RabbitMQ while that takes nothing of more than 100,000 bytes."""
    rabbit.ctl("eval", "application:set_env(rabbit, max_message_size, 100000).")
    yield bridged()
    rabbit.ctl("eval", "application:set_env(rabbit, max_message_size, 134217728).")


@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_that_rabbitmq_never_takes(narrow, rabbit, opened, qos):
    """It closes the channel for one. What was on its way with it is sent again, in order and marked; it is not."""
    bridge = narrow.worker("bridge")["pid"]
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(narrow.port()))
    device.publish("out/large", "x" * 200_000, qos)
    device.publish("out/next", "next", 1)
    assert backend.message()[2] == b"next"
    # More than one, among others that RabbitMQ has not looked at yet.
    with rabbit.frozen():
        for number in range(60):
            device.publish("out/x", str(number), 1)
            if number in (20, 40):
                device.publish("out/large", "x" * 200_000, qos)
        wait_until(lambda: narrow.counted("bridge_messages_unconfirmed") == 62, "all to be under way")
    numbers, last = set(range(60)), -1
    while numbers:
        _, properties, body = backend.message()
        if int(body) in numbers:
            assert int(body) > last
            numbers.remove(last := int(body))
        else:
            assert properties.headers["x-mqtt-dup"]
    device.publish("out/last", "last", 1)
    while backend.message()[2] != b"last":
        pass
    # Of two that were not to be sent again the second may have gone with the first.
    wait_until(lambda: narrow.counted("bridge_messages_rejected") in ([3] if qos else [2, 3]), "them to be counted")
    wait_until(lambda: narrow.counted("bridge_messages_unconfirmed") == 0 and narrow.counted("bridge_waiting") == 0, "nothing to be left")
    line = wait_line(narrow, "RabbitMQ does not take a message to")
    assert "PRECONDITION_FAILED - message size 200000 is larger than configured max size 100000" in line
    assert "out.large" in line
    assert narrow.worker("bridge")["pid"] == bridge and not narrow.status().get("degraded")
    assert len(narrow.log.all("the bridge publishes to")) == 1 and not narrow.log.all("the bridge is not connected")


def test_nothing_comes_back(bridged, rabbit, opened):
    """What goes out and comes in by the same name, between one broker and itself, and between two."""
    one = bridged(outbound=["both/#"], inbound=["both/#"], node="one")
    two = bridged(outbound=["both/#"], inbound=["both/#"], node="two")
    clients = [opened(Paho(broker.port())) for broker in (one, two)]
    for client in clients:
        client.subscribe("both/#", 1)
    for number, client in enumerate(clients):
        client.publish("both/x", f"from {number}", 1)
        for other in clients:
            other.expect("both/x", f"from {number}")
    for broker in (one, two):
        wait_until(lambda: broker.counted("bridge_messages_looped") == 1, "its own to be counted")
    for client in clients:
        client.expect_nothing_before(unique())


# MARK: failures


@pytest.fixture
def traffic(bridged, rabbit, opened):
    def start(**more):
        broker = bridged(**more)
        return broker, Upward(broker, rabbit, opened), Downward(broker, rabbit, opened)

    return start


def test_rabbitmq_is_restarted_under_load(traffic, rabbit):
    broker, up, down = traffic()
    wait_traffic(up, down)
    rabbit.stop()
    reason = wait_until(lambda: broker.status().get("degraded"), "the trouble to be told")
    assert reason.startswith("RabbitMQ: ") and reason.endswith("messages wait for it")
    wait_traffic(up, more=1000)
    wait_until(lambda: broker.status()["counters"]["router_bridge_waiting"] > 500, "messages to wait")
    assert wait_line(broker, "the bridge is not connected to RabbitMQ")
    rabbit.start()
    wait_bridged(broker)
    wait_traffic(up, down)
    up.check()
    down.check()


@pytest.mark.skipif(not SOAK, reason="takes minutes: make soak")
@pytest.mark.timeout(400)
def test_rabbitmq_is_away_for_a_minute(start_broker, rabbit, opened):
    """Under load, with the pauses between two tries that apply without retry_limit."""
    options = settings(rabbit)
    del options["retry_limit"]
    broker = start_broker(bridge=options, supervisor={"heartbeat_interval": "100ms"})
    wait_bridged(broker)
    up, down = Upward(broker, rabbit, opened, pause=0.002), Downward(broker, rabbit, opened, pause=0.002)
    wait_traffic(up, down)
    rabbit.stop()
    start, sent = time.monotonic(), up.sent
    wait_until(lambda: time.monotonic() >= start + 60, "a minute", 70)
    assert up.sent > sent + 5000
    waiting = int(re.search(r"(\d+) messages wait for it", broker.status()["degraded"])[1])
    assert waiting > 5000
    # The journal says it again, with how many wait.
    lines = broker.log.all("the bridge is not connected to RabbitMQ")
    assert lines and len(lines) < 10, lines
    rabbit.start()
    wait_until(lambda: broker.counted("bridge_connected") == 1, "the bridge to be connected", 60)
    wait_traffic(up, down, more=1000)
    up.check()
    down.check()


def test_rabbitmq_is_killed_under_load(traffic, rabbit):
    broker, up, down = traffic()
    wait_traffic(up, down)
    rabbit.kill()
    wait_traffic(up)
    rabbit.start()
    wait_bridged(broker)
    wait_traffic(up, down)
    up.check()
    down.check()


@pytest.mark.parametrize("role", ["bridge", "router"])
def test_a_worker_is_killed_under_load(traffic, role):
    broker, up, down = traffic()
    for _ in range(5):
        wait_traffic(up, down)
        pid = broker.worker(role)["pid"]
        os.kill(pid, signal.SIGKILL)
        broker.wait_respawned(role, pid)
    wait_bridged(broker)
    wait_traffic(up, down)
    # What is under way a bridge has in its memory, and tells the next router.
    up.check(may_repeat=role == "bridge")
    down.check(may_repeat=role == "bridge")


@pytest.mark.parametrize("role", ["bridge", "router", "listener/mqtt"])
def test_a_worker_is_replaced_under_load(traffic, role):
    """On purpose nothing comes twice: a bridge lets what is under way come to its end."""
    broker, up, down = traffic()
    for _ in range(3):
        wait_traffic(up, down)
        broker.ctl("restart", role)
    wait_bridged(broker)
    wait_traffic(up, down)
    up.check(may_repeat=False)
    down.check(may_repeat=False)


def test_a_reload_repeats_nothing(start_broker, rabbit, opened):
    """Other settings apply when what is under way has come to its end."""
    options = settings(rabbit)
    beat = {"heartbeat_interval": "100ms"}
    broker = start_broker(bridge=options, supervisor=beat)
    wait_bridged(broker)
    up, down = Upward(broker, rabbit, opened), Downward(broker, rabbit, opened)
    for prefetch in (200, 300):
        wait_traffic(up, down)
        broker.configure(bridge={**options, "prefetch": prefetch, "in_flight": prefetch}, supervisor=beat)
        broker.ctl("reload")
    wait_traffic(up, down)
    up.check(may_repeat=False)
    down.check(may_repeat=False)


def test_a_reload_does_not_make_it_impatient(start_broker):
    """A server that lets nobody in, and other settings: it is tried again after the same pauses as before."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = {"uri": f"amqp://127.0.0.1:{server.getsockname()[1]}", "outbound": ["out/#"]}
        tries = []
        threading.Thread(target=lambda: refuse_all(server, tries), daemon=True).start()
        broker = start_broker(bridge=options)
        wait_until(lambda: len(tries) >= 5, "five tries")
        broker.configure(bridge={**options, "prefetch": 10})
        broker.ctl("reload")
        first = len(tries)
        # Afresh: after 100, 200, 400, 800, 1600 ms, each up to a half shorter.
        wait_until(lambda: len(tries) >= first + 5, "five more")
        pauses = [after - before for before, after in zip(tries[first:], tries[first + 1:])]
        assert min(pauses[1:]) > 0.04, pauses
        server.shutdown(socket.SHUT_RDWR)


def refuse_all(server, tries):
    """Closes whatever connects, and notes when."""
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return
        tries.append(time.monotonic())


def test_what_waits_outlives_the_broker(start_broker, rabbit, opened):
    """RabbitMQ is away, the broker stops and starts again: what its clients were told is there arrives."""
    options = {"bridge": settings(rabbit), "supervisor": {"heartbeat_interval": "100ms"}}
    broker = start_broker(**options)
    wait_bridged(broker)
    declare(rabbit, queue := unique("kept"), "out.#")
    rabbit.stop()
    try:
        device = opened(Paho(broker.port()))
        for number in range(100):
            device.publish("out/x", str(number), 1)
        device.close()
        broker.signal(signal.SIGTERM)
        broker.process.wait(15)
        broker = start_broker(**options, folder=broker.take_folder())
        wait_until(lambda: broker.counted("bridge_waiting") == 100, "all to wait")
    finally:
        rabbit.start()
    wait_bridged(broker)
    wait_until(lambda: rabbit.messages_in(queue) == 100, "all to arrive")


def test_no_more_waits_than_may(start_broker, rabbit, opened):
    """backlog_messages at its limit, with each policy."""
    kept = {"drop_oldest": [str(number) for number in range(10, 20)], "drop_newest": [str(number) for number in range(10)]}
    for policy, expected in kept.items():
        broker = start_broker(
            bridge=settings(rabbit, uri="amqp://127.0.0.1:1", backlog_messages=10, backlog_policy=policy),
            supervisor={"heartbeat_interval": "100ms"})
        device = opened(Paho(broker.port()))
        for number in range(20):
            device.publish("out/x", str(number), 1)
        wait_until(lambda: broker.counted("router_bridge_dropped") == 10, "ten to be dropped")
        wait_until(lambda: broker.counted("bridge_waiting") == 10, "ten to wait")
        backend = opened(AMQP(rabbit, "out.#"))
        broker.configure(bridge=settings(rabbit, backlog_messages=10, backlog_policy=policy),
                         supervisor={"heartbeat_interval": "100ms"})
        broker.ctl("reload")
        assert [body.decode() for _, _, body in backend.messages(10)] == expected


def test_what_is_lost_at_qos_0_is_forgotten(bridged, rabbit, opened):
    """It takes no room for ever."""
    line = opened(Line(rabbit.port))
    broker = bridged(uri=rabbit.uri.replace(str(rabbit.port), str(line.port)))
    device = opened(Paho(broker.port()))
    with rabbit.frozen():
        for number in range(50):
            device.publish("out/x", str(number), 0)
        wait_until(lambda: broker.counted("bridge_messages_unconfirmed") == 50, "all to be under way")
        line.cut()
        wait_until(lambda: broker.status().get("degraded"), "the trouble to be told")
    line.mend()
    wait_bridged(broker)
    wait_until(lambda: broker.counted("bridge_messages_unconfirmed") == 0, "none to be")


def test_what_goes_at_qos_0(bridged, rabbit, opened):
    """qos = 0: it waits while the router lives, and is sent once."""
    line = opened(Line(rabbit.port))
    broker = bridged(qos=0, uri=rabbit.uri.replace(str(rabbit.port), str(line.port)))
    device, backend = opened(Paho(broker.port())), opened(AMQP(rabbit, "out.#"))
    device.publish("out/x", "first", 1)
    _, properties, body = backend.message()
    assert (body, properties.delivery_mode, properties.headers["x-mqtt-publish-qos"]) == (b"first", 1, 0)
    line.cut()
    wait_until(lambda: broker.status().get("degraded"), "the trouble to be told")
    for number in range(10):
        device.publish("out/x", str(number), 1)
    wait_until(lambda: broker.counted("bridge_waiting") == 10, "all to wait")
    line.mend()
    wait_bridged(broker)
    for number in range(10):
        _, properties, body = backend.message()
        assert body == str(number).encode() and not properties.headers["x-mqtt-dup"]


def test_no_more_comes_than_prefetch(bridged, rabbit):
    bridged(prefetch=37, queue=(queue := unique("apus")))
    rows = rabbit.ctl("list_consumers", "--no-table-headers", "queue_name", "prefetch_count").splitlines()
    assert [row.split("\t")[1] for row in rows if row.startswith(queue)] == ["37"]


def test_what_comes_again_at_qos_0_is_left_out(bridged, rabbit, opened):
    """At most once: a bridge that is killed may have handed it on."""
    broker = bridged(queue=(queue := unique("apus")))
    backend, device = opened(AMQP(rabbit)), opened(Paho(broker.port(), version="5.0"))
    device.subscribe("in/#", 1)
    os.kill(router := broker.worker("router")["pid"], signal.SIGSTOP)
    try:
        for qos in (0, 1):
            backend.publish("in.x", f"qos {qos}", headers={"x-mqtt-publish-qos": qos})
        wait_until(lambda: broker.counted("bridge_messages_unacknowledged") == 2, "both to be in the bridge")
        pid = broker.worker("bridge")["pid"]
        os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(router, signal.SIGCONT)
    broker.wait_respawned("bridge", pid)
    while (message := device.message()).payload == b"qos 0" or not message.properties.json().get("UserProperty"):
        pass
    assert message.payload == b"qos 1" and message.properties.UserProperty == [("x-amqp-redelivered", "true")]
    wait_until(lambda: broker.counted("bridge_messages_skipped") == 1, "it to be counted")
    wait_until(lambda: rabbit.messages_in(queue) == 0, "both to be acknowledged")
    device.expect_nothing_before(unique())


def test_no_more_is_unconfirmed_than_may(bridged, rabbit, opened):
    """in_flight at its limit: what may be there when RabbitMQ dies, unconfirmed, is marked when it comes again."""
    broker = bridged(in_flight=10)
    declare(rabbit, queue := unique("window"), "out.#")
    os.killpg(rabbit.process.pid, signal.SIGSTOP)
    device = opened(Paho(broker.port()))
    for number in range(50):
        device.publish("out/x", str(number), 1)
    wait_until(lambda: broker.counted("bridge_messages_unconfirmed") == 50, "all to be under way")
    rabbit.kill()
    rabbit.start()
    wait_bridged(broker)
    backend = opened(AMQP(rabbit))
    backend.queue = queue
    messages = backend.messages(50)
    assert [int(body) for _, _, body in messages] == list(range(50))
    assert [number for number, (_, properties, _) in enumerate(messages) if properties.headers["x-mqtt-dup"]] == list(range(10))


# MARK: what an operator has to know


def wait_trouble(broker, words):
    """The words stand in the status and in the log, and the bridge lives."""
    reason = wait_until(lambda: (text := broker.status().get("degraded", "")) and words in text and text,
                        f"the status to say {words}", 20)
    assert reason.startswith("RabbitMQ: ") and "messages wait for it" in reason
    assert words in wait_line(broker, "the bridge is not connected to RabbitMQ")
    assert broker.worker("bridge")["state"] == "ready" and broker.worker("bridge")["restarts"] == 0


def test_how_much_waits(start_broker, opened):
    """A bridge that has not been connected yet says so, and how much waits then stands in status, journal and counters."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"amqp://127.0.0.1:{server.getsockname()[1]}"
        broker = start_broker(bridge={"uri": uri, "outbound": ["out/#"], "inbound": ["in/#"], "connect_timeout": "60 s"},
                              supervisor={"heartbeat_interval": "100ms"})
        callers = [server.accept()[0] for _ in range(2)]
        reason = wait_until(lambda: broker.status().get("degraded"), "the status to say so")
        assert reason == "RabbitMQ: the bridge has not been connected yet; 0 messages wait for it"
        wait_until(lambda: "bridge_connected" in broker.status()["counters"], "the bridge to report")
        assert broker.counted("bridge_connected") == 0
        device = opened(Paho(broker.port()))
        for count in range(1, 9):
            device.publish("out/x", "x", 1)
            # Each is another report of the router's: what the one before it said the bridge knows.
            wait_until(lambda: broker.status()["degraded"].endswith(f"; {count} messages wait for it"), f"{count} to wait")
        for caller in callers:
            caller.close()
        line = wait_line(broker, "the bridge is not connected to RabbitMQ")
        assert int(re.search(r"(\d+) messages wait for it", line)[1]) >= 7
        assert broker.counted("bridge_connected") == 0


@pytest.mark.parametrize("error", ["password", "exchange", "queue", "silence", "two"])
def test_trouble_is_told_once(start_broker, rabbit, opened, error):
    """However often the bridge tries; of two servers each has its own."""
    line = opened(Line(rabbit.port))
    uri = rabbit.uri.replace(str(rabbit.port), str(line.port))
    options = settings(rabbit, uri=uri, retry_limit="100 ms")
    if error in ("password", "two"):
        options["uri"] = uri.replace("guest:guest", "guest:wrong")
    if error == "two":
        options["uri"] = [options["uri"], "amqp://127.0.0.1:1"]
    if error == "exchange":
        options |= {"exchange": unique("exchange"), "declare_exchange": False}
    if error == "queue":
        declare(rabbit, queue := unique("other"), **{"x-max-length": 7})
        options["queue"] = queue
    if error == "silence":
        line.cut()
    broker = start_broker(bridge=options, supervisor={"heartbeat_interval": "100ms"})
    bridge = broker.worker("bridge")["pid"]
    wait_until(lambda: line.calls >= 16, "sixteen tries", 20)
    told = [re.search("to RabbitMQ: (.*); [0-9]+ messages", text)[1]
            for text in broker.log.all("the bridge is not connected to RabbitMQ")]
    # Who is hung up on sees an end, or a reset.
    assert len(told) == len(set(told)) and len(told) in ([2] if error == "two" else [1, 2] if error == "silence" else [1]), told
    assert broker.worker("bridge")["pid"] == bridge


def test_a_wrong_password(start_broker, rabbit, opened):
    broker = start_broker(bridge=settings(rabbit, uri=rabbit.uri.replace("guest:guest", "guest:wrong")))
    wait_trouble(broker, "ACCESS_REFUSED")
    # Everybody else is served.
    device = opened(Paho(broker.port()))
    device.expect_nothing_before("out/x")
    assert "wrong" not in "\n".join(broker.log.all())


def test_the_permissions_of_the_manual(start_broker, rabbit, opened):
    """A user with these and no others."""
    text = (ROOT / "docs/rabbitmq.md").read_text()
    permissions = re.search(r"set_permissions apus '(.*)' '(.*)' '(.*)'", text).groups()
    rabbit.ctl("add_user", "apus", "secret")
    rabbit.ctl("set_permissions", "apus", *permissions)
    uri = rabbit.uri.replace("guest:guest", "apus:secret")
    broker = start_broker(bridge=settings(rabbit, uri=uri, queue="apus"), supervisor={"heartbeat_interval": "100ms"})
    wait_bridged(broker)
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    device.subscribe("in/#", 1)
    device.publish("out/x", "up", 1)
    assert backend.message()[2] == b"up"
    backend.publish("in.x", b"down")
    device.expect("in/x", "down")
    broker.configure(bridge=settings(rabbit, uri=uri, queue="other"), supervisor={"heartbeat_interval": "100ms"})
    broker.ctl("reload")
    wait_trouble(broker, "ACCESS_REFUSED - access to queue 'other'")


def test_nobody_there(start_broker, rabbit):
    broker = start_broker(bridge=settings(rabbit, uri="amqp://127.0.0.1:1"))
    wait_trouble(broker, "127.0.0.1:1 can not be reached")


def test_a_missing_exchange(start_broker, rabbit, opened):
    exchange = unique("exchange")
    broker = start_broker(bridge=settings(rabbit, exchange=exchange, declare_exchange=False),
                          supervisor={"heartbeat_interval": "100ms"})
    wait_trouble(broker, f"NOT_FOUND - no exchange '{exchange}'")
    backend = opened(AMQP(rabbit))
    backend.channel.exchange_declare(exchange, "topic", durable=True)
    wait_bridged(broker)


def test_an_exchange_of_its_own(bridged, rabbit, opened):
    exchange = unique("exchange")
    broker = bridged(exchange=exchange, routing_key="mqtt.{topic}")
    backend, device = opened(AMQP(rabbit, "mqtt.#", exchange=exchange)), opened(Paho(broker.port()))
    device.subscribe("in/#", 1)
    device.publish("out/a", "up", 1)
    assert backend.message()[0].routing_key == "mqtt.out.a"
    backend.publish("mqtt.in.a", "down")
    device.expect("in/a", "down")


def test_an_incompatible_queue(start_broker, rabbit, opened):
    declare(rabbit, queue := unique("other"), **{"x-max-length": 7})
    broker = start_broker(bridge=settings(rabbit, queue=queue))
    wait_trouble(broker, "PRECONDITION_FAILED - inequivalent arg 'x-max-length'")


def test_arguments_of_the_queue(bridged, rabbit):
    queue = unique("apus")
    bridged(queue=queue, queue_type="quorum", queue_length=1000, queue_ttl="1 h")
    row = next(row for row in rabbit.ctl("list_queues", "--no-table-headers", "name", "type", "durable", "arguments")
               .splitlines() if row.startswith(queue))
    assert row.split("\t")[1:3] == ["quorum", "true"]
    assert '"x-message-ttl",3600000' in row.replace(" ", "") and '"x-max-length",1000' in row.replace(" ", "")


def test_the_next_server_where_one_does_not_answer(bridged, rabbit, opened):
    broker = bridged(uri=["amqp://127.0.0.1:1", rabbit.uri])
    assert wait_line(broker, "the bridge is not connected to RabbitMQ: 127.0.0.1:1")
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    device.publish("out/x", "x", 1)
    assert backend.message()[2] == b"x"


def test_the_next_server_when_one_dies(start_broker, rabbit, opened):
    """And what waits in the queue of one that is no more: it is there when the bridge is."""
    first, line = opened(RabbitMQ()), opened(Line(rabbit.port))
    second = rabbit.uri.replace(str(rabbit.port), str(line.port))
    broker = start_broker(bridge=settings(rabbit, uri=[first.uri, second], queue=(queue := unique("apus"))),
                          supervisor={"heartbeat_interval": "100ms"})
    wait_bridged(broker)
    assert rabbit.messages_in(queue) is None
    for server in (first, rabbit):
        declare(server, up := "up-" + queue, "out.#")
    device = opened(Paho(broker.port()))
    device.subscribe("in/#", 1)
    for number in range(200):
        if number == 100:
            first.kill()
        device.publish("out/x", str(number), 1)
    wait_bridged(broker)
    wait_until(lambda: broker.counted("bridge_waiting") == 0, "all to be sent")
    backend = opened(AMQP(rabbit))
    backend.publish("in.x", "through the second")
    device.expect("in/x", "through the second")
    # The first is there again: the bridge stays where it is, and what comes to the first one's queue waits.
    first.start()
    program = opened(AMQP(first))
    program.publish("in.x", "waits", delivery_mode=2)
    device.expect_nothing_before(unique())
    assert first.messages_in(queue) == 1
    numbers = set()
    for server in (first, rabbit):
        reader = opened(AMQP(server))
        reader.queue = up
        while not reader.is_empty():
            numbers.add(int(reader.message()[2]))
    assert numbers == set(range(200))
    line.cut()
    device.expect("in/x", "waits", 30)
    lines = broker.log.all("the bridge consumes from RabbitMQ at")
    assert [text.rpartition(":")[2] for text in lines] == [str(port) for port in (first.port, line.port, first.port)]


def test_a_server_that_says_nothing(start_broker, rabbit, opened):
    """heartbeat: a server that is silent for longer than it allows is gone, and is found again."""
    broker = start_broker(bridge=settings(rabbit, heartbeat="2 s", connect_timeout="1 s"), supervisor={"heartbeat_interval": "100ms"})
    wait_bridged(broker)
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    with rabbit.frozen():
        assert "heartbeat" in broker.log.wait("the bridge is not connected to RabbitMQ", 15)
    wait_bridged(broker)
    device.publish("out/x", "again", 1)
    assert backend.message()[2] == b"again"


def test_rabbitmq_takes_nothing(bridged, rabbit, opened):
    """Its memory alarm: it says so, and what is for it waits."""
    broker = bridged()
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    rabbit.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        for number in range(50):
            device.publish("out/x", str(number), 1)
        wait_trouble_text = wait_until(lambda: broker.status().get("degraded"), "the trouble to be told", 20)
        assert "takes nothing" in wait_trouble_text
    finally:
        rabbit.ctl("set_vm_memory_high_watermark", "absolute", "2GB")
    assert [body.decode() for _, _, body in backend.messages(50)] == [str(number) for number in range(50)]
    wait_bridged(broker)


def test_rabbitmq_refuses(bridged, rabbit, opened):
    """A full queue that rejects what is published: it is sent again until it is taken."""
    declare(rabbit, queue := unique("full"), "out.full", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    broker = bridged()
    device = opened(Paho(broker.port()))
    for number in range(3):
        device.publish("out/full", str(number), 1)
    wait_until(lambda: broker.counted("bridge_messages_refused") >= 1, "a refusal")
    assert "out.full" in wait_line(broker, "RabbitMQ has refused")
    backend, got = opened(AMQP(rabbit)), set()
    backend.queue = queue
    while len(got) < 3:
        got.add(backend.message()[2])
    assert got == {b"0", b"1", b"2"}


def test_its_session_is_nobody_elses(bridged, opened):
    broker = bridged()
    thief = opened(w.Wire(broker.port()))
    thief.send(w.connect("$bridge/rabbitmq", w.V5, clean=False))
    assert thief.expect(w.CONNACK).body[1] == 0x85
    assert broker.client("$bridge/rabbitmq")


def test_an_operator_kicks_it(bridged, rabbit, opened):
    broker = bridged()
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    broker.ctl("kick", "$bridge/rabbitmq")
    for number in range(10):
        device.publish("out/x", str(number), 1)
    assert [body.decode() for _, _, body in backend.messages(10)] == [str(number) for number in range(10)]


def test_a_reload_begins_changes_and_ends_it(start_broker, rabbit, opened):
    beat = {"heartbeat_interval": "100ms"}
    broker = start_broker(supervisor=beat)
    assert not broker.workers("bridge")
    backend, device = opened(AMQP(rabbit, "out.#", "other.#")), opened(Paho(broker.port()))
    queue = unique("apus")
    broker.configure(bridge=settings(rabbit, queue=queue), supervisor=beat)
    assert "bridge.rabbitmq" in broker.ctl("reload").stdout
    wait_bridged(broker)
    device.publish("out/x", "1", 1)
    assert backend.message()[2] == b"1"
    pid = broker.worker("bridge")["pid"]
    broker.configure(bridge=settings(rabbit, queue=queue, outbound=["other/#"], inbound=["else/#"]), supervisor=beat)
    assert "bridge.rabbitmq.outbound" in broker.ctl("reload").stdout
    device.publish("out/x", "2", 1)
    device.publish("other/x", "3", 1)
    assert backend.message()[2] == b"3"
    device.subscribe("else/#", 1)
    wait_until(lambda: backend.publish("else.x", "4") or not device.messages.empty(), "the queue to be bound")
    assert broker.worker("bridge")["pid"] == pid
    broker.configure(supervisor=beat)
    broker.ctl("reload")
    wait_until(lambda: not broker.workers("bridge"), "the bridge to be gone")
    device.publish("other/x", "5", 1)
    # What was to go there is nobody's any more: a bridge that comes later does not find it.
    broker.configure(bridge=settings(rabbit, queue=queue, outbound=["other/#"]), supervisor=beat)
    broker.ctl("reload")
    wait_bridged(broker)
    device.publish("other/x", "6", 1)
    assert backend.message()[2] == b"6"


def test_a_bridge_that_can_not_start_takes_nobody_down(start_broker, rabbit, opened, tmp_path):
    for name in ("apus-listener", "apus-router"):
        shutil.copy(BIN / name, tmp_path / name)
    (tmp_path / "apus-bridge").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apus-bridge").chmod(0o755)
    broker = start_broker(bridge=settings(rabbit), top={"libexec_dir": str(tmp_path)})
    device = opened(Paho(broker.port()))
    device.publish("out/x", "kept", 1)
    assert broker.status()["degraded"].startswith("RabbitMQ: the bridge has ended: exit status 1")
    backend = opened(AMQP(rabbit, "out.#"))
    shutil.copy(BIN / "apus-bridge", tmp_path / "new")
    os.replace(tmp_path / "new", tmp_path / "apus-bridge")
    assert backend.message(40)[2] == b"kept"
