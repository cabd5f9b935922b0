"""The configuration file: what is refused and how it is said, --check, ports, sockets passed by systemd, reload."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

import wire as w
from broker import BIN, MQTT, WEB, wait_until
from client import JSON, Paho

LISTENER = '[[listener]]\nname = "mqtt"\nprotocol = "mqtt"\nbind = "127.0.0.1:0"\n'

# A file, the line and the key that the message must name, and a word on what would be right.
BAD = {
    "unknown key": (LISTENER + "[limits]\npacket_sice = 1\n", 6, "limits.packet_sice", "packet_size"),
    "unknown table": (LISTENER + "[limit]\n", 5, "limit", "limits"),
    "unknown top key": ("colour = 1\n" + LISTENER, 1, "colour", "state_dir"),
    "wrong type": (LISTENER + '[limits]\nin_flight = "many"\n', 6, "limits.in_flight", "65535"),
    "out of range": (LISTENER + "[limits]\nin_flight = 70000\n", 6, "limits.in_flight", "65535"),
    "bad size": (LISTENER + '[limits]\npacket_size = "8 MB"\n', 6, "limits.packet_size", "a size from 16 B"),
    "bad duration": (LISTENER + '[supervisor]\nstop_timeout = "soon"\n', 6, "supervisor.stop_timeout", "s"),
    "bad protocol": (LISTENER.replace('"mqtt"\nbind', '"amqp"\nbind'), 3, "protocol", "websocket"),
    "bad bind": (LISTENER.replace("127.0.0.1:0", "localhost:http"), 4, "bind", "numeric address and a port"),
    "bad name": (LISTENER.replace('name = "mqtt"', 'name = "no spaces"'), 2, "name", "a-z"),
    "missing key": ('[[listener]]\nname = "mqtt"\n', 1, "protocol", "mqtt"),
    "the same name twice": (LISTENER + LISTENER, 6, "name", "unique"),
    "not TOML": (LISTENER + "[limits\n", 5, "", "TOML"),
    "bad level": (LISTENER + '[log]\nlevel = "loud"\n', 6, "log.level", "warning"),
}


def apusd(*arguments, **options):
    return subprocess.run([BIN / "apusd", *map(str, arguments)], capture_output=True, text=True, timeout=20, **options)


def write(folder, text):
    path = folder / "apus.toml"
    path.write_text(f'state_dir = "{folder}/state"\nruntime_dir = "{folder}/run"\n' + text)
    return path


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(tmp_path, name, check):
    text, line, key, allowed = BAD[name]
    path = write(tmp_path, text)
    result = apusd("--config", path, *(["--check"] if check else []))
    message = result.stdout + result.stderr
    assert result.returncode == 78, message
    found = [shown for shown in message.splitlines() if f"{path}:" in shown]
    assert found and key in found[0] and allowed in found[0], message
    named = int(re.search(re.escape(str(path)) + r":(\d+)", found[0])[1]) - 2
    # A key that is missing has no line of its own; its table's is as good.
    assert named == line or name in ("missing key", "the same name twice", "not TOML") and 1 <= named <= 9, found[0]


def test_every_problem_is_shown_at_once(tmp_path):
    path = write(tmp_path, LISTENER + '[limits]\nin_flight = 0\nno_such = 1\n[log]\nlevel = "loud"\n')
    message = apusd("--config", path, "--check").stderr
    assert all(word in message for word in ("limits.in_flight", "limits.no_such", "log.level")), message


def test_a_missing_file_is_named():
    result = apusd("--config", "/nonexistent/apus.toml")
    assert result.returncode == 78 and "/nonexistent/apus.toml" in result.stderr


def test_check_of_a_good_file_starts_nothing(tmp_path):
    path = write(tmp_path, LISTENER)
    result = apusd("--config", path, "--check")
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "run" / "control.sock").exists()


def test_unknown_options_are_refused():
    result = apusd("--nonsense")
    assert result.returncode == 64 and "--nonsense" in result.stderr


def test_a_port_in_use_is_named(start_broker):
    first = start_broker(listeners=[MQTT])
    port = first.port()
    second = start_broker(listeners=[{**MQTT, "bind": f"127.0.0.1:{port}"}], ready=False)
    assert second.process.wait(15) not in (0, None)
    second.log.wait(rf"(?i)127\.0\.0\.1:{port}.*(in use|taken)")
    second.discard()
    with w.connected(port) as client:
        client.ping()


def test_a_second_broker_in_the_same_folder_is_refused(start_broker):
    first = start_broker()
    config = first.folder / "second.toml"
    config.write_text(first.config.read_text())
    result = apusd("--config", config)
    assert result.returncode != 0 and result.stderr
    assert first.status()["state"] == "ready"
    with w.connected(first.port()) as client:
        client.ping()


# Runs a command as systemd does with sockets: from descriptor 3 on, named, for this very process.
LAUNCHER = """
import fcntl, os, sys
names, descriptors, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
copies = [fcntl.fcntl(int(descriptor), fcntl.F_DUPFD, 100) for descriptor in descriptors]
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(copies)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


