"""The service under a real systemd in bad hours: processes that hang and crash, a configuration that is refused, a journal that
is stuck, and what the unit forbids; a thousand clients through what an administrator does."""

import contextlib
import errno
import json
import os
import re
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import wire as w
from broker import BIN, BrokerError, wait_until
from client import Paho, unique
from systemd import broker, free_ports, host, put  # noqa: F401, fixtures among them

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"

[supervisor]
heartbeat_interval = "100 ms"
heartbeat_timeout = "1 s"
"""
# By docs/journal.md, which lists them.
PROGRAMS = ("usr/sbin/apusd", "usr/libexec/apus/apus-listener", "usr/libexec/apus/apus-router")
REFUSED_CONFIGURATION = "MESSAGE_ID=cd52c681241c4016b291cd02e3a05026"
START_FAILED = "MESSAGE_ID=5d8be0c2a7934f1fb6c04e1d9a72f835"
VARIANT = Path(os.environ.get("APUS_VARIANT", BIN.parent.parent / ".build-variant/debug"))
SYMBOLIZE = Path(__file__).parent.parent.parent / "packaging/symbolize"

# What a captured process might try, as a program that the unit starts before its own: it gets all that those get.
PROBE = """
import ctypes, errno, json, os, socket

libc = ctypes.CDLL(None, use_errno=True)
found = {}

def attempt(name, act):
    try:
        result = act()
        found[name] = "allowed" if result is None or result != -1 else errno.errorcode[ctypes.get_errno()]
    except OSError as error:
        found[name] = errno.errorcode[error.errno]

def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.connect(address)

attempt("read /etc/shadow", lambda: open("/etc/shadow").close())
attempt("write /etc", lambda: open("/etc/apus/x", "w").close())
attempt("write /usr", lambda: open("/usr/x", "w").close())
attempt("write /home", lambda: open("/home/x", "w").close())
attempt("read /dev/mem", lambda: open("/dev/mem").close())
attempt("write /proc/sys", lambda: open("/proc/sys/kernel/hostname", "w").write("x"))
attempt("see process 1", lambda: open("/proc/1/status").close())
attempt("signal process 1", lambda: os.kill(1, 0))
attempt("be root", lambda: os.setuid(0))
attempt("have a namespace", lambda: libc.unshare(0x20000))
attempt("mount", lambda: libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None))
attempt("trace", lambda: libc.ptrace(0, 0, 0, 0))
attempt("load a module", lambda: libc.syscall(313, -1, b"", 0))
attempt("writable code", lambda: libc.mprotect(libc.mmap(None, 4096, 3, 0x22, -1, 0), 4096, 7))
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close())
attempt("internet", lambda: connect(socket.AF_INET, ("127.0.0.1", int(os.environ["PROBE_PORT"]))))
attempt("keep state", lambda: open(os.environ["STATE_DIRECTORY"] + "/x", "w").close())
json.dump(found, open(os.environ["STATE_DIRECTORY"] + "/probe.json", "w"))
"""
WROTE = "MESSAGE_ID=2c7e5d0b94f64a1e8b3f7d6a50c1e928"
REFUSED = {"EACCES", "EPERM", "EROFS", "ENOENT", "ENOSYS"}


@pytest.fixture
def drop_in(host):
    """Adds to the unit until the test's end."""
    path = host.root / "etc/systemd/system/apus.service.d/test.conf"

    def add(text):
        path.write_text(text)
        host.run("systemctl", "daemon-reload")

    yield add
    path.unlink(missing_ok=True)
    host.run("systemctl", "daemon-reload")


