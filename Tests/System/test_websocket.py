"""The WebSocket port by hand: handshakes, frames and pages that are wrong, and what they get (RFC 6455)."""

import base64
import hashlib
import os
import socket

import pytest

import wire as w
from broker import Broker
from client import JSON, unique

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0, length=None):
    """length: what the header claims instead of the truth."""
    payload = payload if isinstance(payload, bytes) else payload.encode()
    claimed = len(payload) if length is None else length
    mask = os.urandom(4) if masked else b""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    bit = 128 if masked else 0
    if claimed < 126:
        head += bytes([bit | claimed])
    elif claimed < 65536:
        head += bytes([bit | 126]) + claimed.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + claimed.to_bytes(8, "big")
    if masked:
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + payload


class Raw:
    """A WebSocket client without manners."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.received = b""

    def send(self, *data):
        self.socket.sendall(b"".join(data))

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def response(self):
        """(status, headers, body) of an HTTP answer; the body to the end of the stream, unless it is 101."""
        while b"\r\n\r\n" not in self.received:
            assert self._fill(), f"the stream ended within {self.received!r}"
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code = int(status.split()[1])
        if code == 101:
            return code, headers, b""
        while len(self.received) < int(headers.get("content-length", 1 << 30)) and self._fill():
            pass
        return code, headers, self.received

    def request(self, method="GET", path="/", version="HTTP/1.1", **headers):
        """Sends an upgrade whose headers can be replaced, or removed with None."""
        given = {"Host": f"127.0.0.1:{self.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec_WebSocket_Key": base64.b64encode(b"0123456789abcdef").decode(), "Sec_WebSocket_Version": "13",
                 **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value is not None]
        self.send("\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode())
        return self.response()

    def frame(self):
        """(opcode, payload) of the next frame; None at the end of the stream."""
        while True:
            if len(self.received) >= 2:
                length, start = self.received[1] & 127, 2
                if length == 126:
                    length, start = int.from_bytes(self.received[2:4], "big"), 4
                elif length == 127:
                    length, start = int.from_bytes(self.received[2:10], "big"), 10
                if len(self.received) >= start + length:
                    assert self.received[1] < 128, "a server's frames are not masked"
                    opcode, payload = self.received[0] & 15, self.received[start:start + length]
                    self.received = self.received[start + length:]
                    return opcode, payload
            if not self._fill():
                return None

    def wait_closed(self):
        """The close code before the end of the stream; None where there was none."""
        code = None
        while found := self.frame():
            if found[0] == CLOSE:
                code = int.from_bytes(found[1][:2], "big")
        return code

    def close(self):
        self.socket.close()


@pytest.fixture
def raw(broker, opened):
    return lambda: opened(Raw(broker.port("web")))


@pytest.fixture
def upgraded(raw):
    def upgrade(subprotocol=None):
        client = raw()
        assert client.request(Sec_WebSocket_Protocol=subprotocol)[0] == 101
        return client

    return upgrade


class TestHandshake:
    def test_accept_key(self, raw):
        code, headers, _ = raw().request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
        assert code == 101 and headers["upgrade"].lower() == "websocket"
        expected = base64.b64encode(hashlib.sha1(b"dGhlIHNhbXBsZSBub25jZQ==" + MAGIC).digest()).decode()
        assert headers["sec-websocket-accept"] == expected
        assert "sec-websocket-protocol" not in headers

    @pytest.mark.parametrize("offered,chosen", [
        ("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("foo, mqtt", "mqtt"), ("mqtt, mqttv3.1", "mqtt")])
    def test_subprotocol(self, raw, offered, chosen):
        code, headers, _ = raw().request(Sec_WebSocket_Protocol=offered)
        assert (code, headers.get("sec-websocket-protocol")) == (101, chosen)

    @pytest.mark.parametrize("expected,changes", [
        ({400}, {"Sec_WebSocket_Key": None}), ({400}, {"Sec_WebSocket_Key": "short"}),
        ({400}, {"Host": None}), ({426}, {"Sec_WebSocket_Version": "8"}),
        ({400, 426}, {"Sec_WebSocket_Version": None}), ({200, 400, 426}, {"Connection": "keep-alive"}),
        ({200, 400, 426}, {"Upgrade": "h2c"}), ({405, 501, 400}, {"method": "POST"}),
        ({400, 426, 505}, {"version": "HTTP/1.0"}),
    ])
    def test_refused(self, raw, expected, changes):
        code, headers, _ = raw().request(**changes)
        assert code in expected
        if code == 426:
            assert headers["sec-websocket-version"] == "13"  # RFC 6455 4.4

    @pytest.mark.parametrize("request_", [
        b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n", w.connect("mqtt on the wrong port") + b"\r\n\r\n"])
    def test_nonsense(self, raw, request_):
        client = raw()
        client.send(request_)
        assert client.response()[0] == 400

    def test_an_endless_request_is_cut_off(self, raw):
        client = raw()
        try:
            for number in range(1000):
                client.send(b"GET / HTTP/1.1\r\n" if number == 0 else b"X-Filler: " + b"x" * 1000 + b"\r\n")
        except ConnectionError:
            return  # refused while it was still talking
        assert client.response()[0] in (400, 413, 431)

    def test_one_byte_at_a_time(self, raw):
        client = raw()
        head = (f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
        for byte in head + frame(TEXT, '{"Action":"ping","Id":1}'):
            client.send(bytes([byte]))
        assert client.response()[0] == 101
        assert client.frame()[0] == TEXT


class TestPages:
    PLAIN = {"Upgrade": None, "Connection": None, "Sec_WebSocket_Key": None, "Sec_WebSocket_Version": None}

    def test_the_page_says_what_this_port_is(self, raw):
        code, headers, body = raw().request(**self.PLAIN)
        assert code == 200 and headers["content-type"].startswith("text/html")
        assert b"Apus" in body and b"WebSocket" in body
        assert int(headers["content-length"]) == len(body)

    @pytest.mark.parametrize("path", ["/favicon.ico", "/../../etc/passwd", "/?x", "/" + "x" * 2000])
    def test_other_pages(self, raw, path):
        code, _, body = raw().request(path=path, **self.PLAIN)
        assert code in (400, 404, 414, 426) or (path == "/?x" and code == 200)
        assert b"root:" not in body

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
    def test_other_methods(self, raw, method):
        assert raw().request(method, **self.PLAIN)[0] in (400, 405, 501)


class TestOrigin:
    def test_same_host_passes(self, raw):
        client = raw()
        assert client.request(Origin=f"http://127.0.0.1:{client.port}")[0] == 101

    def test_localhost_passes(self, raw):
        client = raw()
        host = f"localhost:{client.port}"
        assert client.request(Host=host, Origin=f"http://{host}")[0] == 101

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://"])
    def test_another_origin_is_refused(self, raw, origin):
        assert raw().request(Origin=origin)[0] == 403

    def test_a_page_of_another_port_of_the_same_host(self, raw):
        """The page comes from a web server, and this port is never one."""
        assert raw().request(Origin="http://127.0.0.1:1")[0] == 101

    def test_a_name_that_was_made_to_point_here_is_refused(self, raw):
        """DNS rebinding: Origin and Host agree, but the name is not one of this loopback listener's."""
        client = raw()
        host = f"evil.example:{client.port}"
        assert client.request(Host=host, Origin=f"http://{host}")[0] == 403

    def test_configured_origins_and_hosts(self, start_broker, opened):
        web = {"name": "web", "protocol": "websocket", "bind": "127.0.0.1:0"}
        broker = start_broker(listeners=[
            {**web, "origins": ["https://page.example"]},
            {**web, "name": "named", "hosts": ["broker.example"]},
            {**web, "name": "any", "origins": ["*"]}])

        def status(listener, **headers):
            return opened(Raw(broker.port(listener))).request(**headers)[0]

        assert status("web", Origin="https://page.example") == 101
        assert status("web", Origin="https://other.example") == 403
        assert status("web") == 101  # not a browser
        assert status("named", Host="broker.example", Origin="http://broker.example") == 101
        assert status("named", Host="other.example", Origin="http://other.example") == 403
        assert status("any", Origin="https://other.example") == 101


