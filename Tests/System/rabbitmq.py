"""A RabbitMQ of the tests' own: Debian's server under a node name, ports and a folder that nobody else has, with its MQTT
plugin. Stopped, started again and killed by its process id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import pika
import pytest

from broker import wait_until

PROGRAMS = Path("/usr/lib/rabbitmq/bin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RabbitMQ:
    """settings: further lines of rabbitmq.conf."""

    def __init__(self, *settings):
        self.folder = Path(tempfile.mkdtemp(prefix="apus-rabbitmq-"))
        self.port, self.mqtt_port = free_port(), free_port()
        self.node = f"apus-{uuid.uuid4().hex[:8]}@localhost"
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        (self.folder / "rabbitmq.conf").write_text("\n".join([
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.mqtt_port}",
            "loopback_users = none",
            "log.console = false",
            # The machine's disk and memory are others' business.
            "disk_free_limit.absolute = 50MB",
            "vm_memory_high_watermark.absolute = 2GB",
            *settings]) + "\n")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": self.node, "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()), "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"), "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"), "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # As many schedulers as there are processors, and none that spins.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self.process = None
        self.start()

    @property
    def uri(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def start(self, timeout=60):
        self.process = subprocess.Popen(
            [PROGRAMS / "rabbitmq-server"], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=open(self.folder / "out", "ab"), stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_until(self._answers, "RabbitMQ to listen", timeout)
        except TimeoutError:
            raise TimeoutError((self.folder / "out").read_text()[-2000:]) from None

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "out").read_text()[-2000:]
        for port in (self.port, self.mqtt_port):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
        return True

    def ctl(self, *arguments, check=True):
        return subprocess.run(
            [PROGRAMS / "rabbitmqctl", "-q", "-n", self.node, *arguments], env=self.environment, check=check,
            capture_output=True, text=True, timeout=60).stdout

    def messages_in(self, queue):
        """Those in a queue that waits or that nobody has acknowledged; None where there is no such queue."""
        rows = self.ctl("list_queues", "--no-table-headers", "name", "messages").splitlines()
        return next((int(row.split("\t")[1]) for row in rows if row.split("\t")[0] == queue), None)

    def declare(self, queue, *keys, exchange="amq.topic", **arguments):
        """A durable queue."""
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.uri))) as connection:
            channel = connection.channel()
            channel.queue_declare(queue, durable=True, arguments=arguments)
            for key in keys:
                channel.queue_bind(queue, exchange, key)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        # The port mapper outlives its nodes; it is this node's own.
        subprocess.run(["epmd", "-kill"], env=self.environment, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


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