@contextlib.contextmanager
def listening():
    """A port of this machine that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def serving(broker, name):
    """The process of a worker, None while there is none."""
    rows = broker.status()["workers"]
    return next((row["pid"] for row in rows if row["name"] == name and row["state"] == "ready"), None)


def talk(broker, client, topic=None):
    topic = topic or unique("talk")
    client.subscribe(topic, 1)
    client.publish(topic, "hello", qos=1)
    client.expect(topic, "hello")


def test_systemctl_status_says_how_it_is(broker, opened):
    client = opened(Paho(broker.port()))
    talk(broker, client)
    wait_until(lambda: "1 listener, 1 connection, " in broker.run("systemctl", "status", "apus"), "the status line")
    text = broker.run("systemctl", "status", "apus")
    assert "Active: active (running)" in text and "(Apus MQTT broker)" not in text

    # The rate is that of the last seconds.
    def publish_and_look():
        for _ in range(20):
            client.publish("rate", "x")
        return re.search(r" [1-9]\d* messages/s in, [0-9]+ out", broker.run("systemctl", "status", "apus"))

    wait_until(publish_and_look, "the rate of messages", 15)


def test_a_worker_that_hangs_is_replaced(broker, opened):
    client = opened(Paho(broker.port()))
    for name in ("mqtt", "router"):
        pid = broker.worker(name)
        broker.kill(pid, number="STOP")
        wait_until(lambda: serving(broker, name) not in (None, pid), f"another {name}", 20)
        talk(broker, client)
        broker.wait_served()
    assert len([entry for entry in broker.entries() if "has not answered" in entry["MESSAGE"]]) == 2


def test_a_supervisor_that_hangs_is_found_by_the_watchdog(broker, drop_in, opened):
    drop_in("[Service]\nWatchdogSec=2s\n")
    broker.run("systemctl", "restart", "apus")
    client = opened(Paho(broker.port()))
    main, port = broker.main_pid(), broker.port()
    broker.kill(main, number="STOP")
    talk(broker, client)  # its workers go on
    wait_until(lambda: broker.main_pid() not in (0, main), "the next supervisor", 20)
    broker.wait_served()
    assert broker.port() == port
    talk(broker, client)
    assert "watchdog" in broker.run("journalctl", "-u", "apus", "--no-pager", "-o", "cat").lower()


def test_a_crash_is_in_the_journal(broker, opened, tmp_path):
    """With the fields of the worker, and names for its addresses."""
    client = opened(Paho(broker.port()))
    for name, label, program in (("mqtt", "listener/mqtt", "apus-listener"), ("router", "router", "apus-router")):
        pid = broker.worker(name)
        broker.kill(pid, number="SEGV")
        entry, = wait_until(lambda: broker.entries(f"APUS_PID={pid}", WROTE), "the entry", 10)
        assert entry["APUS_WORKER"] == label and entry["SYSLOG_IDENTIFIER"] == program and entry["PRIORITY"] == "3"
        assert entry["APUS_REASON"].startswith(f"{program} ") and "crashed: SIGSEGV" in entry["APUS_REASON"]
        assert entry.get("APUS_LISTENER") == (name if name == "mqtt" else None) and int(entry["APUS_GENERATION"]) > 0
        # Its death as well, and the next one's life.
        died, = broker.entries(f"APUS_PID={pid}", "MESSAGE_ID=638cee25e8004506b71d257dfe2b2b72")
        assert died["APUS_GENERATION"] == entry["APUS_GENERATION"] and died.get("APUS_LISTENER") == entry.get("APUS_LISTENER")
        named = subprocess.run([SYMBOLIZE, BIN], input=entry["MESSAGE"] + "\n", capture_output=True, text=True).stdout
        assert {"mqtt": "Listener", "router": "Router"}[name] in named.split("\n", 1)[1], named
        talk(broker, client)
        broker.wait_served()


@pytest.mark.skipif(not (VARIANT / "apus-router").exists(), reason="the variant is not built: make test does it")
def test_a_trap_of_swift_is_in_the_journal(broker, opened):
    """The variant's router ends at messages to `apus/trap`, as a mistake in the program would end it."""
    path, client, deadly = "usr/libexec/apus/apus-router", opened(Paho(broker.port())), opened(Paho(broker.port()))
    put(broker, path, VARIANT / "apus-router")
    try:
        broker.run("apusctl", "restart", "router")
        broker.wait_served()
        pid = broker.worker("router")
        deadly.client.publish("apus/trap", "x", 1)
        said = wait_until(lambda: (found := broker.entries(f"APUS_PID={pid}", WROTE))[1:] and found, "two entries", 20)
        for entry in said:
            assert entry["APUS_WORKER"] == "router" and entry["SYSLOG_IDENTIFIER"] == "apus-router"
            assert entry["PRIORITY"] == "3" and int(entry["APUS_GENERATION"]) > 0
        assert "Fatal error: a message to apus/trap" in said[0]["APUS_REASON"]
        assert re.search(r"crashed: SIG(ILL|TRAP) .*; build id [0-9a-f]+; frames .*\+0x", said[-1]["APUS_REASON"])
        named = subprocess.run(
            [SYMBOLIZE, VARIANT], input=said[-1]["MESSAGE"] + "\n", capture_output=True, text=True).stdout
        assert "Trap.swift:" in named and "Publish.swift:" in named, named
        # It is left out in the end; everybody else goes on.
        deadly.wait_disconnected(20)
        talk(broker, client)
    finally:
        put(broker, path, BIN / "apus-router")
        broker.run("apusctl", "restart", "router")


