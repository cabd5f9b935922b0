"""The JSON protocol: requests, acknowledgements, and errors that leave the connection open."""

import json

import pytest

from client import JSON, unique

ERRORS = {
    "not JSON": "{",
    "empty": "",
    "an array": '["Action","ping"]',
    "a string": '"ping"',
    "no action": '{"Topic":"a"}',
    "an action that is no string": '{"Action":1}',
    "unknown action": '{"Action":"dance"}',
    "action in another case": '{"Action":"Subscribe","Topic":"a"}',
    "subscribe without a topic": '{"Action":"subscribe"}',
    "subscribe to nothing": '{"Action":"subscribe","Topic":""}',
    "subscribe to a bad filter": '{"Action":"subscribe","Topic":"a/#/b"}',
    "subscribe to a number": '{"Action":"subscribe","Topic":7}',
    "subscribe at QoS 3": '{"Action":"subscribe","Topic":"a","QoS":3}',
    "subscribe at QoS one": '{"Action":"subscribe","Topic":"a","QoS":"one"}',
    "publish without a topic": '{"Action":"publish","Payload":"x"}',
    "publish to a filter": '{"Action":"publish","Topic":"a/+","Payload":"x"}',
    "publish to nothing": '{"Action":"publish","Topic":"","Payload":"x"}',
    "publish an object": '{"Action":"publish","Topic":"a","Payload":{}}',
    "publish in an unknown encoding": '{"Action":"publish","Topic":"a","Payload":"x","Encoding":"rot13"}',
    "publish bad base64": '{"Action":"publish","Topic":"a","Payload":"?","Encoding":"base64"}',
    "publish at QoS -1": '{"Action":"publish","Topic":"a","Payload":"x","QoS":-1}',
    "publish retain yes": '{"Action":"publish","Topic":"a","Payload":"x","Retain":"yes"}',
    "topic with NUL": '{"Action":"publish","Topic":"a\\u0000","Payload":"x"}',
    "topic with half a pair": '{"Action":"publish","Topic":"a\\ud800","Payload":"x"}',
    "text after the object": '{"Action":"ping"} x',
    "nested without end": "[" * 5000,
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_leave_the_connection_open(json_client, name):
    page, topic = json_client(), unique("errors")
    page.send_text(ERRORS[name])
    answer = page.receive()
    assert answer["Action"] == "error" and isinstance(answer["Code"], int), answer
    assert len(answer["Reason"]) > 5 and "Id" not in answer
    page.subscribe(topic)
    page.send("publish", Topic=topic, Payload="still here")
    page.expect(topic, "still here")


@pytest.mark.parametrize("identifier", [1, 0, 4_294_967_296, "one", "ü☃", "quote\" and \\ slash"])
def test_acknowledgements_carry_the_id(json_client, identifier):
    page = json_client()
    page.send("subscribe", Topic="acks", Id=identifier)
    assert page.receive() == {"Action": "ack", "Id": identifier}
    page.send("publish", Topic="elsewhere", Payload="x", Id=identifier)
    assert page.receive() == {"Action": "ack", "Id": identifier}
    page.send("unsubscribe", Topic="acks", Id=identifier)
    assert page.receive() == {"Action": "ack", "Id": identifier}
    page.send("publish", Topic="a/#", Payload="x", Id=identifier)
    error = page.receive()
    assert (error["Action"], error["Id"]) == ("error", identifier)


def test_without_an_id_nothing_is_acknowledged(json_client):
    page, topic = json_client(), unique()
    page.send("subscribe", Topic=topic)
    page.send("publish", Topic=topic, Payload="the first thing that comes")
    page.expect(topic, "the first thing that comes")


def test_keys_match_in_any_case(json_client):
    page, topic = json_client(), unique("case")
    page.send_text(json.dumps({"ACTION": "subscribe", "topic": topic, "payload": "", "iD": 1}))
    assert page.receive() == {"Action": "ack", "Id": 1}
    page.send_text(json.dumps({"action": "publish", "TOPIC": topic, "PayLoad": "x"}))
    page.expect(topic, "x")


def test_the_documented_form_of_every_request(json_client):
    page = json_client()
    page.send_text('{"Action":"subscribe","Topic":"form/+","Payload":""}')
    page.send_text('{"Action":"publish","Topic":"form/b","Payload":"text"}')
    assert page.receive() == {"Topic": "form/b", "Payload": "text"}
    page.send_text('{"Action":"ping"}')
    page.send_text('{"Action":"unsubscribe","Topic":"form/+"}')
    page.send_text('{"Action":"publish","Topic":"form/b","Payload":"unseen"}')
    assert page.request("publish", Topic="form/c", Payload="unseen")["Action"] == "ack"


def test_ping_with_an_id_is_acknowledged(json_client):
    assert json_client().request("ping")["Action"] == "ack"


def test_unknown_keys_are_no_error(json_client):
    page, topic = json_client(), unique()
    page.subscribe(topic)
    page.send("publish", Topic=topic, Payload="x", Colour="blue", Deep={"list": [1, 2, {"x": None}]})
    page.expect(topic, "x")


@pytest.mark.parametrize("payload", [
    "", "plain", 'quote " slash \\ / tab \t', "\u0000\u0001\u001f\u007f", "\u2028ü☃𝄞", "x" * 70_000,
    '{"Action":"publish"}'])
def test_payloads(json_client, payload):
    page, topic = json_client(), unique("payload")
    page.subscribe(topic)
    page.send("publish", Topic=topic, Payload=payload)
    page.expect(topic, payload)


def test_topics_that_need_escapes(json_client):
    page, topic = json_client(), unique() + '/"quoted"\\ü☃'
    page.subscribe(topic)
    page.send("publish", Topic=topic, Payload="x")
    page.expect(topic, "x")


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_qos(json_client, paho, qos):
    page, mqtt, topic = json_client(), paho(), unique("qos")
    page.subscribe(topic, QoS=qos)
    mqtt.subscribe(topic, 2)
    for number in range(200):  # far more than any window: a delivery counts as acknowledged when it arrived
        page.send("publish", Topic=topic, Payload=str(number), QoS=qos)
    for number in range(200):
        page.expect(topic, str(number))
        assert mqtt.expect(topic, str(number)).qos == qos


def test_connect_names_the_client(broker, json_client):
    page, client_id = json_client(), unique("page")
    assert page.request("connect", ClientId=client_id)["Action"] == "ack"
    row = broker.client(client_id)
    assert (row["protocol"], row["listener"]) == ("JSON", "web")


def test_connect_comes_first_where_anonymous_clients_are_refused(start_broker):
    broker = start_broker(auth={"anonymous": False})
    with JSON(broker.port("web")) as page:
        assert page.request("subscribe", Topic="a")["Action"] == "error"


def test_a_thousand_requests_at_once(json_client):
    page, topic = json_client(), unique("burst")
    page.subscribe(topic)
    for number in range(1000):
        page.send("publish", Topic=topic, Payload=str(number), Id=number)
    acknowledged, seen = [], []
    while len(acknowledged) < 1000 or len(seen) < 1000:
        message = page.receive()
        if "Action" in message:
            acknowledged.append(message["Id"])
        else:
            seen.append(int(message["Payload"]))
    assert acknowledged == seen == list(range(1000))


def test_bad_json_is_logged_with_the_client(broker, json_client):
    since, page, client_id = broker.log.mark(), json_client(), unique("liar")
    page.request("connect", ClientId=client_id)
    page.send_text("{]")
    page.receive()
    assert "JSON" in broker.log.wait(rf"{client_id}.*JSON", since=since)
