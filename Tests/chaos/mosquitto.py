"""Debian's mosquitto under the same load, with persistence, restarted as systemd would; for the comparison."""

import contextlib
import getpass
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from apus import Event
from broker import BrokerError, wait_until


def free_ports(count):
    """Ports that were free a moment ago; mosquitto can not choose its own."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def accepts(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def restart(broker):
    broker.end(signal.SIGTERM)
    broker.start()
    return []


def kill(broker):
    broker.end(signal.SIGKILL)
    broker.start()
    return []


class Mosquitto:
    """As Debian configures it, but for the window of messages per client and the queue behind it, which are as wide as
    those of Apus, and for TCP_NODELAY, without which pauses would be those of Nagle's algorithm. It has the listeners
    that Apus has, without JSON."""

    name = "mosquitto"
    events = [Event("restart", restart), Event("kill", kill)]
    program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")

    def __init__(self):
        if not self.program:
            raise BrokerError("mosquitto is missing: install Debian's mosquitto")
        self.folder = Path(tempfile.mkdtemp(prefix="apus-chaos-"))
        self.ports = free_ports(3)
        listeners = "".join(f"listener {port} 127.0.0.1\n" for port in self.ports) + "protocol websockets\n"
        (self.folder / "mosquitto.conf").write_text(
            f"{listeners}allow_anonymous true\nlog_type error\nmax_inflight_messages 1024\nmax_queued_messages 10000\n"
            f"set_tcp_nodelay true\npersistence true\npersistence_location {self.folder}/\nuser {getpass.getuser()}\n")
        self.start()

    def start(self):
        # Connections beyond the soft limit of descriptors would be refused; Apus raises its own.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.process = subprocess.Popen(
            ["prlimit", f"--nofile={limit}", self.program, "-c", self.folder / "mosquitto.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: all(map(accepts, self.ports)) or self.process.poll() is not None, "mosquitto's ports")
        if self.process.poll() is not None:
            raise BrokerError("mosquitto does not start (without WebSocket support?)")

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(60)

    def endpoints(self):
        return ["-m", str(self.ports[0]), "-m", str(self.ports[1]), "-w", str(self.ports[2])]

    def wait_calm(self, _):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
