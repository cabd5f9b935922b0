"""Fixtures: a broker shared by the tests of a file, and brokers of a test's own. A failed test shows their logs."""

import pytest

from broker import Broker
from client import JSON, Paho
from wire import connected


@pytest.fixture(scope="module")
def shared_broker():
    with Broker() as broker:
        yield broker


@pytest.fixture
def broker(shared_broker):
    """A running broker with one MQTT and one WebSocket listener; no worker of it may die during the test."""
    before = {(row["role"], row["name"]): row["pid"] for row in shared_broker.workers()}
    yield shared_broker
    assert {(row["role"], row["name"]): row["pid"] for row in shared_broker.workers()} == before, "a worker died"


@pytest.fixture
def start_broker():
    """Starts brokers with the arguments of Broker; each must stop cleanly at the end, unless discarded before."""
    started = []

    def start(**options):
        started.append(Broker(**options))
        return started[-1]

    yield start
    for broker in started:
        if broker in Broker.running:
            broker.stop()


@pytest.fixture
def opened():
    """Registers clients: all are closed at the test's end, whatever happened."""
    clients = []

    def open_(client):
        clients.append(client)
        return client

    yield open_
    for client in reversed(clients):
        client.close()


@pytest.fixture
def paho(broker, opened):
    """Connects a paho client to the shared broker: paho(version="5.0", …)."""
    return lambda **options: opened(
        Paho(broker.port("web" if options.get("transport") == "websockets" else "mqtt"), **options))


@pytest.fixture
def json_client(broker, opened):
    return lambda **options: opened(JSON(broker.port("web"), **options))


@pytest.fixture
def wire(broker, opened):
    """Connects by hand to the shared broker: wire(client_id, version, …)."""
    return lambda *arguments, **options: opened(connected(broker.port(), *arguments, **options))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for broker in Broker.running:
            report.sections.append((f"log of apusd {broker.pid}", "\n".join(broker.log.all()[-40:])))
    return report


def pytest_sessionfinish():
    for broker in list(Broker.running):
        broker.discard()
