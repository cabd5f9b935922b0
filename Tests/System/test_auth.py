"""Who may connect: passwords, SCRAM by MQTT 5's enhanced authentication, and auth that dies meanwhile."""

import os
import pty
import shutil
import signal
import subprocess
import threading
import time

import pytest

import scram
import wire as w
from broker import BIN, MQTT, WEB, Broker, BrokerError, wait_until
from client import JSON, Paho, unique

# Of `correct horse`, by Debian's crypt and by mosquitto_passwd 2.0.11.
YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79"
MOSQUITTO = ("$7$101$eFz0XG815s+HCMoo$"
             "1lDk3qkb3IBk5PBEUQF24kJv5+ac+PDdLlCPNOUKkDsJRs64Asuoo0IXhEyN10wJoMqbvcq8daaETLYn0nyF9g==")
HORSE, PENCIL = "correct horse", "pencil"


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    path = tmp_path_factory.mktemp("auth") / "passwd"
    path.write_text(f"# users\nalice:{YESCRYPT}\nbob:{MOSQUITTO}\ncarol:{scram.keys(PENCIL)}\nerin:{scram.keys(HORSE)}\n")
    return path


@pytest.fixture(scope="module")
def shared_broker(passwords):
    with Broker(auth={"password_file": str(passwords), "anonymous": False}) as broker:
        yield broker


def method(name, data=None):
    return b"\x15" + w.text(name) + (b"" if data is None else b"\x16" + w.u16(len(data)) + data)


def auth(reason, name, data=None):
    props = method(name, data)
    return w.packet(0xF0, bytes([reason]) + w.varint(len(props)) + props)


def auth_properties(packet):
    return dict(w.read_properties(packet.body[1:])[0])


def credentials(user, password, version=w.V5, client_id=None, props=b""):
    """A CONNECT with a user name and a password."""
    return w.packet(0x10, w.text(b"MQTT") + bytes([version, 0xC2]) + w.u16(0) + w.properties(version, props)
                    + w.text(client_id or unique()) + w.text(user) + w.text(password))


def refusal(port, packet):
    """The return code of the CONNACK, behind which the connection is closed."""
    with w.Wire(port) as client:
        client.send(packet)
        answers = client.wait_closed(15)
    assert [answer.type for answer in answers] == [w.CONNACK], answers
    return answers[0].body[1]


def scram_connect(port, user, password, client_id=None, props=b"", opened=lambda client: client):
    """A client that has authenticated by SCRAM, and the exchange's last data."""
    client, exchange = opened(w.Wire(port)), scram.Exchange(user, password)
    client.version = w.V5
    client.send(w.connect(client_id or unique(), w.V5, props=method(scram.METHOD, exchange.first) + props))
    challenge = client.expect(w.AUTH)
    assert challenge.body[0] == 0x18  # [MQTT-4.12.0-2]
    told = auth_properties(challenge)
    assert told[0x15] == scram.METHOD.encode()  # [MQTT-4.12.0-5]
    client.send(auth(0x18, scram.METHOD, exchange.last(told[0x16])))
    return client, exchange


def renew(client, user, password):
    """Authenticates anew; the answer to the last step."""
    exchange = scram.Exchange(user, password)
    client.send(auth(0x19, scram.METHOD, exchange.first))
    challenge = client.expect(w.AUTH)
    assert challenge.body[0] == 0x18 and auth_properties(challenge)[0x15] == scram.METHOD.encode()
    client.send(auth(0x18, scram.METHOD, exchange.last(auth_properties(challenge)[0x16])))
    return exchange, client.read()


def auth_pid(broker):
    return broker.worker("auth")["pid"]


