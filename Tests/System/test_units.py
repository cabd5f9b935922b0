"""The units on a real systemd: what they forbid, the ports that systemd holds, and what the journal says."""

import os
import re
import signal
import subprocess

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import wire as w
from broker import BrokerError, Lines, all_processes, wait_until
from client import Paho, unique
from systemd import ROOT, broker, free_ports, host  # noqa: F401, fixtures among them

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
    assert broker.run("systemctl", "show", "-P", "DynamicUser", "apus") == "yes"
    assert broker.run("systemctl", "show", "-P", "NotifyAccess", "apus") == "main"
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


# Kinds of entries by their names, as docs/journal.md lists them.
EVENTS = dict(re.findall(r"^\| `(\w+)` \| \d \| \w+ \| `([0-9a-f]{32})` \|", (ROOT / "docs/journal.md").read_text(), re.M))
OF_A_CLIENT = {"APUS_CLIENT_ID", "APUS_LISTENER", "APUS_WORKER", "APUS_GENERATION", "APUS_PEER", "APUS_PROTOCOL"}


def story(broker, client, *kinds):
    """The client's entries, once there are those of these kinds, in their order."""
    names = {identifier: name for name, identifier in EVENTS.items()}

    def found():
        entries = broker.entries(f"APUS_CLIENT_ID={client}")
        return [(names.get(entry.get("MESSAGE_ID")), entry) for entry in entries]

    wait_until(lambda: sorted(kinds) == sorted(name for name, _ in found()), f"{kinds} of {client}", 10)
    return found()


def test_the_journal_tells_the_story_of_a_client(broker, opened):
    name = unique("story")
    client = opened(Paho(broker.port(), version="5.0", client_id=name, username="ann"))
    client.close()
    came, went = (entry for _, entry in story(broker, name, "client_connected", "client_disconnected"))
    for entry in (came, went):
        assert entry["SYSLOG_IDENTIFIER"] == "apus-listener" and entry["APUS_WORKER"] == "listener/mqtt"
        assert entry["APUS_LISTENER"] == "mqtt" and entry["APUS_GENERATION"] and entry["PRIORITY"] == "6"
        assert entry["APUS_USER"] == "ann" and entry["APUS_PROTOCOL"] == "MQTT 5.0"
        assert entry["APUS_PEER"].startswith("127.0.0.1:")
    assert went["APUS_REASON_CODE"] == "0x00" and went["APUS_REASON"]
    assert broker.run("apusctl", "logs", "--client", name).count(name) == 2
    for program in ("apusd", "apus-router"):
        assert wait_until(lambda: broker.entries("-t", program), f"entries of {program}", 10)


def test_the_journal_tells_the_whole_story_of_a_client(broker, opened):
    """What others do to it, what it does wrong, and what it is refused."""
    name = unique("story")

    def connect():
        return opened(Paho(broker.port(), version="5.0", client_id=name, username="ann"))

    first, second = connect(), connect()
    first.wait_disconnected()
    broker.run("apusctl", "kick", name)
    second.wait_disconnected()
    third = connect()
    third.client.socket().sendall(b"\x00\x00")
    third.wait_disconnected()
    known = story(broker, name, *3 * ["client_connected", "client_disconnected"], "take_over", "protocol_violation")
    for _, entry in known:
        assert OF_A_CLIENT <= set(entry) and entry["APUS_USER"] == "ann" and entry["APUS_PROTOCOL"] == "MQTT 5.0", entry
    codes = [entry["APUS_REASON_CODE"] for kind, entry in known if kind == "client_disconnected"]
    assert codes == ["0x8E", "0x98", "0x81"]
    for kind, code in (("take_over", "0x8E"), ("protocol_violation", "0x81")):
        entry, = (entry for name_, entry in known if name_ == kind)
        assert entry["APUS_REASON_CODE"] == code and entry["APUS_REASON"] and entry["APUS_LISTENER"] == "mqtt"

    # Terms that the listener does not grant.
    name = unique("terms")
    wire = opened(w.Wire(broker.port()))
    wire.send(w.connect(name, w.V5, props=b"\x15" + w.text("none")))
    wire.wait_closed()
    known = dict(story(broker, name, "protocol_violation", "connection_abandoned"))
    assert known["protocol_violation"]["APUS_REASON_CODE"] == "0x8C"
    assert OF_A_CLIENT <= set(known["protocol_violation"])

    # What the router refuses: there is a session already, and only one is allowed.
    name, other = unique("refused"), opened(Paho(broker.port(), client_id=unique("other"), clean=False))
    broker.configure(CONFIGURATION + "\n[limits]\nsessions = 1\nqueue_messages = 2\n")
    broker.run("systemctl", "reload", "apus")
    refused = opened(Paho(broker.port(), version="5.0", client_id=name, username="ann", connect=False))
    assert refused.wait_connected()[1].value == 0x97
    known = dict(story(broker, name, "limit_reached", "client_refused"))
    assert known["limit_reached"]["APUS_LIMIT"] == "limits.sessions"
    entry = known["client_refused"]
    for entry in known.values():
        assert OF_A_CLIENT <= set(entry) and entry["APUS_USER"] == "ann" and entry["APUS_LISTENER"] == "mqtt", entry
    assert known["client_refused"]["APUS_REASON_CODE"] == "0x97" and known["client_refused"]["APUS_REASON"]

    # Who stays away loses messages, and in the end the session.
    other.close()
    broker.configure(CONFIGURATION + "\n[limits]\nqueue_messages = 2\n")
    broker.run("systemctl", "reload", "apus")
    name, sender = unique("away"), opened(Paho(broker.port()))
    expiry = Properties(PacketTypes.CONNECT)
    expiry.SessionExpiryInterval = 2
    client = opened(Paho(broker.port(), version="5.0", client_id=name, properties=expiry))
    client.subscribe(name, 1)
    client.abort()
    wait_until(lambda: name not in broker.run("apusctl", "clients"), "it to be gone")
    for number in range(5):
        sender.publish(name, str(number), qos=1)
    expired, = wait_until(lambda: broker.entries(f"APUS_CLIENT_ID={name}", f"MESSAGE_ID={EVENTS['session_expired']}"),
                          "the session's end", 10)
    dropped = broker.entries(f"APUS_CLIENT_ID={name}", f"MESSAGE_ID={EVENTS['messages_dropped']}")
    # Said once a second.
    assert sum(int(entry["APUS_COUNT"]) for entry in dropped) == 3 and expired["APUS_COUNT"] == "2"
    assert all("limits.queue_messages" in entry["APUS_REASON"] for entry in dropped)
    assert broker.run("apusctl", "logs", "--client", name).count(name) == 3 + len(dropped)


