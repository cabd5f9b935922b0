"""apusctl, the process table and the log: what a person at the machine sees."""

import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

import wire as w
from broker import BIN, all_processes, wait_until
from client import Paho, unique


class TestStatus:
    def test_json(self, broker, paho):
        client = paho()
        status = broker.status()
        assert status["state"] == "ready" and status["pid"] == broker.pid
        assert re.match(r"\d+\.\d+", status["version"]) and status["uptime_s"] >= 0
        assert status["connections"] >= 1
        assert {(row["name"], row["protocol"], row["address"]) for row in status["listeners"]} == {
            ("mqtt", "mqtt", "127.0.0.1"), ("web", "websocket", "127.0.0.1")}
        for row in status["workers"]:
            assert (row["state"], row["generation"]) in (("ready", 1), ("standby", 2)) and row["restarts"] == 0
            assert Path(f"/proc/{row['pid']}").exists()
        assert all(isinstance(value, int) for value in status["counters"].values())
        client.close()

    def test_table(self, broker):
        text = broker.ctl("status").stdout
        for row in broker.workers():
            assert re.search(rf"{row['name']}.*{row['pid']}|{row['pid']}.*{row['name']}", text), text
        assert str(broker.port()) in text and str(broker.port("web")) in text

    def test_connections_come_and_go(self, broker):
        before = broker.status()["connections"]
        clients = [w.connected(broker.port()) for _ in range(5)]
        wait_until(lambda: broker.status()["connections"] == before + 5, "five more connections")
        for client in clients:
            client.close()
        wait_until(lambda: broker.status()["connections"] == before, "none of them")

    def test_through_the_configuration_file(self, broker):
        result = subprocess.run([BIN / "apusctl", "--config", broker.config, "status"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    def test_no_broker(self, tmp_path):
        result = subprocess.run([BIN / "apusctl", "--socket", tmp_path / "none", "status"], capture_output=True,
                                text=True)
        assert result.returncode == 3 and str(tmp_path / "none") in result.stderr
        assert result.stdout == ""

    def test_unknown_command(self):
        assert subprocess.run([BIN / "apusctl", "dance"], capture_output=True).returncode == 64


class TestClients:
    def test_rows(self, broker, paho, wire, json_client):
        five, old, page = paho(version="5.0", keep_alive=77), wire(unique(), w.V31), json_client()
        five.subscribe("a/#")
        five.subscribe("b")
        name = unique("page")
        page.request("connect", ClientId=name)
        page.subscribe("c")
        wait_until(lambda: broker.client(five.client_id)["subscriptions"] == 2, "two subscriptions")
        row = broker.client(five.client_id)
        assert (row["protocol"], row["listener"], row["keep_alive_s"]) == ("MQTT 5.0", "mqtt", 77)
        assert re.fullmatch(r"127\.0\.0\.1:\d+", row["peer"]) and 0 <= row["connected_s"] < 60
        page_row = broker.client(name)
        assert (page_row["protocol"], page_row["listener"]) == ("JSON", "web")
        port = old.socket.getsockname()[1]
        assert [row["protocol"] for row in broker.clients() if row["peer"] == f"127.0.0.1:{port}"] == ["MQTT 3.1"]
        assert five.client_id in broker.ctl("clients").stdout

    def test_gone_clients_are_gone(self, broker, paho):
        client = paho()
        assert broker.client(client.client_id)
        client.close()
        wait_until(lambda: broker.client(client.client_id) is None, "the client to be gone")

    def test_kick(self, broker, paho, wire):
        client, bystander = paho(version="5.0"), wire()
        broker.ctl("kick", client.client_id)
        assert client.wait_disconnected().value == 0x98  # administrative action
        assert broker.client(client.client_id) is None
        bystander.ping()

    def test_kick_of_nobody(self, broker):
        result = broker.ctl("kick", "nobody-of-that-name", check=False)
        assert result.returncode == 4 and "nobody-of-that-name" in result.stderr

    def test_client_ids_are_escaped(self, broker, wire):
        """A client can not write to the operator's terminal, nor forge a line of the log."""
        since, name = broker.log.mark(), unique("evil")
        wire(f"{name}\x1b[31mred\nforged line\u202e")
        assert "\x1b" not in broker.ctl("clients").stdout
        line = broker.log.wait(name, since=since)
        assert "\x1b" not in line and "forged line" in line


class TestProcesses:
    def test_titles(self, broker):
        def title(pid):
            return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()

        assert title(broker.pid).split()[0].endswith("apusd")
        assert title(broker.worker("mqtt")["pid"]).startswith("apus-listener: mqtt")
        assert title(broker.worker("web")["pid"]).startswith("apus-listener: web")
        assert title(broker.worker("router")["pid"]).startswith("apus-router")

    def test_tree(self, broker):
        for name in ("mqtt", "web"):
            broker.standby(name)
        parents = {pid: int(fields[1]) for pid, fields in all_processes().items()}
        assert {row["pid"] for row in broker.status()["workers"]} == {
            pid for pid, parent in parents.items() if parent == broker.pid}

    def test_control_socket_is_the_owners(self, broker):
        mode = broker.control.stat().st_mode & 0o777
        assert mode & 0o007 == 0, oct(mode)

    def test_nonsense_on_the_control_socket(self, broker):
        for data in (b"", b"\x00" * 100, b"{}\n", b"\xff" * 100_000, b'{"version":99}\n'):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(str(broker.control))
                try:
                    client.sendall(data)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except (ConnectionError, TimeoutError):
                    pass
        assert broker.status()["state"] == "ready"

    def test_operators_that_say_nothing_hold_nothing_up(self, broker):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        try:
            for client in silent:
                client.connect(str(broker.control))
            start = time.monotonic()
            assert broker.status()["state"] == "ready"
            assert time.monotonic() - start < 2
        finally:
            for client in silent:
                client.close()


class TestLog:
    def test_a_line_at_the_opening_and_one_at_the_end(self, broker, wire):
        since, client_id = broker.log.mark(), unique("log")
        client = wire(client_id)
        opened = broker.log.wait(client_id, since=since)
        port = client.socket.getsockname()[1]
        assert f"127.0.0.1:{port}" in opened and "mqtt" in opened
        client.send(w.packet(0xE0))
        closed = broker.log.wait(client_id, since=since, count=2)
        assert re.search("(?i)disconnect", closed), closed
        client.wait_closed()
        assert len(broker.log.all(client_id, since)) == 2

    @pytest.mark.parametrize("how,reason", [
        ("close", "closed|ended|lost|reset|without"), ("keep-alive", "keep.?alive"), ("take-over", "taken? ?over"),
        ("kick", "kick|operator|administ"), ("malformed", "malformed|protocol|QoS")])
    def test_the_reason_is_in_words(self, broker, wire, how, reason):
        client_id = unique("reason")
        client = wire(client_id, keep_alive=1 if how == "keep-alive" else 0)
        since = broker.log.mark()
        if how == "close":
            client.close()
        elif how == "take-over":
            wire(client_id)
        elif how == "kick":
            broker.ctl("kick", client_id)
        elif how == "malformed":
            client.send(w.packet(0x36))
        broker.log.wait(rf"(?i){client_id}.*({reason})", since=since)

    def test_json_clients_have_lines_too(self, broker, json_client):
        since, client_id = broker.log.mark(), unique("page")
        page = json_client()
        page.request("connect", ClientId=client_id)
        page.close()
        broker.log.wait(client_id, since=since)
        wait_until(lambda: broker.client(client_id) is None, "the client to be gone")

    def test_lines_bear_time_level_and_worker(self, broker):
        line = broker.log.all()[0]
        assert re.search(r"\d\d:\d\d:\d\d", line) and re.search(r"(?i)info|notice|debug", line), line

    def test_no_secrets(self, broker, opened):
        since = broker.log.mark()
        with w.Wire(broker.port()) as client:
            client.send(w.packet(0x10, w.text("MQTT") + b"\x04\xc2\x00\x00" + w.text("user-id") + w.text("user")
                                 + w.text("hunter2")))
            client.read()
        opened(Paho(broker.port()))
        broker.log.wait("user-id", since=since)
        assert not broker.log.all("hunter2")


def test_bench(broker):
    result = broker.ctl("bench", "-p", str(broker.port()), "-s", "1", check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"[1-9][\d,]* messages/s", result.stdout), result.stdout
