"""A RabbitMQ of the tests' own: Debian's server under a node name, ports and a folder that nobody else has, with its MQTT
plugin. Stopped, started again and killed by its process id."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from broker import wait_until

PROGRAMS = Path("/usr/lib/rabbitmq/bin")


# The system's own choice may be a client's a moment later: RabbitMQ needs seconds until it listens.
FIRST_PORT_OF_CLIENTS = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def free_port():
    """A port that nobody has, and that the system gives to nobody."""
    while True:
        port = random.randrange(10_000, FIRST_PORT_OF_CLIENTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class RabbitMQ:
    """settings: further lines of rabbitmq.conf; ports: those of further listeners in them."""

    def __init__(self, *settings, ports=()):
        self.folder = Path(tempfile.mkdtemp(prefix="apus-rabbitmq-"))
        self.port, self.mqtt_port = free_port(), free_port()
        self.ports = [self.port, self.mqtt_port, *ports]
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
        # The port mapper would outlive its nodes.
        self.mapper = subprocess.Popen(
            ["epmd"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
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
        return all(listens(port) for port in self.ports)

    def ctl(self, *arguments, check=True):
        return subprocess.run(
            [PROGRAMS / "rabbitmqctl", "-q", "-n", self.node, *arguments], env=self.environment, check=check,
            capture_output=True, text=True, timeout=60).stdout

    def messages_in(self, queue):
        """Those in a queue that waits or that nobody has acknowledged; None where there is no such queue."""
        rows = self.ctl("list_queues", "--no-table-headers", "name", "messages").splitlines()
        return next((int(row.split("\t")[1]) for row in rows if row.split("\t")[0] == queue), None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # The first process is a script; the server may take a moment longer.
        wait_until(lambda: not listens(self.port), "RabbitMQ to be gone")

    @contextlib.contextmanager
    def frozen(self):
        """It says nothing, and takes what the kernel has room for."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGCONT)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.mapper.kill()
        self.mapper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
