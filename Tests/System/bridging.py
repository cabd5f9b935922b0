"""Traffic through a bridge, in both directions, and what is to hold of it whatever dies meanwhile."""

import collections
import contextlib
import threading

import pika

from broker import wait_until
from client import Paho, unique
from amqp import AMQP, declare


class Upward:
    """A client that publishes at QoS 1 until it is stopped, on four topics, and what a queue of RabbitMQ's has of it."""

    def __init__(self, broker, rabbit, opened):
        self.rabbit, self.queue, self.base = rabbit, unique("up"), f"out/{unique()}"
        declare(rabbit, self.queue, self.base.replace("/", ".") + ".#")
        self.client = opened(Paho(broker.port()))
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self):
        waiting = collections.deque()
        while not self._stop.is_set():
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
        seen, repeated = collections.defaultdict(list), 0
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.rabbit.uri))) as connection:
            channel = connection.channel()
            left = set(range(self.sent))
            for method, properties, body in channel.consume(self.queue, auto_ack=True, inactivity_timeout=30):
                assert method, f"{len(left)} of {self.sent} messages are missing"
                number = int(body)
                if number in left:
                    left.remove(number)
                    seen[method.routing_key].append(number)
                else:
                    repeated += 1
                    assert may_repeat and properties.headers["x-mqtt-dup"], number
                if not left:
                    break
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        return repeated


class Downward:
    """A program that publishes to RabbitMQ until it is stopped, and goes on when that comes back; what a client hears of it."""

    def __init__(self, broker, rabbit, opened):
        self.rabbit, self.base = rabbit, f"in/{unique()}"
        self.client = opened(Paho(broker.port(), clean=False))
        self.client.subscribe(f"{self.base}/#", 1)
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self):
        backend = None
        while not self._stop.is_set():
            try:
                backend = backend or AMQP(self.rabbit)
                key = f"{self.base}/{self.sent % 4}".replace("/", ".")
                backend.publish(key, str(self.sent), mandatory=True, delivery_mode=2)
                self.sent += 1
            except (pika.exceptions.AMQPError, OSError):
                backend = None
                self._stop.wait(0.1)
        if backend:
            backend.close()

    def wait_sent(self, count):
        wait_until(lambda: self.sent >= count, f"{count} messages", 60)

    def check(self, may_repeat=True):
        self._stop.set()
        self._thread.join()
        left, repeated, last = set(range(self.sent)), 0, {}
        while left:
            message = self.client.message(30)
            number = int(message.payload)
            if number not in left:
                # The last one may have been sent by the program itself again, unconfirmed.
                repeated += 1
                continue
            left.remove(number)
            assert last.get(message.topic, -1) < number
            last[message.topic] = number
        assert may_repeat or not repeated
        return repeated


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
        for hearer in self.hearers:
            heard, left = collections.defaultdict(list), set(range(self.sent))
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
                if number in left:
                    left.remove(number)
                    heard[message.topic].append(number)
            for number in range(4):
                assert heard[f"{self.base}/{number}"] == list(range(number, self.sent, 4))
            if not broken or hearer not in broken:
                hearer.expect_nothing_before(unique())


def wait_traffic(*flows, more=300):
    for flow in flows:
        flow.wait_sent(flow.sent + more)
