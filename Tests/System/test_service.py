"""The service under a real systemd in bad hours: processes that hang and crash, a configuration that is refused, a journal that
is stuck, and what the unit forbids; a thousand clients through what an administrator does."""

import contextlib
import ctypes
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
from systemd import broker, host  # noqa: F401, fixtures

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"

[supervisor]
heartbeat_interval = "100 ms"
heartbeat_timeout = "1 s"
"""
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
    assert "messages/s in" in text and "Active: active (running)" in text and "(Apus MQTT broker)" not in text


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
        entry, = wait_until(lambda: broker.entries(f"APUS_PID={pid}", "MESSAGE_ID=2c7e5d0b94f64a1e8b3f7d6a50c1e928"),
                            "the entry", 10)
        assert entry["APUS_WORKER"] == label and entry["SYSLOG_IDENTIFIER"] == program and entry["PRIORITY"] == "3"
        assert entry["APUS_REASON"].startswith(f"{program} ") and "crashed: SIGSEGV" in entry["APUS_REASON"]
        named = subprocess.run([SYMBOLIZE, BIN], input=entry["MESSAGE"] + "\n", capture_output=True, text=True).stdout
        assert {"mqtt": "Listener", "router": "Router"}[name] in named.split("\n", 1)[1], named
        talk(broker, client)
        broker.wait_served()


def test_what_a_worker_says_while_there_is_no_supervisor_is_kept(broker):
    pid = broker.worker("router")
    broker.kill(broker.main_pid(), number="STOP")
    broker.kill(pid, number="SEGV")
    broker.kill(broker.main_pid())
    wait_until(lambda: broker.entries(f"APUS_PID={pid}", "MESSAGE_ID=2c7e5d0b94f64a1e8b3f7d6a50c1e928"), "the entry", 20)
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
    entry = broker.entries("MESSAGE_ID=cd52c681241c4016b291cd02e3a05026")[-1]
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
    with listening() as port:
        host.configure(CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        host.run("systemctl", "reset-failed", "apus")
        with pytest.raises(BrokerError):
            host.run("systemctl", "start", "apus", timeout=60)
        wait_until(lambda: "in use" in host.run("systemctl", "status", "apus", check=False), "the reason", 10)
    host.run("systemctl", "stop", "apus")
    host.run("systemctl", "reset-failed", "apus", check=False)


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
    for number, act in enumerate((("systemctl", "reload"), ("systemctl", "restart"), ("systemctl", "kill", "-s", "KILL", "--kill-whom=main"))):
        main = broker.main_pid()
        broker.run(*act, "apus")
        if number == 2:
            wait_until(lambda: broker.main_pid() not in (0, main), "the next supervisor", 20)
        broker.wait_served()
        sender.publish(topic, f"after {number}", qos=1)
        for client in clients:
            assert client.expect(w.PUBLISH).publish()[2] == b"after %d" % number
    assert broker.status()["connections"] == 1001


def test_a_listener_has_its_descriptors_and_nothing_else(broker, opened):
    """Asked of the process itself, by a debugger."""
    version = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)  # landlock_create_ruleset
    if version < 4:
        pytest.skip(f"THIS KERNEL'S LANDLOCK IS TOO OLD OR ABSENT (version {version}): what a listener gives up is not tested")

    def call(pid, expression):
        """The errno of a call; 0 where it was done."""
        text = broker.run("gdb", "-nx", "-batch", "-p", pid, "-ex", f"print {expression}", "-ex",
                          "print *((int *(*)(void)) __errno_location)()", check=False)
        results = re.findall(r"^\$\d = (-?\d+)", text, re.M)
        assert len(results) == 2, text
        return int(results[1]) if results[0] == "-1" else 0

    def file(path, flags=0):
        return f'((int (*)(const char *, int, int)) open)("{path}", {flags}, 0600)'

    client = opened(Paho(broker.port()))
    listener = broker.worker("mqtt")
    for path in ("/etc/shadow", "/etc/hostname", "/etc/apus/apus.toml", "/var/lib/apus/apus.db", "/dev/null"):
        assert call(listener, file(path)) == errno.EACCES
    assert call(listener, file("/var/lib/apus/x", os.O_CREAT | os.O_WRONLY)) == errno.EACCES
    # 127.0.0.1, as the bytes of a sockaddr_in have it; the descriptor is a new socket's.
    with listening() as port:
        address = struct.pack("<H", socket.AF_INET) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)
        text = "".join(f"\\{byte:03o}" for byte in address)
        connect = (f'((int (*)(int, const char *, int)) connect)(((int (*)(int, int, int)) socket)(2, 1, 0), "{text}", 16)')
        assert call(listener, connect) == errno.EACCES
        # The router is one that may, so far.
        assert call(broker.worker("router"), connect) == 0
    talk(broker, client)


@pytest.mark.parametrize("network", ["its own addresses", "none"])
def test_what_the_unit_forbids_is_forbidden(host, drop_in, network):
    probe = host.root / "usr/lib/apus-probe.py"
    probe.write_text(PROBE)
    with listening() as port:
        alone = "PrivateNetwork=yes\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any\n"
        drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/python3 /usr/lib/apus-probe.py\nType=oneshot\nRestart=no\n"
                f"WatchdogSec=0\nEnvironment=PROBE_PORT={port}\n" + (alone if network == "none" else ""))
        host.run("systemctl", "start", "apus")
    state = host.root / "var/lib/private/apus"
    found = json.loads((state / "probe.json").read_text())
    (state / "probe.json").unlink()
    (state / "x").unlink()
    assert found.pop("keep state") == "allowed"
    internet = found.pop("internet")
    assert internet == "allowed" if network != "none" else internet in {"EAFNOSUPPORT", "ENETUNREACH", "EPERM"}
    assert {found.pop("netlink"), found.pop("raw socket")} <= REFUSED | {"EAFNOSUPPORT"}
    assert found and set(found.values()) <= REFUSED, found
