"""Deaths of the supervisor in the middle of a hand-over, at each of its steps, under a real systemd, while clients talk: they
notice a pause. test_handover.py has the workers' deaths."""

import pytest

from broker import BIN, wait_until
from steps import SOAK, Attached, Talk
from systemd import SystemdHost, put
from test_systemd import CONFIGURATION, host_pid

# As in steps.py, for a program that systemd starts. strace may not be denied its calls.
PROGRAM = """#!/bin/sh
cd /var/lib/apus
if mv plan taken 2>/dev/null; then
    read -r call count <taken
    exec strace -D -q -o trace -e trace="$call" -e inject="$call:signal=KILL:when=$count" /usr/sbin/apusd "$@"
fi
exec /usr/sbin/apusd "$@"
"""
UNIT = """[Service]
SystemCallFilter=
ExecStart=
ExecStart=/usr/sbin/apusd.steps --config /etc/apus/apus.toml
"""

# What a supervisor does that is to be restarted; four calls before are for systemd's bus.
RESTART = {
    "says that it stops": ("sendmsg", 5),
    "parks the first sockets": ("sendmsg", 6), "notes that": ("pwrite64", 1),
    "stores them": ("sendmsg", 8), "waits for systemd": ("sendmsg", 11), "lets the router retire": ("sendmsg", 12),
    "hears that it has": ("recvmsg", 16), "lets the first listener retire": ("sendmsg", 15), "lets the last one retire": ("sendmsg", 16),
    "notes the end": ("pwrite64", 2), "ends": ("exit_group", 1)}
# What the next one does: after a restart, and after a death.
INHERIT = {
    "looks at the first parked sockets": ("recvmsg", 1), "starts the router": ("sendmsg", 1), "starts a listener": ("sendmsg", 3), "gives it the sockets": ("sendmsg", 6), "notes that": ("pwrite64", 1), "hears that one is prepared": ("recvmsg", 4),
    "joins it to the router": ("sendmsg", 13), "lets it serve": ("sendmsg", 14), "notes what has changed": ("pwrite64", 2)}
ADOPT = {
    "asks the router": ("sendmsg", 2), "asks a listener": ("sendmsg", 4),
    "asks the last": ("sendmsg", 6), "notes that": ("pwrite64", 1), "hears the router": ("recvmsg", 1),
    "hears a listener": ("recvmsg", 4), "gets its sockets": ("recvmsg", 6), "hears that this is all": ("recvmsg", 7),
    "lets the router write": ("sendmsg", 11)}
UPGRADE = {
    "notes what there is": ("pwrite64", 1), "looks whether the new one can": ("clone", 1), "becomes it": ("execve", 1),
    "asks the router": ("sendmsg", 2), "hears a listener": ("recvmsg", 4),
    "replaces the router": ("sendmsg", 8)}
REPLACE = {
    "starts a successor": ("clone", 1), "gives it the arena": ("sendmsg", 3),
    "gives it the sockets": ("sendmsg", 4), "hears that it is prepared": ("recvmsg", 1),
    "hears that the former one has retired": ("recvmsg", 3), "hears that it serves": ("recvmsg", 5)}
DEATH = {
    "asks the router": ("sendmsg", 1), "notes the death": ("pwrite64", 1),
    "hears the router": ("recvmsg", 3), "offers the channel": ("sendmsg", 2), "lets the standby serve": ("sendmsg", 3),
    "hears that it serves": ("recvmsg", 5)}


def table(steps):
    return pytest.mark.parametrize(
        "call,count", [pytest.param(*step, id=name.replace(" ", "-")) for name, step in steps.items()])


@pytest.fixture(scope="module")
def host():
    host = SystemdHost()
    # No heartbeat comes between the steps.
    host.configure('[supervisor]\nheartbeat_interval = "20 s"\nheartbeat_timeout = "40 s"\n' + CONFIGURATION)
    program = host.root / "usr/sbin/apusd.steps"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (host.root / "etc/systemd/system/apus.service.d/steps.conf").write_text(UNIT)
    host.run("systemctl", "daemon-reload")
    yield host
    host.close()


