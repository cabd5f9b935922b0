"""Traffic through a bridge, in both directions, and what is to hold of it whatever dies meanwhile."""

import collections
import contextlib
import os
import socket
import threading

import pika
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker import wait_until
from client import Paho, unique
from amqp import AMQP, declare


class Tally:
    """What has come of so many numbered messages on some topics. Printed: of a run with -rP or in make soak one line each."""

    def __init__(self, what, sent):
        self.what, self.sent, self.left = what, sent, set(range(sent))
        self.repeated, self.disordered, self._last = 0, 0, {}

    def add(self, topic, number):
        """Whether it is new."""
        if number not in self.left:
            self.repeated += 1
            return False
        self.left.remove(number)
        self.disordered += self._last.get(topic, -1) > number
        self._last[topic] = max(number, self._last.get(topic, -1))
        return True

    def close(self, may_repeat=True):
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[2].partition(" ")[0]
        print(f"{test}, {self.what}: {self.sent} sent, {self.sent - len(self.left)} arrived, {len(self.left)} lost, "
              f"{self.repeated} repeated, {self.disordered} out of order")
        assert not self.left, f"{len(self.left)} of {self.sent} messages are missing: {sorted(self.left)[:20]}"
        assert not self.disordered
        assert may_repeat or not self.repeated


class Line:
    """A port that leads to another one until it is cut. Counts who calls."""

    def __init__(self, port):
        self._target, self._server = port, socket.create_server(("127.0.0.1", 0))
        self.port, self.calls = self._server.getsockname()[1], 0
        self._ends, self._lock, self._is_cut = set(), threading.Lock(), False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near = self._server.accept()[0]
            except OSError:
                return
            self.calls += 1
            with self._lock, contextlib.suppress(OSError):
                if self._is_cut:
                    near.close()
                    continue
                ends = near, socket.create_connection(("127.0.0.1", self._target))
                self._ends.update(ends)
                for source, target in (ends, ends[::-1]):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()
                continue
            near.close()

    def _pass(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends.discard(source)
        source.close()

    def cut(self):
        """Ends what there is; who calls from now on is hung up on."""
        with self._lock:
            self._is_cut = True
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self._is_cut = False

    def close(self):
        self.cut()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class Upward:
    """A client that publishes at QoS 1 until it is stopped, on four topics, and what a queue of RabbitMQ's has of it.

    pause: seconds between two of its messages."""

    def __init__(self, broker, rabbit, opened, pause=0.0):
        self.rabbit, self.queue, self.base, self.pause = rabbit, unique("up"), f"out/{unique()}", pause
        declare(rabbit, self.queue, self.base.replace("/", ".") + ".#")
        self.client = opened(Paho(broker.port()))
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self):
        waiting = collections.deque()
        while not self._stop.wait(self.pause):
            waiting.append(self.client.client.publish(f"{self.base}/{self.sent % 4}", str(self.sent), 1))
            self.sent += 1
            if len(waiting) == 50:
                waiting.popleft().wait_for_publish(60)
        for info in waiting:
            info.wait_for_publish(60)

    def wait_sent(self, count):
        wait_until(lambda: self.sent >= count, f"{count} messages", 60)

    def check(self, may_repeat=True):
        """Everything that was acknowledged is there, in order, and what came again says so."""
        self._stop.set()
        self._thread.join()
        tally = Tally("to RabbitMQ", self.sent)
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.rabbit.uri))) as connection:
            channel = connection.channel()
            for method, properties, body in channel.consume(self.queue, auto_ack=True, inactivity_timeout=30):
                if not method:
                    break
                if not tally.add(method.routing_key, int(body)):
                    assert properties.headers["x-mqtt-dup"], f"{int(body)} came again, and does not say so"
                if not tally.left:
                    break
        tally.close(may_repeat)
        return tally


