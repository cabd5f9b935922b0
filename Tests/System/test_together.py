"""Clients of every kind on one broker see one another's messages."""

import asyncio
import base64
import json

import aiomqtt
import pytest

from broker import BIN
from client import Program, mosquitto_pub, mosquitto_sub, node, unique


def test_one_message_reaches_every_kind_of_client(broker, json_client, opened):
    topic = unique("together")
    web = f"ws://127.0.0.1:{broker.port('web')}"
    page = json_client()
    page.subscribe(topic)
    terminal = opened(mosquitto_sub(broker.port(), topic))
    mqtt_js = opened(node("mqtt.js", f"{web}/mqtt", topic))
    ws = opened(node("ws.js", f"{web}/", topic))
    mqtt_js.wait("^subscribed")
    ws.wait("^subscribed")

    mosquitto_pub(broker.port(), topic, "hello", "-q", "1")

    assert terminal.wait("^message") == f"message {topic} 0 0 hello"
    assert json.loads(mqtt_js.wait("^{")) == {"topic": topic, "payload": "hello", "qos": 1, "retain": False}
    assert json.loads(ws.wait("^{")) == {"Topic": topic, "Payload": "hello"}
    page.expect(topic, "hello")


@pytest.mark.parametrize("version", ["3.1", "3.1.1", "5.0"])
def test_json_and_mqtt_both_ways(paho, json_client, version):
    topic = unique("both")
    mqtt, page = paho(version=version), json_client()
    mqtt.subscribe(f"{topic}/to-mqtt")
    page.subscribe(f"{topic}/to-json")
    mqtt.publish(f"{topic}/to-json", "from MQTT: ü ☃ 𝄞")
    page.expect(f"{topic}/to-json", "from MQTT: ü ☃ 𝄞")
    page.send("publish", Topic=f"{topic}/to-mqtt", Payload="from JSON: ü ☃ 𝄞")
    mqtt.expect(f"{topic}/to-mqtt", "from JSON: ü ☃ 𝄞")


def test_binary_payloads_are_base64_in_json(paho, json_client):
    topic, binary = unique("binary"), bytes(range(256))
    mqtt, page = paho(), json_client()
    mqtt.subscribe(f"{topic}/to-mqtt")
    page.subscribe(f"{topic}/to-json")
    mqtt.publish(f"{topic}/to-json", binary)
    message = page.receive()
    assert message["Encoding"] == "base64"
    assert base64.b64decode(message["Payload"], validate=True) == binary
    page.send("publish", Topic=f"{topic}/to-mqtt", Payload=message["Payload"], Encoding="base64")
    mqtt.expect(f"{topic}/to-mqtt", binary)


def test_node_publishes_with_mqtt_js_and_with_ws(broker, paho, opened):
    topic = unique("node")
    mqtt = paho()
    mqtt.subscribe(topic, 1)
    web = f"ws://127.0.0.1:{broker.port('web')}"
    mqtt_js = opened(node("mqtt.js", f"{web}/mqtt", topic, "from mqtt.js"))
    mqtt.expect(topic, "from mqtt.js")
    mqtt_js.wait("^published")
    ws = opened(node("ws.js", f"{web}/", topic, "from ws"))
    mqtt.expect(topic, "from ws")
    ws.wait("^published")


def test_mqtt_js_over_tcp_with_version_5(broker, paho, opened, monkeypatch):
    monkeypatch.setenv("MQTT_VERSION", "5")
    topic = unique("node")
    mqtt_js = opened(node("mqtt.js", f"mqtt://127.0.0.1:{broker.port()}", topic))
    mqtt_js.wait("^subscribed")
    paho(version="5.0").publish(topic, "hello", 2)
    assert json.loads(mqtt_js.wait("^{"))["payload"] == "hello"


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_paho_over_websocket(paho, version):
    topic = unique("websocket")
    over_websocket, over_tcp = paho(version=version, transport="websockets"), paho(version=version)
    over_websocket.subscribe(topic, 2)
    over_tcp.publish(topic, "x" * 100_000, 2)
    over_websocket.expect(topic, "x" * 100_000)
    over_websocket.publish(topic, "back", 2)
    over_websocket.expect(topic, "back")


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
def test_aiomqtt(broker, version):
    topic = unique("aiomqtt")

    async def run():
        async with aiomqtt.Client("127.0.0.1", broker.port(), protocol=version) as client:
            await client.subscribe(f"{topic}/#", qos=2)
            for number in range(100):
                await client.publish(f"{topic}/{number}", str(number), qos=number % 3)
            seen = set()
            async for message in client.messages:
                seen.add(int(message.payload))
                if len(seen) == 100:
                    return

    asyncio.run(asyncio.wait_for(run(), 30))


def test_apusctl_publishes_and_subscribes(broker, paho, opened):
    topic, mqtt = unique("apusctl"), paho()
    mqtt.subscribe(topic, 1)
    address = ["-h", "127.0.0.1", "-p", str(broker.port())]
    broker.ctl("pub", "-t", topic, "-m", "from apusctl", "-q", "1", *address)
    mqtt.expect(topic, "from apusctl")

    # Retained, so that it does not matter which of the two is first.
    broker.ctl("pub", "-t", topic, "-m", "kept", "-r", "-q", "1", *address)
    subscriber = opened(Program(BIN / "apusctl", "--socket", broker.control, "sub", "-t", topic, "-C", "1", *address))
    assert "kept" in subscriber.wait("kept")
    assert subscriber.process.wait(10) == 0