class Stopped:
    """A process that is stopped by SIGSTOP within the block."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


# Passwords.


@pytest.mark.parametrize("version", ["3.1", "3.1.1", "5.0"])
@pytest.mark.parametrize("user,password", [("alice", HORSE), ("bob", HORSE), ("carol", PENCIL)])
def test_the_right_password(paho, broker, version, user, password):
    client = paho(version=version, username=user, password=password)
    assert broker.client(client.client_id)["client_id"] == client.client_id
    broker.log.wait(rf"client {client.client_id} connected from .* user={user} ")


@pytest.mark.parametrize("user,password", [("alice", "wrong"), ("bob", ""), ("carol", HORSE), ("nobody", HORSE), ("", "")])
def test_a_wrong_password(broker, user, password):
    before = broker.log.mark()
    assert refusal(broker.port(), credentials(user, password)) == 0x86
    assert refusal(broker.port(), credentials(user, password, w.V311)) == 4
    assert "a wrong password, or no such user" in broker.log.wait("was refused", since=before)


def test_who_says_no_name_is_anonymous(broker):
    assert refusal(broker.port(), w.connect(unique(), w.V5)) == 0x87
    assert refusal(broker.port(), w.connect(unique(), w.V311)) == 5


def test_anonymous_clients_beside_passwords(start_broker, passwords):
    broker = start_broker(auth={"password_file": str(passwords), "anonymous": "loopback"})
    with w.connected(broker.port(), unique()):
        assert refusal(broker.port(), credentials("alice", "wrong")) == 0x86


def test_an_unknown_user_takes_as_long_as_a_wrong_password(broker):
    def seconds(user):
        start = time.monotonic()
        assert refusal(broker.port(), credentials(user, "wrong")) == 0x86
        return time.monotonic() - start

    # No figure of speed: an answer without a hash would come a hundred times sooner.
    known, unknown = (min(seconds(user) for _ in range(5)) for user in ("alice", "nobody"))
    assert unknown > known / 4


def test_mosquitto_pub(broker):
    def publish(password):
        return subprocess.run(
            ["mosquitto_pub", "-p", str(broker.port()), "-u", "alice", "-P", password, "-t", "a", "-m", "x"],
            capture_output=True, text=True, timeout=20)

    assert publish(HORSE).returncode == 0
    refused = publish("wrong")
    assert refused.returncode != 0 and "not authorised" in refused.stderr.lower() or "refused" in refused.stderr.lower()


def test_a_page(broker, opened):
    page, topic = opened(JSON(broker.port("web"))), unique()
    page.send("subscribe", Topic=topic, Id=1)
    assert page.receive()["Code"] == 401
    page.send("connect", Username="alice", Password=HORSE, Id=2)
    # What follows waits until it is known who it is.
    page.send("subscribe", Topic=topic, Id=3)
    page.send("publish", Topic=topic, Payload="x", Id=4)
    assert page.receive() == {"Action": "ack", "Id": 2}
    assert page.receive() == {"Action": "ack", "Id": 3}
    assert {str(page.receive()) for _ in range(2)} == {
        str({"Topic": topic, "Payload": "x"}), str({"Action": "ack", "Id": 4})}


def test_a_page_with_a_wrong_password(broker, opened):
    page = opened(JSON(broker.port("web")))
    page.send("connect", Username="alice", Password="wrong", Id=7)
    answer = page.receive()
    assert (answer["Action"], answer["Code"], answer["Id"]) == ("error", 401, 7)
    page.wait_closed()


def test_what_a_client_sends_at_once_waits(broker, opened):
    client, topic = opened(w.Wire(broker.port())), unique()
    client.version = w.V5
    client.send(credentials("alice", HORSE), w.subscribe(topic, version=w.V5), w.publish(topic, "x", version=w.V5),
                w.packet(w.PINGREQ << 4))
    assert [client.read().type for _ in range(4)][0] == w.CONNACK


def test_the_will_of_a_client_that_was_asked_about(broker, opened, wire):
    watcher, topic = opened(w.Wire(broker.port())), unique()
    watcher.version = w.V311
    watcher.send(credentials("bob", HORSE, w.V311))
    watcher.expect(w.CONNACK)
    watcher.subscribe(topic)
    client = Paho(broker.port(), username="alice", password=HORSE, will=(topic, "gone", 0, False))
    client.client._sock.close()
    assert watcher.expect(w.PUBLISH).publish()[2] == b"gone"


def test_refusals_are_counted(broker):
    before = broker.counted("authentications_refused")
    refusal(broker.port(), credentials("alice", "wrong"))
    wait_until(lambda: broker.counted("authentications_refused") > before, "a higher counter")
    assert broker.counted("auth_users") == 4


# SCRAM.


def test_scram(broker, opened):
    client, exchange = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    answer = client.expect(w.CONNACK)
    told = dict(answer.properties())
    assert answer.body[1] == 0 and told[0x15] == scram.METHOD.encode()  # [MQTT-4.12.0-5]
    assert exchange.is_server(told[0x16])
    topic = unique()
    client.subscribe(topic)
    client.send(w.publish(topic, "x", version=w.V5))
    assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"x"


@pytest.mark.parametrize("user,password", [("carol", "pencils"), ("nobody", PENCIL), ("alice", HORSE)])
def test_scram_with_a_wrong_proof(broker, opened, user, password):
    """alice's password is kept in a form that SCRAM has no use for."""
    client, _ = scram_connect(broker.port(), user, password, opened=opened)
    answers = client.wait_closed(15)
    assert [(answer.type, answer.body[1]) for answer in answers] == [(w.CONNACK, 0x87)]  # [MQTT-4.12.0-4]