class Case:
    def __init__(self, host, opened):
        self.host = host
        host.start()
        host.wait_served()
        self.folder = host.root / "var/lib/apus"
        self.talk = Talk(host.port(), host.port("web"), opened)

    def plan(self, call, count):
        """The next supervisor is killed at that call."""
        (self.folder / "trace").unlink(missing_ok=True)
        (self.folder / "new").write_text(f"{call} {count}\n")
        (self.folder / "new").chmod(0o666)
        (self.folder / "new").rename(self.folder / "plan")

    def has_died(self):
        trace = self.folder / "trace"
        return trace.exists() and "+++ killed by SIGKILL +++" in trace.read_text()

    def next_dies(self, call, count, play):
        with self.talk:
            self.plan(call, count)
            play(self.host)()
            wait_until(self.has_died, "the process to come to that step")
            self.settle()

    def dies(self, call, count, play):
        with self.talk:
            play = play(self.host)
            attached = Attached(host_pid(self.host, self.host.main_pid()), call, count)
            play()
            attached.wait_death()
            self.settle()

    def settle(self):
        self.host.wait_served(30)
        wait_until(lambda: self.host.status()["connections"] == 4, "the four clients, and no other")


@pytest.fixture
def case(host, opened):
    yield Case(host, opened)
    print(host.journal())
    host.run("systemctl", "stop", "apus")
    wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process of the broker to be gone", 40)


def systemctl(verb):
    # Its job may fail with the process that it waits for: systemd starts another.
    return lambda host: lambda: host.run("systemctl", verb, "apus", check=False)


def restart_listener(host):
    return lambda: host.run("apusctl", "restart", "listener/mqtt", check=False)


def kill_listener(host):
    listener = host.worker("mqtt")
    return lambda: host.kill(listener)


def kill_supervisor(host):
    supervisor = host.main_pid()
    return lambda: host.kill(supervisor)


def upgrade(host):
    put(host, "usr/sbin/apusd", BIN / "apusd")
    put(host, "usr/libexec/apus/apus-router", BIN / "apus-router")
    return systemctl("reload")(host)


@table(RESTART)
def test_it_is_restarted_and_dies_as_it(case, call, count):
    case.dies(call, count, systemctl("restart"))


@table(INHERIT)
def test_it_is_restarted_and_the_next_dies_as_it(case, call, count):
    case.next_dies(call, count, systemctl("restart"))


@table(ADOPT)
def test_it_is_killed_and_the_next_dies_as_it(case, call, count):
    case.next_dies(call, count, kill_supervisor)


@table(UPGRADE)
def test_it_is_upgraded_and_dies_as_it(case, call, count):
    case.dies(call, count, upgrade)


@table(REPLACE)
def test_it_replaces_a_listener_and_dies_as_it(case, call, count):
    case.dies(call, count, restart_listener)


@table(DEATH)
def test_a_listener_is_killed_and_it_dies_as_it(case, call, count):
    case.dies(call, count, kill_listener)


EVENTS = {"restart": (Case.dies, systemctl("restart")), "inherit": (Case.next_dies, systemctl("restart")),
          "adopt": (Case.next_dies, kill_supervisor), "upgrade": (Case.dies, upgrade),
          "replace": (Case.dies, restart_listener), "death": (Case.dies, kill_listener)}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("call", ["sendmsg", "recvmsg", "epoll_ctl", "pwrite64", "socketpair", "wait4"])
def every_call_of_a_supervisor(host, opened, event, call):
    """The first sixty of each kind, or as many as there are."""
    way, play = EVENTS[event]
    for count in range(1, 61):
        case = Case(host, opened)
        try:
            way(case, call, count, play)
        except TimeoutError as error:
            assert "come to that step" in str(error)
            return
        finally:
            host.run("systemctl", "stop", "apus")
            wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process to be gone", 40)


if SOAK:
    test_every_call_of_a_supervisor = every_call_of_a_supervisor
