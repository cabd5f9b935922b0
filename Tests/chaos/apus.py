"""Apus under chaos: the broker that is run, as a unit of a real systemd, and every event that its clients must not notice.

An event is a function of the broker. It returns the PIDs that are to be gone afterwards; run waits until they are, and
until every worker is ready again. What can not be played raises, which ends the run.
"""

import os
import random
import shutil
import subprocess
from typing import Callable, NamedTuple

from broker import BIN, BrokerError, wait_until
from stored import fill
from systemd import SystemdHost

# Sessions of clients that are away, and retained messages.
STORED = [int(count) for count in (os.environ.get("APUS_STORED") or "100000,500000").split(",")]

# Hung workers are found within the window in which steady looks for pauses.
CONFIGURATION = """
[log]
connections = false

[supervisor]
heartbeat_interval = "100 ms"
heartbeat_timeout = "2 s"
""" + "".join(f"""
[[listener]]
name = "{name}"
protocol = "{protocol}"
bind = "127.0.0.1:0"
""" for name, protocol in (("mqtt", "mqtt"), ("raw", "mqtt"), ("web", "websocket")))

PROGRAMS = {"apusd": "usr/sbin", "apus-listener": "usr/libexec/apus", "apus-router": "usr/libexec/apus", "apus-bridge": "usr/libexec/apus", "apus-auth": "usr/libexec/apus"}


class Event(NamedTuple):
    name: str
    play: Callable
    bar: float | None = None  # ms that a pause may take; None: none is promised


def kill(*names):
    def play(broker):
        pids = [broker.main_pid() if name == "supervisor" else broker.worker(name) for name in names]
        broker.kill(*pids)
        return pids

    return play


def kill_standby(broker):
    """Any of them."""
    pids = [row["pid"] for row in broker.status()["workers"] if row["state"] == "standby"]
    assert pids, "no worker is in the state standby"
    pid = random.choice(pids)
    broker.kill(pid)
    return [pid]


def hang(name):
    """Stopped until the supervisor kills it."""

    def play(broker):
        pid = broker.worker(name)
        broker.run("kill", "-STOP", pid)
        return [pid]

    return play


def restart(target, name):
    def play(broker):
        pid = broker.worker(name)
        broker.run("apusctl", "restart", target)
        return [pid]

    return play


def reload(broker):
    broker.run("systemctl", "reload", "apus")
    return []


def upgrade(*command):
    """New files with the same programs: the supervisor goes over, every worker is replaced."""

    def play(broker):
        workers = [row["pid"] for row in broker.status()["workers"]]
        for name, place in PROGRAMS.items():
            new = broker.root / place / f"{name}.new"
            shutil.copy(BIN / name, new)
            os.replace(new, broker.root / place / name)
        broker.run(*command)
        return workers

    return play


def restart_all(broker):
    pids = [broker.main_pid()] + [row["pid"] for row in broker.status()["workers"]]
    broker.run("systemctl", "restart", "apus")
    return pids


PLANNED, CRASH, RESTART = 50, 100, 1000
EVENTS = [
    Event("restart listener/mqtt", restart("listener/mqtt", "mqtt"), PLANNED),
    Event("restart listener/web", restart("listener/web", "web"), PLANNED),
    Event("restart router", restart("router", "router"), PLANNED),
    Event("reload", reload, PLANNED),
    Event("upgrade", upgrade("systemctl", "reload", "apus"), PLANNED),
    Event("apusctl upgrade", upgrade("apusctl", "upgrade"), PLANNED),
    Event("kill listener/mqtt", kill("mqtt"), CRASH),
    Event("kill listener/raw", kill("raw"), CRASH),
    Event("kill listener/web", kill("web"), CRASH),
    Event("kill router", kill("router"), CRASH),
    Event("kill listener/mqtt + router", kill("mqtt", "router"), CRASH),
    Event("kill supervisor", kill("supervisor"), RESTART),
    Event("kill supervisor + router", kill("supervisor", "router"), RESTART),
    Event("kill supervisor + listener", kill("supervisor", "mqtt"), RESTART),
    Event("systemctl restart", restart_all, RESTART),
    Event("kill standby", kill_standby, PLANNED),
    Event("hang listener/mqtt", hang("mqtt")),
    Event("hang router", hang("router")),
]


class Apus(SystemdHost):
    name = "Apus"
    events = EVENTS

    def __init__(self):
        super().__init__()
        self.configure(CONFIGURATION)
        self.start()
        self.wait_served()
        fill(self.port("mqtt"), *STORED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def endpoints(self):
        return ["-m", str(self.port("mqtt")), "-m", str(self.port("raw")),
                "-w", str(self.port("web")), "-j", str(self.port("web"))]

    def wait_calm(self, gone):
        """Until those processes are replaced, and all workers ready."""

        def is_calm():
            try:
                rows = self.status()["workers"]
            except (BrokerError, subprocess.TimeoutExpired):
                return False
            return all(row["state"] in ("ready", "standby") and row["pid"] not in (0, *gone) for row in rows)

        wait_until(is_calm, f"all workers to be ready, and {gone} to be gone", 60)