def test_unknown_users_have_a_salt_that_stays(broker, opened):
    def challenge(user):
        client = opened(w.Wire(broker.port()))
        client.send(w.connect(unique(), w.V5, props=method(scram.METHOD, f"n,,n={user},r=abc".encode())))
        return auth_properties(client.expect(w.AUTH))[0x16].split(b",")[1:]

    assert challenge("nobody") == challenge("nobody") != challenge("noone")


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "scram-sha-256", "PLAIN", ""])
def test_a_method_that_is_not_known(broker, name):
    assert refusal(broker.port(), w.connect(unique(), w.V5, props=method(name, b"n,,n=carol,r=x"))) == 0x8C


@pytest.mark.parametrize("data", [None, b"", b"hello", b"n,,n=carol", b"p=tls-unique,,n=carol,r=x", b"\xff" * 1000])
def test_a_first_message_that_is_none(broker, data):
    assert refusal(broker.port(), w.connect(unique(), w.V5, props=method(scram.METHOD, data))) == 0x87


@pytest.mark.parametrize("packet,code", [
    (w.publish("a", "x", version=w.V5), 0x82), (w.packet(0xC0), 0x82), (w.connect("again", w.V5), 0x82),
    (auth(0x18, "PLAIN", b"x"), 0x82), (auth(0x19, scram.METHOD, b"x"), 0x82), (auth(0x00, scram.METHOD, b"x"), 0x81),
    (auth(0x18, scram.METHOD, b"x"), 0x87), (auth(0x18, scram.METHOD), 0x87), (w.packet(0xF0, b"\x18\x00"), 0x82),
    (w.packet(0xF0), 0x81),
])
def test_what_may_not_follow_a_challenge(broker, opened, packet, code):
    """[MQTT-3.1.2-30]; another method or reason than is due, [MQTT-4.12.0-3]."""
    client = opened(w.Wire(broker.port()))
    client.send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
    client.expect(w.AUTH)
    client.send(packet)
    assert [(answer.type, answer.body[1]) for answer in client.wait_closed(15)] == [(w.CONNACK, code)]


def test_a_client_may_leave_instead_of_answering(broker, opened):
    client = opened(w.Wire(broker.port()))
    client.send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
    client.expect(w.AUTH)
    client.send(w.packet(0xE0))
    assert client.wait_closed() == []


