"""Apus under chaos: the broker that is run, and every event that its clients must not notice.

An event is a function of the broker. It returns the PIDs that are to be gone afterwards; run waits until they are, and
until every worker is ready again. What can not be played raises, which ends the run.
"""

import os
import signal
from typing import Callable, NamedTuple

from broker import MQTT, WEB, Broker, wait_until

# Short, so that a hung worker is found within the window in which steady looks for pauses.
SUPERVISOR = {"heartbeat_interval": "100 ms", "heartbeat_timeout": "2 s"}


class Event(NamedTuple):
    name: str
    play: Callable
    bar: float | None = None  # ms that a pause may take; None: none is promised


def kill(*names):
    def play(broker):
        pids = [broker.serving(name)["pid"] for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    return play


def kill_standby(broker):
    pids = [row["pid"] for row in broker.status()["workers"] if row["state"] == "standby"]
    assert pids, "no worker is in the state standby"
    os.kill(pids[0], signal.SIGKILL)
    return pids[:1]


def hang(name):
    """Stopped until the supervisor kills it."""

    def play(broker):
        pid = broker.serving(name)["pid"]
        os.kill(pid, signal.SIGSTOP)
        return [pid]

    return play


def restart(target, name):
    def play(broker):
        pid = broker.serving(name)["pid"]
        broker.ctl("restart", target)
        return [pid]

    return play


def reload(broker):
    """The supervisor executes itself anew, as systemctl reload asks it to: same PID, same workers."""
    before = len(broker.notify.lines.all("^READY=1$"))
    broker.signal(signal.SIGHUP)
    wait_until(lambda: len(broker.notify.lines.all("^READY=1$")) > before, "READY=1 after SIGHUP", 30)
    return []


PLANNED, CRASH = 50, 100
EVENTS = [
    Event("restart listener/mqtt", restart("listener/mqtt", "mqtt"), PLANNED),
    Event("restart listener/web", restart("listener/web", "web"), PLANNED),
    Event("restart router", restart("router", "router"), PLANNED),
    Event("reload", reload, PLANNED),
    Event("kill listener/mqtt", kill("mqtt"), CRASH),
    Event("kill listener/raw", kill("raw"), CRASH),
    Event("kill listener/web", kill("web"), CRASH),
    Event("kill router", kill("router"), CRASH),
    Event("kill listener/mqtt + router", kill("mqtt", "router"), CRASH),
    Event("kill standby", kill_standby, PLANNED),
    Event("hang listener/mqtt", hang("mqtt")),
    # Killing the supervisor and restarting the unit (bar: 1,000 ms) need a systemd that starts the next one: they are
    # added here where the broker is one of a systemd host.
]


class Apus(Broker):
    name = "Apus"
    events = EVENTS

    def __init__(self):
        super().__init__(
            listeners=[MQTT, {**MQTT, "name": "raw"}, WEB], log={"connections": False}, supervisor=SUPERVISOR)

    def endpoints(self):
        return ["-m", str(self.port("mqtt")), "-m", str(self.port("raw")),
                "-w", str(self.port("web")), "-j", str(self.port("web"))]

    def serving(self, name):
        return next(row for row in self.workers(name) if row["state"] != "standby")

    def wait_calm(self, gone):
        """Until those processes are replaced, and all workers ready."""

        def is_calm():
            rows = self.workers()
            return all(row["state"] in ("ready", "standby") and row["pid"] not in (0, *gone) for row in rows)

        wait_until(is_calm, f"all workers to be ready, and {gone} to be gone", 60)