# Frames on a JSON connection, and the close code that they get.
WRONG = {
    "not masked": (frame(TEXT, "{}", masked=False), {1002}),
    "reserved bit": (frame(TEXT, "{}", reserved=4), {1002}),
    "unknown data opcode": (frame(3, "x"), {1002}),
    "unknown control opcode": (frame(11, "x"), {1002}),
    "fragmented ping": (frame(PING, "x", fin=False), {1002}),
    "ping of 126 bytes": (frame(PING, b"x" * 126), {1002}),
    "continuation of nothing": (frame(0, "x"), {1002}),
    "text within a fragmented text": (frame(TEXT, "{", fin=False) + frame(TEXT, "}"), {1002}),
    "not UTF-8": (frame(TEXT, b'{"Action":"\xff"}'), {1007}),
    "not UTF-8 across fragments": (frame(TEXT, b"\xc3", fin=False) + frame(0, b"("), {1007}),
    "UTF-8 cut off at the end": (frame(TEXT, b'"\xe2\x98', fin=False) + frame(0, b""), {1007}),
    "binary": (frame(BINARY, b"{}"), {1003}),
    "too large": (frame(TEXT, b"", length=1 << 30), {1009}),
    "far too large": (frame(TEXT, b"", length=1 << 62), {1009, 1002}),
    "length with the highest bit": (frame(TEXT, b"", length=1 << 63), {1002, 1009}),
    "close of one byte": (frame(CLOSE, b"\x03"), {1002}),
    "close with 1005": (frame(CLOSE, (1005).to_bytes(2, "big")), {1002}),
    "close with 999": (frame(CLOSE, (999).to_bytes(2, "big")), {1002}),
    "close with a reason not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), {1007}),
    "close with 1000": (frame(CLOSE, b"\x03\xe8bye"), {1000}),
    "close with 4000": (frame(CLOSE, (4000).to_bytes(2, "big")), {4000, 1000}),
    "close without a code": (frame(CLOSE), {0, 1000}),
}