def test_auth_that_does_not_fit_is_not_sent(broker, opened):
    """[MQTT-3.15.2-2], [MQTT-3.15.2-3]: AUTH has nothing that could be left out, and is not sent where it does not fit."""
    client = opened(w.Wire(broker.port()))
    client.send(w.connect(unique(), w.V5, props=b"\x27" + (40).to_bytes(4, "big")
                          + method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
    assert [answer.type for answer in client.wait_closed() if answer.type != w.CONNACK] == []


def test_auth_has_no_reason_string_and_no_user_properties(broker, opened):
    """[MQTT-3.15.2-2], [MQTT-3.15.2-3]: nothing that would have to be left out."""
    client, _ = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    client.expect(w.CONNACK)
    _, answer = renew(client, "carol", PENCIL)
    assert set(auth_properties(answer)) == {0x15, 0x16}


# Authenticating anew.


def test_authenticating_anew(broker, opened):
    client, _ = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    client.expect(w.CONNACK)
    for _ in range(3):
        exchange, answer = renew(client, "carol", PENCIL)
        assert (answer.type, answer.body[0]) == (w.AUTH, 0)
        assert exchange.is_server(auth_properties(answer)[0x16])
    assert client.ping() < 5


def test_everything_goes_on_meanwhile(broker, opened):
    client, _ = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    client.expect(w.CONNACK)
    topic, exchange = unique(), scram.Exchange("carol", PENCIL)
    client.subscribe(topic)
    client.send(auth(0x19, scram.METHOD, exchange.first))
    challenge = client.expect(w.AUTH)
    client.send(w.publish(topic, "x", version=w.V5))
    assert client.expect(w.PUBLISH).publish(w.V5)[2] == b"x"
    client.send(auth(0x18, scram.METHOD, exchange.last(auth_properties(challenge)[0x16])))
    assert client.expect(w.AUTH).body[0] == 0


@pytest.mark.parametrize("user,password", [("carol", "wrong"), ("erin", HORSE), ("nobody", PENCIL)])
def test_authenticating_anew_that_fails(broker, opened, user, password):
    """[MQTT-4.12.1-2]; another user than before is a failure too."""
    client, _ = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    client.expect(w.CONNACK)
    _, answer = renew(client, user, password)
    assert (answer.type, answer.body[0]) == (w.DISCONNECT, 0x87)
    assert client.wait_closed() == []


@pytest.mark.parametrize("packets,code", [
    ([auth(0x19, "PLAIN", b"x")], 0x82), ([auth(0x18, scram.METHOD, b"x")], 0x82),
    ([auth(0x19, scram.METHOD, b"n,,n=carol,r=x")] * 2, 0x82), ([auth(0x00, scram.METHOD, b"x")], 0x81),
])
def test_auth_that_is_not_due(broker, opened, packets, code):
    """[MQTT-4.12.1-1], [MQTT-4.12.0-3]."""
    client, _ = scram_connect(broker.port(), "carol", PENCIL, opened=opened)
    client.expect(w.CONNACK)
    client.send(*packets)
    ends = [answer for answer in client.wait_closed() if answer.type != w.AUTH]
    assert [(end.type, end.body[0]) for end in ends] == [(w.DISCONNECT, code)]


def test_a_client_with_a_password_has_no_method(broker, opened):
    """[MQTT-4.12.0-6], [MQTT-4.12.0-7]"""
    client = opened(w.Wire(broker.port()))
    client.send(credentials("alice", HORSE))
    assert not {0x15, 0x16} & set(dict(client.expect(w.CONNACK).properties()))
    client.send(auth(0x19, scram.METHOD, scram.Exchange("alice", HORSE).first))
    assert [(end.type, end.body[0]) for end in client.wait_closed()] == [(w.DISCONNECT, 0x82)]


# Processes that die.


def test_auth_dies_while_clients_wait(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords), "anonymous": True})
    talker, topic = opened(w.connected(broker.port(), unique())), unique()
    talker.subscribe(topic)
    port, pid = broker.port(), auth_pid(broker)
    with Stopped(pid):
        waiting = [opened(w.Wire(port)) for _ in range(20)]
        for client in waiting:
            client.send(credentials("alice", HORSE))
        talker.send(w.publish(topic, "1"))
        assert talker.expect(w.PUBLISH).publish()[2] == b"1"
        os.kill(pid, signal.SIGKILL)
    for client in waiting:
        assert client.expect(w.CONNACK).body[1] == 0
    talker.send(w.publish(topic, "2"))
    assert talker.expect(w.PUBLISH).publish()[2] == b"2"
    assert broker.wait_respawned("auth", pid)["restarts"] == 1


