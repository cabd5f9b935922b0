"""The units on a real systemd: what they forbid, the ports that systemd holds, and what the journal says."""

import contextlib
import socket

import pytest

from broker import wait_until
from client import Paho, unique
from systemd import broker, host  # noqa: F401, fixtures

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"
"""

SYSTEMDS_PORTS = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "systemd:mqtt"

[[listener]]
name = "web"
protocol = "websocket"
bind = "systemd:web"
"""


@pytest.fixture
def activated(host):
    """Ports that systemd holds, the broker not started; in a network of its own once it is."""
    host.configure(SYSTEMDS_PORTS)
    drop_ins = host.root / "etc/systemd/system"
    for unit, port in zip(("apus.socket", "apus-web.socket"), free_ports(2)):
        (drop_ins / f"{unit}.d").mkdir(exist_ok=True)
        (drop_ins / f"{unit}.d/port.conf").write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
    link = drop_ins / "apus.service.d/private.conf"
    link.symlink_to("/usr/share/apus/private.conf")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reset-failed", check=False)
    host.run("systemctl", "start", "apus.socket", "apus-web.socket")
    yield host
    print(host.journal())
    host.run("systemctl", "stop", "apus.socket", "apus-web.socket")
    host.stop()
    link.unlink()
    host.run("systemctl", "daemon-reload")


def free_ports(count):
    """Ports that nobody has, which systemd is to bind."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


def test_systemd_has_nothing_to_say_about_the_units(host):
    units = ["/lib/systemd/system/" + name
             for name in ("apus.service", "apus@test.service", "apus.socket", "apus-web.socket")]
    # It says so on standard error.
    assert host.run("sh", "-c", f"systemd-analyze verify {' '.join(units)} 2>&1", check=False) == ""


def test_exposure(broker):
    """In tenths; the command fails above the threshold."""
    broker.run("systemd-analyze", "security", "--threshold=12", "apus.service")


def test_what_is_forbidden_is_in_force(broker):
    main = broker.main_pid()
    for pid in [main, broker.worker("mqtt"), broker.worker("router")]:
        status = dict(line.split(":\t", 1) for line in broker.run("cat", f"/proc/{pid}/status").splitlines())
        assert status["Uid"].split()[0] == broker.run("id", "-u", "apus") != "0"
        assert {status[key].strip("0") for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {""}
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"

    def inside(*command):
        """Run as the broker, in its namespaces."""
        return broker.run("nsenter", "-t", str(main), "-m", "-S", broker.run("id", "-u", "apus"), "--", *command,
                          check=False)

    assert inside("cat", "/etc/hostname") != "" and inside("cat", "/etc/shadow") == ""
    assert inside("sh", "-c", "echo x > /usr/x && cat /usr/x") == ""
    assert inside("sh", "-c", "echo x > /var/lib/apus/x && cat /var/lib/apus/x && rm /var/lib/apus/x") == "x"


def test_the_first_connection_starts_the_broker(activated, opened):
    assert activated.run("systemctl", "is-active", "apus", check=False) == "inactive"
    port, page = (int(activated.run("systemctl", "show", "-P", "Listen", unit).split()[0].rsplit(":", 1)[1])
                  for unit in ("apus.socket", "apus-web.socket"))
    first = opened(Paho(port))
    second = opened(Paho(page, transport="websockets"))
    topic = unique("act")
    second.subscribe(topic, 1)
    first.publish(topic, "hello", qos=1)
    second.expect(topic, "hello")
    # No network, and none can be asked for.
    activated.run("systemd-analyze", "security", "--threshold=7", "apus.service")
    pid = activated.worker("mqtt")
    assert activated.run("readlink", f"/proc/{pid}/ns/net") != activated.run("readlink", "/proc/1/ns/net")
    # The ports stay where they are, whoever serves them.
    activated.run("systemctl", "restart", "apus")
    first.publish(topic, "again", qos=1)
    second.expect(topic, "again")


def test_the_journal_tells_the_story_of_a_client(broker, opened):
    name = unique("story")
    client = opened(Paho(broker.port(), version="5.0", client_id=name, username="ann"))
    client.close()
    came, went = wait_until(lambda: (found := broker.entries(f"APUS_CLIENT_ID={name}"))[1:] and found, "two entries", 10)
    for entry in (came, went):
        assert entry["SYSLOG_IDENTIFIER"] == "apus-listener" and entry["APUS_WORKER"] == "listener/mqtt"
        assert entry["APUS_LISTENER"] == "mqtt" and entry["APUS_GENERATION"] and entry["PRIORITY"] == "6"
        assert entry["APUS_USER"] == "ann" and entry["APUS_PROTOCOL"] == "MQTT 5.0"
        assert entry["APUS_PEER"].startswith("127.0.0.1:")
    assert went["APUS_REASON_CODE"] == "0x00" and went["APUS_REASON"]
    assert broker.run("apusctl", "logs", "--client", name).count(name) == 2
    for program in ("apusd", "apus-router"):
        assert wait_until(lambda: broker.entries("-t", program), f"entries of {program}", 10)


def test_the_journal_explains_its_entries(broker):
    broker.run("apusctl", "restart", "router")
    text = broker.run("journalctl", "-u", "apus", "-x", "-o", "short", "--no-pager")
    assert "Subject: The broker is ready" in text and "Defined-By: Apus" in text
    assert "Subject: Worker router serves" in text
    text = broker.run("apusctl", "logs", "--worker", "router", "-n", "5", "--", "-x")
    assert "man:apusd(8)" in text
