"""Programs behind a RabbitMQ, written with pika, and the RabbitMQ that most tests share."""

import contextlib

import pika
import pytest

from broker import wait_until
from rabbitmq import RabbitMQ


def declare(rabbit, queue, *keys, exchange="amq.topic", **arguments):
    """A durable queue, bound by keys."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(rabbit.uri))) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for key in keys:
            channel.queue_bind(queue, exchange, key)


class AMQP:
    """A program behind RabbitMQ, written with pika. Its queue is its own, and goes with it."""

    def __init__(self, rabbit, *keys, exchange="amq.topic"):
        self.exchange = exchange
        self.connection = pika.BlockingConnection(pika.URLParameters(rabbit.uri))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        for key in keys:
            self.channel.queue_bind(self.queue, exchange, key)

    def publish(self, key, body, mandatory=False, **properties):
        """Returns when RabbitMQ has confirmed it."""
        headers = properties.pop("headers", None)
        self.channel.basic_publish(
            self.exchange, key, body, pika.BasicProperties(headers=headers, **properties), mandatory=mandatory)

    def message(self, timeout=15.0):
        """(method, properties, body) of the next message."""
        def get():
            found = self.channel.basic_get(self.queue, auto_ack=True)
            return found if found[0] else None

        return wait_until(get, "a message of RabbitMQ's", timeout)

    def messages(self, count, timeout=30.0):
        return [self.message(timeout) for _ in range(count)]

    def is_empty(self):
        return self.channel.queue_declare(self.queue, passive=True).method.message_count == 0

    def close(self):
        if self.connection.is_open:
            self.connection.close()


@pytest.fixture(scope="module")
def rabbit():
    rabbit = RabbitMQ()
    yield rabbit
    rabbit.close()