def test_sockets_passed_by_systemd(start_broker):
    passed = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [one.getsockname()[1] for one in passed]
    # A client may connect before the broker runs: it waits in the backlog.
    with w.Wire(ports[0]) as early:
        early.send(w.connect("early"))
        descriptors = ",".join(str(one.fileno()) for one in passed)
        broker = start_broker(
            listeners=[{**MQTT, "bind": "systemd:first"}, {**WEB, "bind": "systemd:second"}],
            prefix=[sys.executable, "-c", LAUNCHER, "first:second", descriptors],
            pass_fds=[one.fileno() for one in passed])
        for one in passed:
            one.close()
        early.expect(w.CONNACK)
        assert [broker.port("mqtt"), broker.port("web")] == ports
        with Paho(ports[0]) as mqtt, JSON(ports[1]) as page:
            page.subscribe("passed")
            mqtt.publish("passed", "x")
            page.expect("passed", "x")


def test_a_socket_that_systemd_did_not_pass_is_an_error(start_broker):
    broker = start_broker(listeners=[{**MQTT, "bind": "systemd:absent"}], ready=False)
    assert broker.process.wait(15) not in (0, None)
    broker.log.wait("absent")
    broker.discard()


def refuses(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


class TestReload:
    def reload(self, broker, **tables):
        """Rewrites the file, sends SIGHUP and waits until the broker has said what it made of it."""
        broker.configure(**tables)
        since = broker.log.mark()
        broker.signal(signal.SIGHUP)
        broker.log.wait("(?i)reload|configuration", since=since)
        return since

    def test_it_applies_what_it_can_and_disconnects_nobody(self, start_broker, opened):
        broker = start_broker(supervisor={"heartbeat_interval": "100 ms", "heartbeat_timeout": "60 s"})
        client = opened(w.connected(broker.port()))
        pids = [row["pid"] for row in broker.workers()]
        since = self.reload(broker, supervisor={"heartbeat_interval": "100 ms", "heartbeat_timeout": "1 s"})
        broker.log.wait(r"supervisor\.heartbeat_timeout", since=since)
        client.ping()
        assert [row["pid"] for row in broker.workers()] == pids
        # It does apply: a worker that hangs is now found within the new limit, not within a minute.
        hung = broker.worker("web")["pid"]
        os.kill(hung, signal.SIGSTOP)
        broker.wait_respawned("web", hung, 10)
        client.ping()

    def test_it_says_what_needs_a_restart(self, start_broker, opened):
        broker = start_broker()
        client = opened(w.connected(broker.port()))
        since = self.reload(broker, limits={"packet_size": "4 KiB"})
        assert "restart" in broker.log.wait(r"limits\.packet_size", since=since)
        client.ping()

    def test_a_bad_file_changes_nothing(self, start_broker, opened):
        broker = start_broker()
        client = opened(w.connected(broker.port()))
        since = self.reload(broker, limits={"no_such_limit": 1})
        line = broker.log.wait("no_such_limit", since=since)
        assert f"{broker.config}:" in line
        client.ping()
        assert broker.status()["state"] == "ready"

    def test_apusctl_reloads_and_says_what_came_of_it(self, start_broker):
        broker = start_broker()
        broker.configure(limits={"in_flight": 7, "packet_size": "4 KiB"})
        said = broker.ctl("reload").stdout
        assert "limits.in_flight" in said and "limits.packet_size" in said
        broker.configure(limits={"in_flight": 0})
        refused = broker.ctl("reload", check=False)
        assert refused.returncode == 1 and "limits.in_flight" in refused.stderr

    def test_listeners_come_and_go(self, start_broker, opened):
        broker = start_broker(listeners=[MQTT, WEB])
        stays = opened(w.connected(broker.port("mqtt")))
        port = broker.port("web")
        self.reload(broker, listeners=[MQTT, {**MQTT, "name": "new"}])
        wait_until(lambda: sorted(row["name"] for row in broker.status()["listeners"]) == ["mqtt", "new"],
                   "the listeners to be exchanged")
        with w.connected(broker.port("new")) as client:
            client.subscribe("exchanged")
            stays.send(w.publish("exchanged", "x"))
            assert client.expect(w.PUBLISH).publish()[2] == b"x"
        wait_until(lambda: refuses(port), "the port of the listener that went to be closed")
        stays.ping()

    def test_many_reloads_leak_no_descriptors(self, start_broker):
        broker = start_broker()

        def descriptors():
            return len(os.listdir(f"/proc/{broker.pid}/fd"))

        self.reload(broker)
        before = descriptors()
        for number in range(20):
            self.reload(broker, log={"level": ["info", "debug"][number % 2]})
        wait_until(lambda: descriptors() <= before, "no more descriptors than before", 5)
