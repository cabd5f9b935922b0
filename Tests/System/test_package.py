"""The Debian package: what an installation, an upgrade, a removal and a purge do on a machine with a systemd."""

import gzip
import json
import re
import subprocess

import pytest

import wire as w
from broker import BrokerError, wait_until
from client import Paho, unique
from systemd import SystemdHost, package

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"
"""
# What is not the package's: caches, logs, what dpkg and the machine keep of everything.
OTHERS = re.compile(r"/(proc|sys|dev|run|tmp|root|var/(log|cache|tmp|lib/(dpkg|apt|systemd/random-seed|ucf)))(/|$)"
                    r"|/etc/(\.updated|.*-$|machine-id|group|gshadow|passwd|shadow|subuid|subgid|.*\.lock)|/var/\.updated")


@pytest.fixture
def host():
    """Without the package, and with a network of its own: the default ports are free there."""
    host = SystemdHost(is_bare=True, options=["--private-network"])
    (host.root / "usr/sbin/policy-rc.d").unlink()
    yield host
    print(host.journal())
    host.close()


@pytest.fixture
def shared(request):
    """The package installed and running, in this machine's network."""
    host = SystemdHost(is_bare=True)
    (host.root / "usr/sbin/policy-rc.d").unlink()
    (host.root / "etc/apus").mkdir()
    host.configure(CONFIGURATION)
    host.install(package())
    (host.root / "etc/systemd/system/apus.service.d").mkdir()
    host.wait_served()
    yield host
    print(host.journal())
    host.close()


def files(host):
    found = host.run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", ")", "-prune", "-o", "-print")
    return {path for path in found.splitlines() if not OTHERS.match(path)}


def test_lintian_finds_no_fault():
    packages = sorted(package().parent.glob("*.deb"))
    assert {path.name.split("_")[0] for path in packages} == {"apus", "apus-dbgsym"}
    found = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *packages], capture_output=True, text=True)
    assert found.returncode == 0 and "E:" not in found.stdout, found.stdout


def test_from_nothing_to_a_broker_and_back(host):
    before, users = files(host), host.run("getent", "passwd")
    host.install(package())
    host.wait_served()
    assert host.run("systemctl", "is-enabled", "apus") == "enabled"
    assert host.run("systemctl", "is-enabled", "apus.socket", check=False) == "disabled"
    # It answers on its ports, and keeps what it is told.
    host.run("apusctl", "pub", "-t", "room", "-m", "21.5", "-q", "1", "--retain")
    assert host.run("apusctl", "sub", "-t", "room", "-C", "1", "-W", "10") == "21.5"
    assert host.run("stat", "-c", "%U %a", "/var/lib/private/apus") == "apus 700"
    assert "Subject: The broker is ready" in host.run("journalctl", "-u", "apus", "-x", "--no-pager")

    host.run("dpkg", "-r", "apus")
    assert host.run("systemctl", "is-active", "apus", check=False) == "inactive"
    wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process of the broker to be gone")
    assert (host.root / "etc/apus/apus.toml").exists() and not (host.root / "usr/sbin/apusd").exists()
    # What it knew is there again with it.
    host.install(package())
    host.wait_served()
    assert host.run("apusctl", "sub", "-t", "room", "-C", "1", "-W", "10") == "21.5"

    (host.root / "etc/apus/test.toml").write_text(CONFIGURATION)
    host.run("systemctl", "start", "apus@test")
    host.run("dpkg", "-P", "apus")
    assert host.run("getent", "passwd") == users
    assert files(host) - before == set()
    wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process of the broker to be gone")
    assert "Apus" not in host.run("journalctl", "--list-catalog")


def test_an_upgrade_disconnects_nobody(shared, opened):
    host = shared
    clients = [opened(Paho(host.port(), version=version)) for version in ("3.1.1", "5.0")]
    many = [opened(w.connected(host.port())) for _ in range(100)]
    topic = unique("upgrade")
    for client in clients:
        client.subscribe(topic, 1)
    main, before = host.main_pid(), {row["pid"] for row in host.status()["workers"]}
    mine = CONFIGURATION + '\n[log]\nlevel = "debug"\n'
    host.configure(mine)
    text = host.install(package("9.9.9", "deb-later"))
    assert "goes on with the former programs" not in text
    assert host.run("dpkg-query", "-W", "-f", "${Version}", "apus") == "9.9.9-1"

    def is_new():
        rows = host.status()["workers"]
        return not any(row["outdated"] for row in rows) and not {row["pid"] for row in rows} & before
    wait_until(is_new, "every worker to be replaced", 40)
    assert host.main_pid() == main
    clients[0].publish(topic, "hello", qos=1)
    for client in clients:
        client.expect(topic, "hello")
    for client in many:
        client.ping()
    assert (host.root / "etc/apus/apus.toml").read_text() == mine