@pytest.mark.parametrize("name", WRONG)
def test_frames_and_close_codes(upgraded, json_client, name):
    data, expected = WRONG[name]
    bystander, client = json_client(), upgraded()
    client.send(data)
    assert client.wait_closed() in expected
    assert bystander.request("ping")["Action"] != "error"


def test_fragments_with_a_ping_between(upgraded):
    client, topic = upgraded(), unique("fragments")
    text = f'{{"Action":"subscribe","Topic":"{topic}/ü☃","Id":1}}'.encode()
    parts = [text[start:start + 3] for start in range(0, len(text), 3)]
    client.send(frame(TEXT, parts[0], fin=False), *[frame(0, part, fin=False) for part in parts[1:]],
                frame(PING, b"still there?"), frame(PONG, b"unasked"), frame(0, b"", fin=True))
    assert client.frame() == (PONG, b"still there?")
    opcode, payload = client.frame()
    assert opcode == TEXT and b'"ack"' in payload


def test_mqtt_packets_across_frames_and_many_in_one(upgraded):
    """[MQTT-6.0.0-2]: frames need not align with packets."""
    client, topic = upgraded("mqtt"), unique("across")
    stream = w.connect(unique()) + w.subscribe(topic) + w.publish(topic, "one") + w.publish(topic, "two")
    client.send(*[frame(BINARY, stream[start:start + 5]) for start in range(0, len(stream), 5)])
    received = b""
    while received.count(topic.encode()) < 2:
        opcode, payload = client.frame()
        assert opcode == BINARY  # [MQTT-6.0.0-1]
        received += payload
    assert received.startswith(b"\x20\x02\x00\x00\x90") and received.endswith(b"two")


def test_text_frames_are_no_mqtt(upgraded):
    client = upgraded("mqtt")
    client.send(frame(TEXT, w.connect("x").decode("latin-1")))
    assert client.wait_closed() in (1003, 1002)  # [MQTT-6.0.0-1]


@pytest.mark.parametrize("packet", [w.packet(0x36, b""), b"\x00\x00", w.connect("again", w.V5)])
def test_malformed_mqtt_over_websocket(upgraded, packet):
    client = upgraded("mqtt")
    client.send(frame(BINARY, w.connect(unique(), w.V5)), frame(BINARY, packet))
    seen = []
    while found := client.frame():
        seen.append(found)
    assert seen[0][1][0] == 0x20 and seen[1][1][0] == 0xE0, "CONNACK, then DISCONNECT with a reason"
    assert seen[1][1][2] in (0x81, 0x82)


def test_compression_is_offered_in_vain_or_works(broker):
    """websockets offers permessage-deflate; whichever way the server answers, messages pass."""
    topic = unique("deflate")
    with JSON(broker.port("web"), compression="deflate") as page:
        page.subscribe(topic)
        page.send("publish", Topic=topic, Payload="x" * 10_000)
        page.expect(topic, "x" * 10_000)


def test_the_server_pings(start_broker):
    broker = start_broker(limits={"websocket_ping_interval": "1 s"})
    client = Raw(broker.port("web"))
    assert client.request()[0] == 101
    opcode, payload = client.frame()
    assert opcode == PING
    client.send(frame(PONG, payload))
    assert client.frame()[0] == PING
    client.close()


@pytest.fixture(scope="module")
def impatient():
    with Broker(limits={"heartbeat_timeout": "2 s", "websocket_ping_interval": "1 s"}) as broker:
        yield broker


class TestHeartbeat:
    def test_a_silent_json_client_is_closed(self, impatient, opened):
        client = opened(Raw(impatient.port("web")))
        client.request()
        client.socket.settimeout(6)
        assert client.wait_closed() is not None

    def test_a_client_that_answers_pings_lives(self, impatient, opened):
        client = opened(Raw(impatient.port("web")))
        client.request()
        for _ in range(4):
            opcode, payload = client.frame()
            assert opcode == PING
            client.send(frame(PONG, payload))
        client.send(frame(TEXT, '{"Action":"ping","Id":1}'))
        assert client.frame()[0] == TEXT

    def test_pongs_do_not_feed_the_keep_alive_of_mqtt(self, impatient, opened):
        client = opened(Raw(impatient.port("web")))
        client.request(Sec_WebSocket_Protocol="mqtt")
        client.send(frame(BINARY, w.connect(unique(), w.V311, keep_alive=2)))
        assert client.frame()[0] == BINARY
        client.socket.settimeout(8)
        while (found := client.frame()) and found[0] != CLOSE:
            if found[0] == PING:
                client.send(frame(PONG, found[1]))
