"""auth under a real systemd, from the package: a password file of the broker's user, and everything that an administrator does
to the service."""

import pytest

import scram
import wire as w
from broker import BrokerError, wait_until
from systemd import host  # noqa: F401, a fixture
from test_auth import credentials, refusal, renew, scram_connect

CONFIGURATION = """
[[listener]]
name = "mqtt"
protocol = "mqtt"
bind = "127.0.0.1:0"

[supervisor]
heartbeat_interval = "100 ms"

[auth]
anonymous = false
password_file = "/etc/apus/passwd"
"""


def passwd(host, user, password, *options):  # noqa: F811
    return host.run("sh", "-c", f"echo '{password}' | apusctl passwd /etc/apus/passwd {user} {' '.join(options)}")


@pytest.fixture
def service(host):  # noqa: F811
    host.configure(CONFIGURATION)
    passwd(host, "alice", "wonderland")
    passwd(host, "carol", "pencil", "--scram")
    host.run("chown", "apus:", "/etc/apus/passwd")
    host.start()
    host.wait_served()
    yield host
    print(host.journal())
    host.stop()


def accepted(service, user, password):
    with w.Wire(service.port()) as client:
        client.send(credentials(user, password))
        return client.expect(w.CONNACK, 20).body[1] == 0


def test_nobody_who_is_connected_notices_anything(service, opened):
    plain = opened(w.Wire(service.port()))
    plain.send(credentials("alice", "wonderland"))
    plain.expect(w.CONNACK)
    proved, _ = scram_connect(service.port(), "carol", "pencil", opened=opened)
    proved.expect(w.CONNACK)
    events = {
        "restart": lambda: service.run("systemctl", "restart", "apus"),
        "reload": lambda: service.run("systemctl", "reload", "apus"),
        "supervisor killed": lambda: service.kill(service.main_pid()),
        "auth killed": lambda: service.kill(service.worker("auth")),
        "listener killed": lambda: service.kill(service.worker("mqtt")),
    }
    for name, event in events.items():
        event()
        service.wait_served()
        assert accepted(service, "alice", "wonderland"), name
        assert refusal(service.port(), credentials("alice", "rabbit")) == 0x86, name
        plain.ping(20)
        # How it has authenticated is still known.
        exchange, answer = renew(proved, "carol", "pencil")
        assert (answer.type, answer.body[0]) == (w.AUTH, 0), name
    assert scram.METHOD.encode() in answer.body


def test_a_file_that_the_broker_may_not_read(service):
    """apusctl keeps its owner; one who gives it to root is told by the reload, and nothing has changed."""
    passwd(service, "dave", "new")
    assert service.run("stat", "-c", "%U %a", "/etc/apus/passwd").split() == ["apus", "600"]
    service.run("systemctl", "reload", "apus")
    assert accepted(service, "dave", "new")
    service.run("chown", "root:", "/etc/apus/passwd")
    with pytest.raises((BrokerError, AssertionError)):
        service.run("systemctl", "reload", "apus")
    entries = wait_until(lambda: service.entries("SYSLOG_IDENTIFIER=apus-auth", "PRIORITY=3"), "an entry")
    assert "/etc/apus/passwd: can not be opened: Permission denied" in entries[-1]["APUS_ERROR"]
    assert accepted(service, "dave", "new")
    service.run("chown", "apus:", "/etc/apus/passwd")
    service.run("systemctl", "reload", "apus")
