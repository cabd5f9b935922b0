"""Deaths in the middle of a hand-over, at each of its steps, while clients talk: nobody is disconnected, nothing is lost,
doubled or out of order. Each step is a system call that the process makes there; it is killed as it enters it."""

import os

import pytest

from broker import MQTT, WEB, wait_until
from steps import SOAK, Attached, Programs, Talk

# What a listener's successor does, in its order.
LISTENER = {
    "hears who it is": ("recvmsg", 1), "hears its settings": ("recvmsg", 2), "gets the arena": ("recvmsg", 3),
    "begins its log": ("clone3", 1), "says that it is prepared": ("sendmsg", 1),
    "hears more": ("recvmsg", 4), "hears the next": ("recvmsg", 5),
    "watches its supervisor": ("epoll_ctl", 7), "watches a socket": ("epoll_ctl", 8),
    "watches the last": ("epoll_ctl", 10), "says that it serves": ("sendmsg", 2), "waits for work": ("epoll_wait", 1),
    "reads for the first time": ("recvfrom", 1), "writes for the first time": ("sendto", 1)}
# Those that come after a standby was prepared.
STANDBY = ["watches its supervisor", "watches the last", "says that it serves", "reads for the first time"]
ROUTER = {
    "hears who it is": ("recvmsg", 1), "hears its settings": ("recvmsg", 2), "begins its log": ("clone3", 1),
    "says that it is prepared": ("sendmsg", 1), "gets a channel": ("recvmsg", 3), "gets the next": ("recvmsg", 4),
    "is told to serve": ("recvmsg", 5), "locks the store": ("flock", 1), "reads the store": ("pread64", 12),
    "writes the store": ("pwrite64", 9), "begins the store's writer": ("clone3", 2), "watches a channel": ("epoll_ctl", 5),
    "waits for listeners": ("epoll_wait", 1), "hears a listener": ("recvfrom", 1), "answers it": ("sendto", 1),
    "says that it serves": ("sendmsg", 2), "commits": ("fdatasync", 1), "commits again": ("fdatasync", 2)}
ROUTER_STANDBY = ["locks the store", "waits for listeners", "hears a listener", "says that it serves", "commits"]
# Those that differ after a death.
LISTENER_AFTER_DEATH = ["gets the arena", "says that it is prepared", "hears more", "watches a socket",
                        "says that it serves", "waits for work", "writes for the first time"]
ROUTER_AFTER_DEATH = ["gets a channel", "is told to serve", "reads the store", "waits for listeners", "answers it",
                      "says that it serves", "commits"]
# What one that retires does.
LISTENER_FAREWELL = {
    "hears that it is to retire": ("recvmsg", 1), "hears the rest": ("recvmsg", 2),
    "says that it has retired": ("sendmsg", 1), "ends": ("exit_group", 1)}
ROUTER_FAREWELL = {
    "hears that it is to retire": ("recvmsg", 1), "hears the rest": ("recvmsg", 2), "closes the store": ("unlink", 1),
    "says that it has retired": ("sendmsg", 1), "ends": ("exit_group", 1)}


def table(steps, names=None):
    return pytest.mark.parametrize(
        "call,count", [pytest.param(*steps[name], id=name.replace(" ", "-")) for name in names or steps])


