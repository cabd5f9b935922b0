"""The bridge under a real systemd: what the status and the journal say, and traffic through everything that an administrator
does to the service."""


import re

import pytest

from bridging import Downward, Upward, wait_traffic
from broker import wait_until
from amqp import rabbit  # noqa: F401, a fixture
from systemd import ROOT, free_ports, host  # noqa: F401, a fixture among them

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"

[supervisor]
heartbeat_interval = "100 ms"

[bridge.rabbitmq]
uri = "{uri}"
outbound = ["out/#"]
inbound = ["in/#"]
retry_limit = "500 ms"
"""


@pytest.fixture
def service(host, rabbit):
    host.configure(CONFIGURATION.format(uri=rabbit.uri))
    # The password is nobody else's business, as the manual says.
    host.run("chgrp", "apus", "/etc/apus/apus.toml")
    host.run("chmod", "640", "/etc/apus/apus.toml")
    host.start()
    host.wait_served()
    wait_bridged(host)
    yield host
    print(host.journal())
    host.stop()


def wait_bridged(service):
    wait_until(lambda: service.status()["counters"].get("bridge_connected") == 1, "the bridge to be connected", 20)


def status_text(service):
    return service.run("systemctl", "show", "-P", "StatusText", "apus")


def test_the_status_and_the_journal_say_that_rabbitmq_is_away(service, rabbit):
    assert "RabbitMQ" not in status_text(service)
    rabbit.stop()
    try:
        text = wait_until(lambda: "RabbitMQ: " in (text := status_text(service)) and text, "the status to say so")
        assert "messages wait for it" in text
        entries = wait_until(lambda: service.entries("SYSLOG_IDENTIFIER=apus-bridge", "PRIORITY=4"), "an entry")
        assert entries[-1]["APUS_WORKER"] == "bridge" and entries[-1]["APUS_REASON"]
        told = service.run("journalctl", "-x", "-n", "3", "-t", "apus-bridge")
        assert "waits in the store" in told
    finally:
        rabbit.start()
    wait_until(lambda: "RabbitMQ" not in status_text(service), "the status to say nothing of it", 20)


def test_traffic_through_everything(service, rabbit, opened):
    up, down = Upward(service, rabbit, opened), Downward(service, rabbit, opened)
    events = {
        "restart": lambda: service.run("systemctl", "restart", "apus"),
        "reload": lambda: service.run("systemctl", "reload", "apus"),
        "supervisor killed": lambda: service.kill(service.main_pid()),
        "bridge killed": lambda: service.kill(service.worker("bridge")),
    }
    for name, event in events.items():
        wait_traffic(up, down, more=200)
        event()
        service.wait_served()
        wait_bridged(service)
    wait_traffic(up, down, more=200)
    up.check()
    down.check()


def test_a_broker_without_a_network_reaches_its_bridge(service, rabbit, opened):
    """With the drop-in of docs/operations.md behind private.conf: ports from systemd, RabbitMQ on this machine."""
    text = (ROOT / "docs/operations.md").read_text()
    reach, = re.findall(r"```\n# /etc/systemd/system/apus.service.d/reach.conf\n(.*?)```", text, re.S)
    units = service.root / "etc/systemd/system"
    links = [units / "apus.service.d/private.conf", units / "apus.service.d/reach.conf", units / "apus.socket.d/port.conf"]
    service.stop()
    try:
        links[2].parent.mkdir()
        links[2].write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{free_ports(1)[0]}\n")
        links[0].symlink_to("/usr/share/apus/private.conf")
        service.configure(CONFIGURATION.format(uri=rabbit.uri).replace("127.0.0.1:0", "systemd:mqtt"))
        service.run("systemctl", "daemon-reload")
        service.start()
        wait_until(lambda: "RabbitMQ: " in status_text(service), "the status to say that it can not be reached", 20)
        links[1].write_text(reach)
        service.run("systemctl", "daemon-reload")
        service.run("systemctl", "restart", "apus")
        service.wait_served()
        wait_bridged(service)
        up, down = Upward(service, rabbit, opened), Downward(service, rabbit, opened)
        wait_traffic(up, down, more=200)
        up.check()
        down.check()
    finally:
        service.run("systemctl", "stop", "apus.socket")
        for link in links:
            link.unlink(missing_ok=True)
        service.configure(CONFIGURATION.format(uri=rabbit.uri))
        service.run("systemctl", "daemon-reload")