def test_what_a_worker_says_while_there_is_no_supervisor_is_kept(broker):
    pid = broker.worker("router")
    broker.kill(broker.main_pid(), number="STOP")
    broker.kill(pid, number="SEGV")
    broker.kill(broker.main_pid())
    wait_until(lambda: broker.entries(f"APUS_PID={pid}", WROTE), "the entry", 20)
    broker.wait_served()


def test_a_configuration_that_is_refused_changes_nothing(broker, opened):
    client = opened(Paho(broker.port()))
    before = {row["pid"] for row in broker.status()["workers"]}
    broker.configure(CONFIGURATION + '\n[limits]\nconnectoins = 5\n')
    with pytest.raises(BrokerError, match="failed"):
        broker.run("systemctl", "reload", "apus")
    with pytest.raises(BrokerError, match="connectoins"):
        broker.run("apusctl", "reload")
    assert broker.run("systemctl", "is-active", "apus") == "active"
    entry = broker.entries(REFUSED_CONFIGURATION)[-1]
    assert "connectoins" in entry["APUS_ERROR"] and "/etc/apus/apus.toml:" in entry["APUS_ERROR"]
    assert {row["pid"] for row in broker.status()["workers"]} == before
    talk(broker, client)
    broker.configure(CONFIGURATION)
    broker.run("systemctl", "reload", "apus")