class Case:
    """A broker, the clients that talk, and the worker whose successor or whose self is to die."""

    def __init__(self, start_broker, opened, folder, role, standby=False):
        self.programs = Programs(folder)
        self.role, self.name = role, {"listener": "mqtt", "router": "router"}[role]
        self.broker = start_broker(
            top={"libexec_dir": str(folder)},
            listeners=[{**MQTT, "standby": standby and role == "listener"}, {**WEB, "standby": False}],
            supervisor={"router_standby": standby and role == "router", "heartbeat_interval": "10 s"})
        self.talk = Talk(self.broker.port(), self.broker.port("web"), opened)
        self.former = self.broker.worker(self.name)["pid"]

    def restart(self):
        return self.broker.ctl(
            "restart", "router" if self.role == "router" else "listener/mqtt", check=False)

    def settled(self):
        self.broker.wait_worker(None, lambda row: row["state"] == "ready", "ready again")
        wait_until(lambda: self.broker.status()["connections"] == 4, "the four clients, and no other")

    def planned(self, call, count):
        with self.talk:
            self.programs.plan(self.role, call, count)
            result = self.restart()
            self.programs.wait_death(self.role)
            self.settled()
            serving = self.broker.worker(self.name)["pid"]
        if result.returncode:
            assert "its successor ended before it was prepared" in result.stderr and serving == self.former
        else:
            assert serving != self.former

    def after_death(self, call, count):
        with self.talk:
            self.programs.plan(self.role, call, count)
            os.kill(self.former, 9)
            self.programs.wait_death(self.role)
            self.settled()

    def standby_after_death(self, call, count):
        standby = self.broker.standby(self.name)["pid"]
        self.programs.plan(self.role, call, count)
        os.kill(standby, 9)
        wait_until(lambda: self.broker.standby(self.name)["pid"] != standby, "another standby")
        with self.talk:
            os.kill(self.former, 9)
            self.programs.wait_death(self.role)
            self.settled()

    def farewell(self, call, count):
        # Nothing else is to be reported.
        self.talk.visits = False
        with self.talk:
            # The store has a thread.
            attached = Attached(self.former, call, count, threads=True)
            assert self.restart().returncode == 0
            attached.wait_death()
            self.settled()


@pytest.fixture
def case(start_broker, opened, tmp_path):
    return lambda role, standby=False: Case(start_broker, opened, tmp_path, role, standby)


@table(LISTENER)
def test_a_listener_is_replaced_and_its_successor_dies_as_it(case, call, count):
    case("listener").planned(call, count)


@table(LISTENER_FAREWELL)
def test_a_listener_is_replaced_and_dies_as_it(case, call, count):
    case("listener").farewell(call, count)


@table(LISTENER, LISTENER_AFTER_DEATH)
def test_a_listener_is_killed_and_its_successor_as_it(case, call, count):
    case("listener").after_death(call, count)


@table(LISTENER, STANDBY)
def test_a_listener_is_killed_and_its_standby_as_it(case, call, count):
    case("listener", standby=True).standby_after_death(call, count)


@table(ROUTER)
def test_the_router_is_replaced_and_its_successor_dies_as_it(case, call, count):
    case("router").planned(call, count)


@table(ROUTER_FAREWELL)
def test_the_router_is_replaced_and_dies_as_it(case, call, count):
    case("router").farewell(call, count)


@table(ROUTER, ROUTER_AFTER_DEATH)
def test_the_router_is_killed_and_its_successor_as_it(case, call, count):
    case("router").after_death(call, count)


@table(ROUTER, ROUTER_STANDBY)
def test_the_router_is_killed_and_its_standby_as_it(case, call, count):
    case("router", standby=True).standby_after_death(call, count)


CALLS = {"listener": ["recvmsg", "sendmsg", "epoll_create1", "epoll_ctl", "epoll_wait", "recvfrom", "sendto", "mmap", "fcntl"],
         "router": ["recvmsg", "sendmsg", "epoll_ctl", "epoll_wait", "recvfrom", "sendto", "clone3", "flock", "unlink",
                    "openat", "pread64", "pwrite64", "fdatasync", "fcntl"]}


@pytest.mark.parametrize("way", ["planned", "after_death"])
@pytest.mark.parametrize("role,call", [(role, call) for role, calls in CALLS.items() for call in calls])
def every_call_of_a_successor(start_broker, opened, tmp_path, role, call, way):
    """The first sixty of each kind, or as many as there are."""
    for count in range(1, 61):
        folder = tmp_path / str(count)
        folder.mkdir()
        case = Case(start_broker, opened, folder, role)
        try:
            getattr(case, way)(call, count)
        except TimeoutError:
            assert not case.programs.has_died(role)
            break
        finally:
            case.broker.discard()
    assert count > 1


if SOAK:
    test_every_call_of_a_successor = every_call_of_a_successor
