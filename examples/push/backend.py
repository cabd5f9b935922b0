"""The back end: a program that knows RabbitMQ and nothing else. Publishes news every two seconds, prints the answers.

    backend.py URI
"""

import itertools
import json
import sys

import pika

EVERY = 2.0

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
# Durable: answers that come while this program is away wait for it.
channel.queue_declare("example-answers", durable=True)
channel.queue_bind("example-answers", "amq.topic", "answers.#")


def heard(channel, method, properties, body):
    sender = method.routing_key.removeprefix("answers.")
    print(f"back end: {sender} answers {body.decode()!r}", flush=True)
    channel.basic_ack(method.delivery_tag)


def publish(numbers=itertools.count(1)):
    number = next(numbers)
    news = {"Number": number, "Text": f"News number {number}"}
    channel.basic_publish("amq.topic", "push.news", json.dumps(news), pika.BasicProperties(
        content_type="application/json", content_encoding="utf-8", delivery_mode=2))
    print(f"back end: publishes number {number}", flush=True)
    connection.call_later(EVERY, publish)


channel.basic_consume("example-answers", heard)
connection.call_later(0, publish)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    pass