def test_a_start_that_fails_says_why(host):
    host.configure(CONFIGURATION + '\n[limits]\nconnectoins = 5\n')
    with pytest.raises(BrokerError):
        host.run("systemctl", "start", "apus")
    assert host.run("systemctl", "show", "-P", "ExecMainStatus", "apus") == "78"
    assert "connectoins" in host.run("systemctl", "show", "-P", "StatusText", "apus")
    # Trying again would not help.
    assert host.run("systemctl", "is-active", "apus", check=False) == "failed"
    entry = host.entries(REFUSED_CONFIGURATION)[-1]
    assert entry["PRIORITY"] == "3" and entry["SYSLOG_IDENTIFIER"] == "apusd" and entry["APUS_WORKER"] == "supervisor"
    assert "connectoins" in entry["APUS_ERROR"] and entry["APUS_ERROR"].startswith("/etc/apus/apus.toml:")
    host.configure(CONFIGURATION.replace("[[listener]]", 'state_dir = "/proc/apus"\n[[listener]]', 1))
    host.run("systemctl", "reset-failed", "apus")
    with pytest.raises(BrokerError):
        host.run("systemctl", "start", "apus")
    entry = host.entries(START_FAILED)[-1]
    assert entry["PRIORITY"] == "3" and "/proc/apus" in entry["APUS_REASON"] and "state_dir" in entry["MESSAGE"]
    with listening() as port:
        host.configure(CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        host.run("systemctl", "reset-failed", "apus")
        with pytest.raises(BrokerError):
            host.run("systemctl", "start", "apus", timeout=60)
        wait_until(lambda: "in use" in host.run("systemctl", "status", "apus", check=False), "the reason", 10)
        assert host.run("systemctl", "show", "-P", "StatusErrno", "apus") == str(errno.EADDRINUSE)
        entry = host.entries("MESSAGE_ID=5ed5cd2f0ec6408cad294746fe08fb33")[-1]
        assert entry["PRIORITY"] == "3" and entry["APUS_LISTENER"] == "mqtt" and str(port) in entry["APUS_ADDRESS"]
    host.run("systemctl", "stop", "apus")
    host.run("systemctl", "reset-failed", "apus", check=False)


def test_a_long_start_is_over_when_every_port_answers(host, drop_in):
    """And may take longer than the unit says, as long as it keeps to its own limit."""
    program = host.root / "usr/libexec/apus/apus-listener"
    program.rename(program.with_suffix(".real"))
    try:
        program.write_text('#!/bin/sh\nsleep 4\nexec /usr/libexec/apus/apus-listener.real "$@"\n')
        program.chmod(0o755)
        host.configure(CONFIGURATION)
        drop_in("[Service]\nTimeoutStartSec=2s\n")
        began = time.monotonic()
        host.run("systemctl", "start", "--no-block", "apus")

        def shown(name):
            return host.run("systemctl", "show", "-P", name, "apus")

        wait_until(lambda: "listener/mqtt not ready" in shown("StatusText"), "the status to say what is waited for")
        assert shown("ActiveState") == "activating"
        wait_until(lambda: shown("ActiveState") == "active", "the service to be active", 20)
        assert time.monotonic() - began > 4
        w.connected(host.port()).close()
    finally:
        program.with_suffix(".real").rename(program)
        host.stop()


def test_a_reload_is_seen_as_one(broker):
    """Also where it was a signal that asked for it."""
    def reloads():
        return broker.run("journalctl", "-u", "apus", "-o", "cat", "--no-pager").count("the configuration was read again")
    before, changed = reloads(), broker.run("systemctl", "show", "-P", "StateChangeTimestampMonotonic", "apus")
    broker.run("kill", "-HUP", broker.main_pid())
    wait_until(lambda: reloads() > before, "the reload")
    # systemd went through `reloading`, and is back.
    wait_until(lambda: broker.run("systemctl", "show", "-P", "SubState", "apus") == "running", "the end of the reload")
    assert broker.run("systemctl", "show", "-P", "StateChangeTimestampMonotonic", "apus") != changed


def test_a_stop_may_take_longer_than_the_unit_says(broker, drop_in):
    """As long as it keeps to its own limit."""
    broker.configure(CONFIGURATION + 'stop_timeout = "6 s"\n')
    broker.run("systemctl", "reload", "apus")
    drop_in("[Service]\nTimeoutStopSec=2s\n")
    broker.kill(broker.worker("router"), number="STOP")
    began = time.monotonic()
    broker.run("systemctl", "stop", "apus")
    assert time.monotonic() - began > 3
    assert broker.run("systemctl", "show", "-P", "Result", "apus") == "success"
    assert "timed out" not in broker.run("journalctl", "-u", "apus", "-o", "cat", "--no-pager", "-n", "20")


def test_a_stuck_journal_holds_nobody_up(broker, opened):
    """It costs entries, which are counted."""
    client, port = opened(Paho(broker.port())), broker.port()
    talk(broker, client)
    journald = broker.run("pidof", "systemd-journald")
    broker.run("kill", "-STOP", journald)
    try:
        for _ in range(6000):
            w.connected(port, timeout=10).close()
        talk(broker, client)
        # No longer than ever.
        began = time.monotonic()
        for _ in range(20):
            client.publish("stuck", "hello", qos=1)
        assert time.monotonic() - began < 10
    finally:
        broker.run("kill", "-CONT", journald)
    wait_until(lambda: broker.entries("MESSAGE_ID=9f085e6bc9f44e89be5bd392dd6b5b8d"), "the count of dropped entries", 20)
    assert int(broker.entries("MESSAGE_ID=9f085e6bc9f44e89be5bd392dd6b5b8d")[0]["APUS_COUNT"]) > 0


def test_a_thousand_clients_live_through_it(broker, opened):
    port, topic = broker.port(), unique("many")
    # First: it can only wait for descriptors below 1024.
    sender = opened(Paho(port))
    clients = [opened(w.connected(port)) for _ in range(1000)]
    for client in clients:
        client.subscribe(topic)
    # A reload finds newer programs as well.
    workers = {row["pid"] for row in broker.status()["workers"]}
    for program in PROGRAMS:
        put(broker, program, broker.root / program)
    for number, act in enumerate((("systemctl", "reload"), ("systemctl", "restart"), ("systemctl", "kill", "-s", "KILL", "--kill-whom=main"))):
        main = broker.main_pid()
        broker.run(*act, "apus")
        if number == 2:
            wait_until(lambda: broker.main_pid() not in (0, main), "the next supervisor", 20)
        if number == 0:
            wait_until(lambda: not any(row["outdated"] or row["pid"] in workers for row in broker.status()["workers"]),
                       "every worker to be replaced", 30)
            assert broker.main_pid() == main
        broker.wait_served()
        sender.publish(topic, f"after {number}", qos=1)
        for client in clients:
            assert client.expect(w.PUBLISH).publish()[2] == b"after %d" % number
    assert broker.status()["connections"] == 1001


class Captured:
    """A process that does what a debugger tells it."""

    def __init__(self, broker, pid):
        self.broker, self.pid = broker, pid

    def call(self, *expressions):
        """The errno of each call; 0 where it was done."""
        asked = [part for expression in expressions for part in (
            "-ex", f"print {expression}", "-ex", "print *((int *(*)(void)) __errno_location)()")]
        text = self.broker.run("gdb", "-nx", "-batch", "-p", self.pid, *asked, check=False)
        results = re.findall(r"^\$\d+ = (-?\d+)", text, re.M)
        assert len(results) == 2 * len(expressions), text
        return [int(code) if result == "-1" else 0 for result, code in zip(results[::2], results[1::2])]

    @staticmethod
    def file(path, flags=0):
        return f'((int (*)(const char *, int, int)) open)("{path}", {flags}, 0600)'

    @staticmethod
    def number(name, *arguments):
        """A call whose arguments are numbers."""
        return f"((int (*)({', '.join(['long'] * len(arguments))})) {name})({', '.join(map(str, arguments))})"

    @classmethod
    def connect(cls, kind, port):
        """To a port of this machine; the descriptor is a new socket's, where there is one."""
        address = struct.pack("<H", socket.AF_INET) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)
        text = "".join(f"\\{byte:03o}" for byte in address)
        return f'((int (*)(int, const char *, int)) connect)({cls.number("socket", 2, kind, 0)}, "{text}", 16)'