def test_an_upgrade_that_can_not_work_leaves_what_runs(shared, opened):
    host = shared
    client = opened(w.connected(host.port()))
    host.configure(CONFIGURATION + "\n[nonsense]\n")
    before = {row["pid"] for row in host.status()["workers"]}
    host.install(package("9.9.9", "deb-later"))
    assert host.run("dpkg-query", "-W", "-f", "${Status}", "apus") == "install ok installed"
    assert {row["pid"] for row in host.status()["workers"]} == before
    client.ping()


def test_several_brokers_on_one_machine(shared, opened):
    host = shared
    ports = {}
    for name in ("a", "b"):
        (host.root / f"etc/apus/{name}.toml").write_text(CONFIGURATION)
        host.run("systemctl", "start", f"apus@{name}")
        status = json.loads(host.run("apusctl", "--socket", f"/run/apus@{name}/control.sock", "status", "--json"))
        ports[name] = status["listeners"][0]["port"]
    ports[""] = host.port()
    assert len(set(ports.values())) == 3
    clients = {name: opened(Paho(port, client_id="same")) for name, port in ports.items()}
    for client in clients.values():
        client.subscribe("t", 1)
    for name, client in clients.items():
        client.publish("t", f"of {name}", qos=1)
        client.expect("t", f"of {name}")
    main = host.run("systemctl", "show", "-P", "MainPID", "apus@b")
    host.run("systemctl", "reload", "apus@a")
    host.run("systemctl", "restart", "apus@a")
    host.run("systemctl", "stop", "apus")
    for name in ("a", "b"):
        clients[name].publish("t", "still there", qos=1)
        clients[name].expect("t", "still there")
    assert host.run("systemctl", "show", "-P", "MainPID", "apus@b") == main
    assert "ready after" in host.run("apusctl", "logs", "--unit", "apus@a")


def test_a_backup_is_a_way_back(shared, opened):
    """What docs/operations.md says, with Python's SQLite where it has the command's."""
    host, name = shared, unique("kept")
    client = opened(Paho(host.port(), client_id=name, clean=False))
    client.subscribe("t", 1)
    client.close()
    sender = opened(Paho(host.port()))
    sender.publish("t", "before", qos=1)
    copy = ("import sqlite3; sqlite3.connect('/var/lib/apus/apus.db').backup(sqlite3.connect('/root/apus.db'))")
    host.run("python3", "-c", copy)
    sender.publish("t", "after", qos=1)
    host.run("systemctl", "stop", "apus")
    host.run("sh", "-c", "rm -f /var/lib/apus/apus.db-wal /var/lib/apus/apus.db-shm; "
             "install -o apus -g apus -m 600 /root/apus.db /var/lib/apus/apus.db")
    host.start()
    client = opened(Paho(host.port(), client_id=name, clean=False))
    client.expect("t", "before")
    client.publish("t", "last", qos=1)
    client.expect("t", "last")


def test_a_crash_can_be_read(shared):
    host = shared
    host.install(next(package().parent.glob("apus-dbgsym_*.deb")))
    pid = host.worker("router")
    host.kill(pid, number="SEGV")
    wait_until(lambda: host.entries(f"APUS_PID={pid}", "MESSAGE_ID=2c7e5d0b94f64a1e8b3f7d6a50c1e928"), "the entry", 10)
    text = host.run("sh", "-c", "apusctl logs | /usr/libexec/apus/symbolize")
    assert "crashed: SIGSEGV" in text and "Sources/Router/Run.swift:" in text, text


def test_what_comes_with_it(shared):
    host = shared
    for page in ("apusd.8", "apusctl.1", "apus.toml.5", "apus-protocol.7"):
        name, section = page.rsplit(".", 1)
        path = f"/usr/share/man/man{section}/{page}.gz"
        assert subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", host.root / path[1:]],
                              capture_output=True, text=True).stderr == ""
        assert name in gzip.decompress((host.root / path[1:]).read_bytes()).decode()
    manual = host.run("sh", "-c", "MANWIDTH=200 man apusctl | col -b")
    for command in ("status", "clients", "kick", "reload", "restart", "upgrade", "pub", "sub", "bench", "logs"):
        assert f"apusctl {command}" in manual
    assert "--window" in manual and "queue_policy" in host.run("sh", "-c", "man apus.toml | col -b")
    script = ". /usr/share/bash-completion/completions/apusctl; complete -p apusctl"
    assert "apusctl" in host.run("bash", "-c", script)
    with pytest.raises(BrokerError):
        host.run("apusd", "--check", "--config", "/etc/shadow")
    assert host.run("apusd", "--check", "--config", "/etc/apus/apus.toml") == ""