def test_auth_dies_within_an_exchange(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords)})
    port, pid, exchange = broker.port(), auth_pid(broker), scram.Exchange("carol", PENCIL)
    waiting = opened(w.Wire(port))
    waiting.send(w.connect(unique(), w.V5, props=method(scram.METHOD, exchange.first)))
    waiting.expect(w.AUTH)
    connected, _ = scram_connect(port, "carol", PENCIL, opened=opened)
    connected.expect(w.CONNACK)
    idle, _ = scram_connect(port, "carol", PENCIL, opened=opened)
    idle.expect(w.CONNACK)
    connected.send(auth(0x19, scram.METHOD, scram.Exchange("carol", PENCIL).first))
    connected.expect(w.AUTH)
    os.kill(pid, signal.SIGKILL)
    assert [(answer.type, answer.body[1]) for answer in waiting.wait_closed(15)] == [(w.CONNACK, 0x88)]
    assert [(answer.type, answer.body[0]) for answer in connected.wait_closed(15)] == [(w.DISCONNECT, 0x89)]
    assert renew(idle, "carol", PENCIL)[1].body[0] == 0


def test_a_listener_dies_while_a_client_waits_for_auth(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords), "anonymous": True})
    broker.standby("mqtt")
    port, pid, listener = broker.port(), auth_pid(broker), broker.worker("mqtt")["pid"]
    talker = opened(w.connected(port, unique()))
    with Stopped(pid):
        waiting = [opened(w.Wire(port)) for _ in range(5)]
        waiting[0].send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
        for client in waiting[1:]:
            client.send(credentials("alice", HORSE))
        time.sleep(0.3)  # Nothing tells when a listener has read what it can not answer yet.
        os.kill(listener, signal.SIGKILL)
        broker.wait_respawned("mqtt", listener)
        talker.ping()
    assert waiting[0].expect(w.AUTH).body[0] == 0x18
    for client in waiting[1:]:
        assert client.expect(w.CONNACK).body[1] == 0


def test_a_listener_dies_within_an_exchange(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords)})
    broker.standby("mqtt")
    port, listener = broker.port(), broker.worker("mqtt")["pid"]
    waiting = opened(w.Wire(port))
    waiting.send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
    waiting.expect(w.AUTH)
    idle, _ = scram_connect(port, "carol", PENCIL, opened=opened)
    idle.expect(w.CONNACK)
    os.kill(listener, signal.SIGKILL)
    assert [(answer.type, answer.body[1]) for answer in waiting.wait_closed(15)] == [(w.CONNACK, 0x88)]
    # How it has authenticated is known to the next process too.
    assert renew(idle, "carol", PENCIL)[1].body[0] == 0


def test_workers_are_replaced_while_clients_connect(start_broker, passwords):
    broker = start_broker(auth={"password_file": str(passwords)})
    port, problems, done = broker.port(), [], threading.Event()

    def connect():
        while not done.is_set():
            try:
                with w.Wire(port) as client:
                    client.send(credentials("bob", HORSE))
                    answer = client.expect(w.CONNACK)
                    assert answer.body[1] == 0, answer
            except Exception as problem:  # noqa: BLE001 what a thread finds is told by the test
                problems.append(problem)

    threads = [threading.Thread(target=connect) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for worker in ["auth", "listener/mqtt", "router", "auth", "auth"]:
            broker.ctl("restart", worker)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not problems


def test_without_auth_clients_are_told_to_come_again(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords)}, limits={"connect_timeout": "1 s"},
                          supervisor={"heartbeat_timeout": "1 min"})
    port = broker.port()
    with Stopped(auth_pid(broker)):
        assert refusal(port, credentials("alice", HORSE)) == 0x88
        assert refusal(port, credentials("alice", HORSE, w.V311)) == 3
    assert refusal(port, credentials("alice", "wrong")) == 0x86


def test_who_does_not_answer_a_challenge_is_closed(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords)}, limits={"connect_timeout": "1 s"})
    client = opened(w.Wire(broker.port()))
    client.send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
    client.expect(w.AUTH)
    assert client.wait_closed() == []