def test_a_listener_has_its_descriptors_and_nothing_else(broker, opened):
    """Asked of the process itself, whatever the kernel's Landlock can do."""
    client = opened(Paho(broker.port()))
    listener, router = Captured(broker, broker.worker("mqtt")), Captured(broker, broker.worker("router"))
    paths = ("/etc/shadow", "/etc/hostname", "/etc/apus/apus.toml", "/var/lib/apus/apus.db", "/dev/null")
    assert {*listener.call(*map(Captured.file, paths), Captured.file("/var/lib/apus/x", os.O_CREAT | os.O_WRONLY))} \
        <= {errno.EPERM, errno.EACCES}
    with listening() as port:
        tcp, udp = Captured.connect(socket.SOCK_STREAM, port), Captured.connect(socket.SOCK_DGRAM, port)
        # Those calls may fail for their descriptor, which the socket is; so that is asked for by itself.
        assert listener.call(Captured.number("socket", 2, 1, 0), Captured.number("socket", 2, 2, 0),
                             Captured.number("socket", 10, 2, 0), Captured.number("socket", 16, 3, 0)) == 4 * [errno.EPERM]
        assert listener.call(tcp, udp, Captured.number("connect", 0, 0, 0)) == 3 * [errno.EPERM]
        # The router is one that may, so far.
        assert router.call(tcp, udp) == [0, 0]
    assert listener.call(
        Captured.number("bind", 0, 0, 0), Captured.number("listen", 0, 1), Captured.number("accept", 0, 0, 0),
        '((int (*)(const char *, long, long)) execve)("/bin/sh", 0, 0)',
        # Linux's numbers: ptrace, pidfd_getfd and io_uring_setup.
        Captured.number("syscall", {"x86_64": 101, "aarch64": 117}[os.uname().machine], 16, router.pid, 0, 0),
        Captured.number("syscall", 438, 3, 3, 0), Captured.number("syscall", 425, 1, 0),
        Captured.number("process_vm_readv", router.pid, 0, 0, 0, 0, 0)) == 8 * [errno.EPERM]
    # Where there is Landlock, it stands behind the filter: no name can be made or taken away either.
    confined = broker.entries("MESSAGE_ID=b3f4a16e0c5d4e7e9a28d07f61c4b95d")
    if confined:
        print("Landlock is not tested: ", confined[-1]["APUS_REASON"])
    else:
        assert listener.call('((int (*)(const char *, int)) mkdir)("/var/lib/apus/x", 0700)',
                             '((int (*)(const char *)) unlink)("/var/lib/apus/apus.db")') == 2 * [errno.EACCES]
    # It serves, also after a successor has taken over, which gets its descriptors behind the filter; and its log arrives.
    talk(broker, client)
    broker.run("apusctl", "restart", "listener/mqtt")
    broker.run("apusctl", "restart", "router")
    talk(broker, client)
    name = unique("logged")
    opened(Paho(broker.port(), client_id=name))
    wait_until(lambda: broker.entries("SYSLOG_IDENTIFIER=apus-listener", f"APUS_CLIENT_ID={name}"), "its entry", 10)


