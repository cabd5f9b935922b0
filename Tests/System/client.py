"""Clients written by others, behind a few blocking calls: paho, mosquitto's, Node's, websockets.

Each raises TimeoutError where what it waits for does not come. None of them sleeps.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket

from broker import Lines

HERE = Path(__file__).resolve().parent
VERSIONS = {"3.1": MQTTProtocolVersion.MQTTv31, "3.1.1": MQTTProtocolVersion.MQTTv311,
            "5.0": MQTTProtocolVersion.MQTTv5}


def unique(prefix="test"):
    """A name that no other test uses, for topics and client ids."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def take(items, timeout, what):
    try:
        return items.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError(f"{timeout} s without: {what}") from None


class Paho:
    """A paho client that is connected when the constructor returns."""

    def __init__(self, port, client_id=None, version="3.1.1", transport="tcp", clean=True, keep_alive=60, will=None,
                 will_properties=None, properties=None, username=None, password=None, connect=True):
        self.client_id = unique() if client_id is None else client_id
        self.version = version
        self.messages, self._connected, self._disconnected = queue.Queue(), queue.Queue(), queue.Queue()
        self._acknowledged = queue.Queue()
        five = version == "5.0"
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, self.client_id, clean_session=None if five else clean,
            protocol=VERSIONS[version], transport=transport, reconnect_on_failure=False)
        self.client.max_queued_messages_set(0)
        if username is not None:
            self.client.username_pw_set(username, password)
        if transport == "websockets":
            self.client.ws_set_options(path="/mqtt")
        if will:
            topic, payload, qos, retain = will
            self.client.will_set(topic, payload, qos, retain, will_properties)
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_connect = lambda client, data, flags, reason, props: self._connected.put((flags, reason, props))
        self.client.on_disconnect = lambda client, data, flags, reason, props: self._disconnected.put(reason)
        self.client.on_subscribe = self.client.on_unsubscribe = (
            lambda client, data, mid, reasons, props: self._acknowledged.put((mid, reasons)))
        arguments = {"clean_start": clean, "properties": properties} if five else {}
        self.client.connect("127.0.0.1", port, keep_alive, **arguments)
        self.client.loop_start()
        if connect:
            self.flags, reason, self.properties = self.wait_connected()
            assert not reason.is_failure, reason

    def wait_connected(self, timeout=10.0):
        """(flags, reason, properties) of the CONNACK."""
        return take(self._connected, timeout, "CONNACK")

    def wait_disconnected(self, timeout=10.0):
        """The reason of the DISCONNECT, or paho's own where the connection was just closed."""
        return take(self._disconnected, timeout, "the connection's end")

    def subscribe(self, topic, qos=0, options=None):
        """Returns the reason code that the SUBACK has for it."""
        result, mid = self.client.subscribe(topic, options=options) if options else self.client.subscribe(topic, qos)
        assert result == 0, result
        return self._wait_acknowledged(mid)[0].value

    def unsubscribe(self, topic):
        result, mid = self.client.unsubscribe(topic)
        assert result == 0, result
        return self._wait_acknowledged(mid)

    def _wait_acknowledged(self, mid):
        acknowledged, reasons = take(self._acknowledged, 10, "SUBACK or UNSUBACK")
        assert acknowledged == mid
        return reasons

    def publish(self, topic, payload="", qos=0, retain=False, properties=None, timeout=10.0):
        """Returns when it is sent, at QoS 1 and 2 when it is acknowledged."""
        info = self.client.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(timeout)
        assert info.is_published(), f"{timeout} s without an acknowledgement of {topic}"

    def message(self, timeout=10.0):
        return take(self.messages, timeout, "a message")

    def expect(self, topic, payload, timeout=10.0):
        message = self.message(timeout)
        payload = payload if isinstance(payload, bytes) else payload.encode()
        assert (message.topic, message.payload[:200]) == (topic, payload[:200])
        assert message.payload == payload
        return message

    def expect_nothing_before(self, topic, qos=0):
        """What was sent to this client so far is nothing: the first thing it gets is its own next message."""
        self.subscribe(topic, qos)
        mark = unique("mark")
        self.publish(topic, mark, qos)
        self.expect(topic, mark)

    def abort(self):
        """The connection ends as in a crash, without DISCONNECT."""
        self.client.socket().shutdown(2)
        self.client.loop_stop()

    def close(self, reason=None):
        if self.version == "5.0" and reason is not None:
            self.client.disconnect(reason)
        else:
            self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class JSON:
    """A browser as the broker sees it: JSON in text frames, no subprotocol."""

    def __init__(self, port, **options):
        options = {"ping_interval": None, "compression": None, "max_size": None, "proxy": None, **options}
        self._connection = contextlib.ExitStack()
        self.socket = self._connection.enter_context(websocket(f"ws://127.0.0.1:{port}/", **options))

    def send(self, Action=None, **fields):
        self.send_text(json.dumps({"Action": Action, **fields}))

    def send_text(self, text):
        self.socket.send(text)

    def receive(self, timeout=10.0):
        text = self.socket.recv(timeout)
        assert isinstance(text, str), text
        return json.loads(text)

    def request(self, Action, **fields):
        """Sends with an Id and returns the answer, which must be the next thing that comes."""
        identifier = unique("id")
        self.send(Action, Id=identifier, **fields)
        answer = self.receive()
        assert answer.get("Id") == identifier, answer
        return answer

    def subscribe(self, topic, **fields):
        answer = self.request("subscribe", Topic=topic, **fields)
        assert answer["Action"] == "ack", answer

    def expect(self, topic, payload):
        message = self.receive()
        assert (message.get("Topic"), message.get("Payload")) == (topic, payload), message
        return message

    def wait_closed(self, timeout=10.0):
        """Reads to the end of the connection and returns its close code; TimeoutError where it stays open."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.socket.recv(max(0.001, deadline - time.monotonic()))
        except ConnectionClosed:
            return self.socket.close_code

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Program:
    """A client that is a process of its own; its output arrives in `lines`."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(environment or {})})
        self.lines = Lines().read_from(self.process.stdout)

    def wait(self, pattern, timeout=15.0):
        return self.lines.wait(pattern, timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.stdin.close()
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            # mosquitto_sub disconnects within its signal handler, and waits for a lock of its own where it was interrupted
            # while it held that.
            self.process.kill()
            return self.process.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def node(script, *arguments):
    """One of clients/*.js, with the modules of Debian's node packages."""
    interpreter = shutil.which("node")
    assert interpreter, "node is missing: install Debian's nodejs, node-mqtt and node-ws"
    return Program(interpreter, HERE / "clients" / script, *arguments,
                   environment={"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"})


def mosquitto_sub(port, topic, *options):
    """Subscribed when this returns; prints "message TOPIC QOS RETAIN PAYLOAD" for each message."""
    program = Program("stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-d", "-F",
                      "message %t %q %r %p", *options)
    program.wait("^Subscribed")
    return program


def mosquitto_pub(port, topic, payload, *options):
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-m", payload, *options],
                   check=True, timeout=20)