def test_beyond_the_limit_others_wait(start_broker, passwords, opened):
    """limits.authentications = 1: while auth does not answer one, the others are not read."""
    broker = start_broker(auth={"password_file": str(passwords), "anonymous": True}, limits={"authentications": 1})
    port = broker.port()
    with Stopped(auth_pid(broker)):
        clients = [opened(w.Wire(port)) for _ in range(6)]
        for client in clients:
            client.send(credentials("bob", HORSE))
        with w.connected(port, unique()):  # Who is not asked about does not wait.
            pass
        page = opened(JSON(broker.port("web")))
        page.send("connect", Username="alice", Password=HORSE)
        other = opened(JSON(broker.port("web")))
        wait_until(lambda: broker.counted("authentications_held_back") >= 5, "all others to wait")
        other.send("connect", Username="alice", Password=HORSE, Id=1)
        assert other.receive()["Code"] == 503
    for client in clients:
        assert client.expect(w.CONNACK).body[1] == 0


def test_who_does_not_answer_holds_nobody_up(start_broker, passwords, opened):
    broker = start_broker(auth={"password_file": str(passwords)}, limits={"authentications": 1})
    for _ in range(5):
        client = opened(w.Wire(broker.port()))
        client.send(w.connect(unique(), w.V5, props=method(scram.METHOD, scram.Exchange("carol", PENCIL).first)))
        client.expect(w.AUTH)
    start = time.monotonic()
    Paho(broker.port(), username="bob", password=HORSE).close()
    assert time.monotonic() - start < 5  # limits.connect_timeout is 10 s.