class Downward:
    """A program that publishes to RabbitMQ until it is stopped, and goes on when that comes back; what a client hears of it.

    pause: seconds between two of its messages."""

    def __init__(self, broker, rabbit, opened, pause=0.0):
        self.rabbit, self.base, self.pause = rabbit, f"in/{unique()}", pause
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 3600
        self.client = opened(Paho(broker.port(), version="5.0", clean=False, properties=lasting))
        self.client.subscribe(f"{self.base}/#", 1)
        self.sent, self._doubled = 0, set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self):
        backend = None
        while not self._stop.wait(self.pause):
            try:
                backend = backend or AMQP(self.rabbit)
                key = f"{self.base}/{self.sent % 4}".replace("/", ".")
                backend.publish(key, str(self.sent), mandatory=True, delivery_mode=2)
                self.sent += 1
            except (pika.exceptions.AMQPError, OSError):
                # It may be there, unconfirmed: the next one is sent under the same number.
                self._doubled.add(self.sent)
                backend = None
                self._stop.wait(0.1)
        if backend:
            backend.close()

    def wait_sent(self, count):
        wait_until(lambda: self.sent >= count, f"{count} messages", 60)

    def check(self, may_repeat=True):
        self._stop.set()
        self._thread.join()
        tally = Tally("from RabbitMQ", self.sent)
        with contextlib.suppress(TimeoutError):
            while tally.left:
                message = self.client.message(30)
                number = int(message.payload)
                if not tally.add(message.topic, number):
                    marks = dict(getattr(message.properties, "UserProperty", []))
                    assert marks.get("x-amqp-redelivered") == "true" or number in self._doubled, (
                        f"{number} came again, and does not say so")
        tally.close(may_repeat)
        return tally


class Across:
    """A client that publishes at one node of a cluster until it is stopped, on four topics, and what durable sessions at others hear."""

    def __init__(self, source, targets, opened, qos=1):
        self.base, self.qos, self.sent = f"across/{unique()}", qos, 0
        self.client = opened(Paho(source.port(), version="5.0"))
        self.hearers = [opened(Paho(target.port(), clean=False)) for target in targets]
        for hearer in self.hearers:
            hearer.subscribe(f"{self.base}/#", 2)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    @property
    def key(self):
        return self.base.replace("/", ".") + ".#"

    def start(self):
        self._thread.start()
        return self

    def _publish(self):
        waiting = collections.deque()
        # No faster than those who hear it: what waits for them has a limit, too.
        while not self._stop.wait(0.001):
            waiting.append(self.client.client.publish(f"{self.base}/{self.sent % 4}", str(self.sent), self.qos))
            self.sent += 1
            if len(waiting) == 20:
                waiting.popleft().wait_for_publish(60)
        for info in waiting:
            info.wait_for_publish(60)

    def wait_sent(self, count):
        wait_until(lambda: self.sent >= count, f"{count} messages", 60)

    def stop(self):
        self._stop.set()
        self._thread.join()

    def check(self, broken=()):
        """Everyone has heard everything once, in order, and nothing else. broken: the messages of those who were cut off, and
        may have been sent again to them what they had not acknowledged."""
        self.stop()
        for place, hearer in enumerate(self.hearers):
            heard, left, again = collections.defaultdict(list), set(range(self.sent)), 0
            earlier = list(broken.get(hearer, ())) if broken else []
            while left:
                try:
                    message = earlier.pop(0) if earlier else hearer.message(15)
                except TimeoutError:
                    missing = sorted(left)
                    raise TimeoutError(f"{len(left)} of {self.sent} messages are missing: {missing[:20]} to {missing[-20:]}") from None
                number = int(message.payload)
                assert message.qos == self.qos
                assert number in left or broken and hearer in broken, f"{number} came twice"
                again += number not in left
                if number in left:
                    left.remove(number)
                    heard[message.topic].append(number)
            tally = Tally(f"to node {place + 2}", self.sent)
            for topic, numbers in heard.items():
                for number in numbers:
                    tally.add(topic, number)
            tally.repeated = again
            tally.close()
            for number in range(4):
                assert heard[f"{self.base}/{number}"] == list(range(number, self.sent, 4))
            if not broken or hearer not in broken:
                hearer.expect_nothing_before(unique())


def wait_traffic(*flows, more=300):
    for flow in flows:
        flow.wait_sent(flow.sent + more)
