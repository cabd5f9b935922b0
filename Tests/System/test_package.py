"""The Debian package: what an installation, an upgrade, a removal and a purge do on a machine with a systemd."""

import gzip
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import wire as w
from broker import BrokerError, wait_until
from client import Paho, unique
from systemd import ROOT, SystemdHost, package

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"
"""
# What is not the package's: caches, logs, what dpkg and the machine keep of everything.
OTHERS = re.compile(r"/(proc|sys|dev|run|tmp|root|var/(log|cache|tmp|lib/(dpkg|apt|PackageKit|systemd/random-seed|ucf)))(/|$)"
                    r"|/etc/(\.updated|.*-$|machine-id|group|gshadow|passwd|shadow|subuid|subgid|.*\.lock)|/var/\.updated")


@pytest.fixture
def host():
    """Without the package, and with a network of its own: the default ports are free there."""
    host = SystemdHost(is_bare=True, options=["--private-network"])
    (host.root / "usr/sbin/policy-rc.d").unlink()
    yield host
    print(host.journal())
    host.close()


def of_us(host):
    """What is left outside of the files: groups, units of our own, folders of /run, what the journal explains."""
    return {
        "users": host.run("getent", "passwd"), "groups": host.run("getent", "group"),
        "run": host.run("sh", "-c", "ls -d /run/*apus* /run/private/* /run/systemd/system/apus* "
                        "/run/systemd/system/*/apus* 2>/dev/null", check=False),
        "units": host.run("systemctl", "list-unit-files", "--no-legend", "apus*", check=False),
        "catalog": "Apus" in host.run("journalctl", "--list-catalog")}


@pytest.fixture
def shared(request):
    """The package installed and running, in this machine's network."""
    host = SystemdHost(is_bare=True)
    (host.root / "usr/sbin/policy-rc.d").unlink()
    (host.root / "etc/apus").mkdir()
    host.configure(CONFIGURATION)
    host.apt_install(package())
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
    before, rest = files(host), of_us(host)
    host.apt_install(package())
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

    # What an administrator makes of the units goes as well: drop-ins, links of what is enabled, an instance.
    (host.root / "etc/apus/test.toml").write_text(CONFIGURATION)
    for unit in ("apus.service", "apus.socket", "apus-web.socket", "apus@test.service"):
        for folder in ("etc", "run"):
            host.run("sh", "-c", f"mkdir -p /{folder}/systemd/system/{unit}.d && "
                     f"echo '[Unit]' > /{folder}/systemd/system/{unit}.d/override.conf")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "enable", "--now", "apus@test")
    host.run("systemctl", "enable", "apus.socket", "apus-web.socket")
    host.run("apt-get", "purge", "-y", "apus")
    assert files(host) - before == set()
    assert of_us(host) == rest
    wait_until(lambda: not host.run("pgrep", "apus", check=False), "every process of the broker to be gone")


def test_from_nothing_to_a_hardened_broker(host):
    """What docs/operations.md says, word by word, with ports below 1024; it takes an administrator minutes, so a machine seconds."""
    text = (ROOT / "docs/operations.md").read_text()
    section = text[text.index("## Harden it"):text.index("## Upgrade")]
    listeners, = re.findall(r"```toml\n(.*?)```", section, re.S)
    commands = re.findall(r"^```\n(systemctl edit .*?)```", section, re.M | re.S)[0].splitlines()
    began = time.monotonic()
    host.apt_install(package())
    host.wait_served()
    host.configure(listeners)
    for command in commands:
        edit = re.fullmatch(r"systemctl edit (\S+) +# \[Socket\]  ListenStream=  ListenStream=\S+", command)
        if edit:
            folder = host.root / f"etc/systemd/system/{edit[1]}.d"
            folder.mkdir(parents=True)
            (folder / "override.conf").write_text("[Socket]\nListenStream=\nListenStream=127.0.0.1:883\n")
        else:
            host.run("sh", "-c", command)
    host.wait_served()
    assert time.monotonic() - began < 300
    # The port is one of those that only root may have, and the broker has neither that nor a network.
    assert "127.0.0.1:883 " in host.run("ss", "-Hltn") and host.port() == 883
    host.run("systemd-analyze", "security", "--threshold=7", "apus.service")
    pid = host.worker("mqtt")
    assert host.run("readlink", f"/proc/{pid}/ns/net") != host.run("readlink", "/proc/1/ns/net")
    host.run("apusctl", "pub", "-p", "883", "-t", "room", "-m", "21.5", "-q", "1", "--retain")
    assert host.run("apusctl", "sub", "-p", "883", "-t", "room", "-C", "1", "-W", "10") == "21.5"
    # A restart finds it as it was.
    host.run("systemctl", "restart", "apus")
    host.wait_served()
    assert host.run("apusctl", "sub", "-p", "883", "-t", "room", "-C", "1", "-W", "10") == "21.5"


def test_where_no_systemd_boots_tests_are_skipped_and_say_so(monkeypatch, tmp_path):
    fake = tmp_path / "systemd-nspawn"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="CAN NOT BOOT A SYSTEMD OF THE TESTS' OWN"):
        SystemdHost()
    # Nothing of it is left.
    assert list(tmp_path.iterdir()) == [fake] and str(tmp_path) not in Path("/proc/mounts").read_text()


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
    # An instance as well.
    (host.root / "etc/apus/a.toml").write_text(CONFIGURATION)
    host.run("systemctl", "start", "apus@a")
    instance = ("apusctl", "--socket", "/run/apus@a/control.sock", "status", "--json")
    wait_until(lambda: {row["state"] for row in json.loads(host.run(*instance))["workers"]} == {"ready", "standby"},
               "the instance and its standbys", 20)
    status = json.loads(host.run(*instance))
    main_of_it, before_of_it = host.run("systemctl", "show", "-P", "MainPID", "apus@a"), {row["pid"] for row in status["workers"]}
    of_it = opened(Paho(status["listeners"][0]["port"]))
    of_it.subscribe(topic, 1)
    text = host.apt_install(package("9.9.9", "deb-later"))
    assert "goes on with the former programs" not in text
    assert host.run("dpkg-query", "-W", "-f", "${Version}", "apus") == "9.9.9-1"

    def is_new(status, before):
        return not any(row["outdated"] or row["pid"] in before for row in status["workers"])
    wait_until(lambda: is_new(host.status(), before), "every worker to be replaced", 40)
    wait_until(lambda: is_new(json.loads(host.run(*instance)), before_of_it), "those of the instance as well", 40)
    assert host.main_pid() == main and host.run("systemctl", "show", "-P", "MainPID", "apus@a") == main_of_it
    of_it.publish(topic, "of it", qos=1)
    of_it.expect(topic, "of it")
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
    host.apt_install(package("9.9.9", "deb-later"))
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
    # The shells themselves say what they would put there.
    found = host.run("fish", "-c", "complete -C 'apusctl re'")
    assert {line.split("\t")[0] for line in found.splitlines()} == {"reload", "restart"}, found
    script = "autoload -Uz compinit && compinit -u -D && print -r $_comps[apusctl] && autoload -Uz +X _apusctl && print loaded"
    assert host.run("zsh", "-f", "-c", script).split() == ["_apusctl", "loaded"]
    with pytest.raises(BrokerError):
        host.run("apusd", "--check", "--config", "/etc/shadow")
    assert host.run("apusd", "--check", "--config", "/etc/apus/apus.toml") == ""