def test_requests_of_connections_that_are_gone_are_dropped(start_broker, passwords):
    broker = start_broker(auth={"password_file": str(passwords), "hash_threads": 1})
    port = broker.port()
    for _ in range(100):
        with w.Wire(port) as client:
            client.send(credentials("alice", HORSE))
            client.socket.setsockopt(w.socket.SOL_SOCKET, w.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    wait_until(lambda: broker.counted("auth_forgotten") > 0, "a request that was dropped")
    wait_until(lambda: broker.counted("auth_waiting") == 0, "nothing that waits", 30)


def test_a_newer_supervisor_takes_over_while_a_client_waits(start_broker, passwords, opened, tmp_path):
    for program in ("apusd", "apusctl", "apus-auth", "apus-listener", "apus-router"):
        shutil.copy(BIN / program, tmp_path / program)
    broker = start_broker(auth={"password_file": str(passwords)}, binaries=tmp_path)
    port, pid = broker.port(), auth_pid(broker)
    talker = opened(w.Wire(port))
    talker.send(credentials("alice", HORSE))
    talker.expect(w.CONNACK)
    with Stopped(pid):
        waiting = opened(w.Wire(port))
        waiting.send(credentials("bob", HORSE))
        shutil.copy(BIN / "apusd", tmp_path / "new")
        os.replace(tmp_path / "new", tmp_path / "apusd")
        broker.ctl("reload")
        assert waiting.expect(w.CONNACK).body[1] == 0
    assert talker.ping() < 5 and auth_pid(broker) != pid
    assert refusal(port, credentials("alice", "wrong")) == 0x86


# The password file.


def passwd(path, user, password, *options):
    return subprocess.run([BIN / "apusctl", "passwd", path, user, *options], input=password + "\n", capture_output=True,
                          text=True, timeout=20)


def test_apusctl_passwd_and_a_reload(start_broker, tmp_path):
    path = tmp_path / "passwd"
    assert passwd(path, "dave", "one").returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    broker = start_broker(auth={"password_file": str(path)})
    port = broker.port()
    with Paho(port, username="dave", password="one") as client:
        assert passwd(path, "dave", "two").returncode == 0
        assert refusal(port, credentials("dave", "two")) == 0x86
        broker.ctl("reload")
        assert refusal(port, credentials("dave", "one")) == 0x86
        for options in [(), ("--scram",)]:
            assert passwd(path, "dave", "two", *options).returncode == 0
            broker.ctl("reload")
            Paho(port, username="dave", password="two").close()
        scram_connect(port, "dave", "two")[0].expect(w.CONNACK)
        assert passwd(path, "dave", "", "--delete").returncode == 0
        broker.ctl("reload")
        assert refusal(port, credentials("dave", "two")) == 0x86
        assert client.client.is_connected()
    assert passwd(path, "dave", "", "--delete").returncode == 1


def test_apusctl_passwd_on_a_terminal(tmp_path):
    def talk(*answers):
        main, terminal = pty.openpty()
        process = subprocess.Popen([BIN / "apusctl", "passwd", tmp_path / "passwd", "dave"], stdin=terminal,
                                   stdout=subprocess.PIPE, stderr=terminal, text=True, start_new_session=True)
        os.close(terminal)
        shown = b""
        for question, answer in zip([b"Password for dave: ", b"Again: "], answers):
            while question not in shown:
                shown += os.read(main, 1000)
            os.write(main, answer.encode() + b"\n")
        process.wait(10)
        while True:
            try:
                more = os.read(main, 1000)
            except OSError:
                break
            shown += more
        os.close(main)
        return process.returncode, shown.decode()

    status, shown = talk("s3cret", "s3cret")
    assert status == 0 and "s3cret" not in shown
    assert (tmp_path / "passwd").read_text().startswith("dave:$y$")
    former = (tmp_path / "passwd").read_text()
    status, shown = talk("s3cret", "secret")
    assert status == 1 and "not the same" in shown and "s3cret" not in shown
    assert (tmp_path / "passwd").read_text() == former


def test_a_wrong_file_at_a_start_a_check_and_a_reload(start_broker, tmp_path):
    path = tmp_path / "passwd"
    path.write_text(f"alice:{YESCRYPT}\nbob:secret\n")
    problem = f"{path}:2: not a hash of a kind that is known"
    with pytest.raises(BrokerError, match="78"):
        Broker(auth={"password_file": str(path)})
    path.write_text(f"alice:{YESCRYPT}\n")
    broker = start_broker(auth={"password_file": str(path)})
    check = [BIN / "apusd", "--check", "--config", broker.config]
    assert subprocess.run(check, timeout=20).returncode == 0
    path.write_text(f"alice:{YESCRYPT}\nbob:secret\n")
    checked = subprocess.run(check, capture_output=True, text=True, timeout=20)
    assert checked.returncode == 78 and problem in checked.stderr
    refused = broker.ctl("reload", check=False)
    assert refused.returncode == 1 and problem in refused.stderr
    assert problem in broker.status().get("degraded", "")
    # What was read before stays in force, and no process that knows less takes its place.
    Paho(broker.port(), username="alice", password=HORSE).close()
    assert broker.ctl("restart", "auth", check=False).returncode == 1
    Paho(broker.port(), username="alice", password=HORSE).close()
    # One that died has to be replaced: it lets nobody in, and says that it is not the client's fault.
    pid = auth_pid(broker)
    os.kill(pid, signal.SIGKILL)
    broker.wait_respawned("auth", pid)
    assert refusal(broker.port(), credentials("alice", HORSE)) == 0x88
    path.write_text(f"alice:{YESCRYPT}\n")
    broker.ctl("reload")
    assert broker.status().get("degraded") is None
    Paho(broker.port(), username="alice", password=HORSE).close()


def test_a_file_that_comes_and_goes_with_a_reload(start_broker, passwords):
    broker = start_broker(auth={"anonymous": True})
    assert not broker.workers("auth")
    with w.Wire(broker.port()) as client:
        client.send(credentials("alice", "wrong"))
        assert client.expect(w.CONNACK).body[1] == 0
    broker.configure(auth={"anonymous": True, "password_file": str(passwords)})
    broker.ctl("reload")
    assert refusal(broker.port(), credentials("alice", "wrong")) == 0x86
    broker.configure(auth={"anonymous": True})
    broker.ctl("reload")
    wait_until(lambda: not broker.workers("auth"), "no auth")
    assert refusal(broker.port(), w.connect(unique(), w.V5, props=method(scram.METHOD, b"x"))) == 0x8C