def test_the_journal_explains_its_entries(broker):
    broker.run("apusctl", "restart", "router")
    text = broker.run("journalctl", "-u", "apus", "-x", "-o", "short", "--no-pager")
    assert "Subject: The broker is ready" in text and "Defined-By: Apus" in text
    assert "Subject: Worker router serves" in text
    text = broker.run("apusctl", "logs", "--worker", "router", "-n", "5", "--", "-x")
    assert "man:apusd(8)" in text
    # The journal's own tools have read all of it.
    catalog = (ROOT / "units/apus.catalog").read_text()
    subjects = dict(re.findall(r"^-- ([0-9a-f]{32})\nSubject: (.*)$", catalog, re.M))
    assert set(subjects) == set(EVENTS.values())
    known = broker.run("journalctl", "--dump-catalog", *subjects)
    for identifier, subject in subjects.items():
        assert f"-- {identifier}\nSubject: {subject}\nDefined-By: Apus\n" in known, subject


def test_apusctl_logs_finds_what_is_asked_for(broker, opened):
    killed, name = broker.worker("mqtt"), unique("logs")

    def logs(*options):
        return broker.run("apusctl", "logs", *options)

    follower = subprocess.Popen(
        ["nsenter", "-t", str(broker.leader), "-a", "apusctl", "logs", "--follow", "--lines", "0", "--listener", "mqtt"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = Lines().read_from(follower.stdout)
        # It begins to follow in its own time.
        wait_until(lambda: opened(w.connected(broker.port(), unique("probe"))) and lines.all("probe-"), "the first line", 20)
        opened(Paho(broker.port(), client_id=name))
        lines.wait(f"client {name} connected")
        broker.kill(killed)
        lines.wait(rf"listener/mqtt \(process {killed}\) ended: signal 9")
        broker.wait_served()
    finally:
        # What it has started in the container.
        for pid in [pid for pid, fields in all_processes().items() if int(fields[1]) == follower.pid]:
            os.kill(pid, signal.SIGTERM)
        follower.wait()
    # What happened to its worker belongs to a listener as well, and of others it has nothing.
    found = logs("--listener", "mqtt")
    assert f"(process {killed}) ended" in found and name in found and "listens on" in found
    assert "the store is open" not in found and "the store is open" in logs()
    assert logs("--listener", "mqtt", "--priority", "warning").count("\n") < found.count("\n")
    assert name in logs("--since", "1 hour ago", "--client", name)
    assert name not in logs("--since", "tomorrow", "--client", name)
    assert name not in logs("--until", "1 hour ago", "--client", name)
    with pytest.raises(BrokerError):
        logs("--lines", "-1")