@pytest.mark.parametrize("network", ["its own addresses", "none"])
def test_what_the_unit_forbids_is_forbidden(host, drop_in, network):
    probe = host.root / "usr/lib/apus-probe.py"
    probe.write_text(PROBE)
    units = host.root / "etc/systemd/system"
    private, port_of_socket = units / "apus.service.d/private.conf", units / "apus.socket.d/port.conf"
    if network == "none":
        # What is shipped for it; the socket that it needs has a port that is free.
        private.symlink_to("/usr/share/apus/private.conf")
        port_of_socket.parent.mkdir()
        port_of_socket.write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{free_ports(1)[0]}\n")
    try:
        with listening() as port:
            drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/python3 /usr/lib/apus-probe.py\nType=oneshot\nRestart=no\n"
                    f"WatchdogSec=0\nEnvironment=PROBE_PORT={port}\n")
            host.run("systemctl", "start", "apus")
    finally:
        host.run("systemctl", "stop", "apus.socket")
        private.unlink(missing_ok=True)
        port_of_socket.unlink(missing_ok=True)
    state = host.root / "var/lib/private/apus"
    found = json.loads((state / "probe.json").read_text())
    (state / "probe.json").unlink()
    (state / "x").unlink()
    assert found.pop("keep state") == "allowed"
    internet = found.pop("internet")
    assert internet == "allowed" if network != "none" else internet in {"EAFNOSUPPORT", "ENETUNREACH", "EPERM"}
    assert {found.pop("netlink"), found.pop("raw socket")} <= REFUSED | {"EAFNOSUPPORT"}
    assert found and set(found.values()) <= REFUSED, found
