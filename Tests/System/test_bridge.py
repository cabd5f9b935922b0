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
from bridging import Downward, Upward, wait_traffic
from broker import BIN, ROOT, wait_until
from client import JSON, Paho, unique
from amqp import AMQP, declare, rabbit  # noqa: F401, a fixture


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
    device = opened(Paho(broker.port()))
    device.publish("out/nobody", "x", 1)
    wait_until(lambda: broker.counted("bridge_messages_unroutable") == 1, "it to be counted")
    line = wait_line(broker, "has no queue for")
    assert "out.nobody" in line and "NO_ROUTE" in line and "amq.topic" in line


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
