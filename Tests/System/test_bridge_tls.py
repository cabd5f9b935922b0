"""The bridge over TLS, to a RabbitMQ that asks for a client's certificate."""

import subprocess

import pytest

from client import Paho, unique
from amqp import AMQP
from rabbitmq import RabbitMQ, free_port
from test_bridge import wait_bridged, wait_trouble


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(folder, name, authority, host):
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", f"{name}.key",
            "-out", f"{name}.csr")
    (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A RabbitMQ whose certificate is for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    # RabbitMQ may run as another user.
    folder.chmod(0o755)
    for authority in ("authority", "stranger"):
        make_authority(folder, authority)
    make_certificate(folder, "server", "authority", "localhost")
    make_certificate(folder, "bridge", "authority", "bridge")
    port = free_port()
    rabbit = RabbitMQ(
        f"listeners.ssl.1 = 127.0.0.1:{port}", f"ssl_options.cacertfile = {folder}/authority.pem",
        f"ssl_options.certfile = {folder}/server.pem", f"ssl_options.keyfile = {folder}/server.key",
        "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true", ports=[port])
    rabbit.tls_port, rabbit.certificates = port, folder
    yield rabbit
    rabbit.close()


def settings(rabbit, host="localhost", authority="authority", certificate="bridge", **more):
    folder = rabbit.certificates
    own = {"certificate": f"{folder}/{certificate}.pem", "key": f"{folder}/{certificate}.key"} if certificate else {}
    return {"uri": f"amqps://guest:guest@{host}:{rabbit.tls_port}", "ca": f"{folder}/{authority}.pem", **own,
            "outbound": ["out/#"], "inbound": ["in/#"], "queue": unique("apus"), "retry_limit": "500 ms", **more}


def check_both_ways(broker, rabbit, opened):
    wait_bridged(broker)
    backend, device = opened(AMQP(rabbit, "out.#")), opened(Paho(broker.port()))
    device.subscribe("in/#", 1)
    device.publish("out/x", "up", 1)
    assert backend.message()[2] == b"up"
    backend.publish("in.x", b"down")
    device.expect("in/x", "down")


def test_both_ways(start_broker, secure, opened):
    broker = start_broker(bridge=settings(secure), supervisor={"heartbeat_interval": "100ms"})
    check_both_ways(broker, secure, opened)


def test_a_server_of_another_name(start_broker, secure, opened):
    broker = start_broker(bridge=settings(secure, host="127.0.0.1"), supervisor={"heartbeat_interval": "100ms"})
    wait_trouble(broker, "hostname")
    broker.configure(bridge=settings(secure, host="127.0.0.1", verify_host=False),
                     supervisor={"heartbeat_interval": "100ms"})
    broker.ctl("reload")
    check_both_ways(broker, secure, opened)


def test_a_server_of_another_authority(start_broker, secure):
    wait_trouble(start_broker(bridge=settings(secure, authority="stranger")), "peer cert verification failed")


def test_without_the_certificate_that_the_server_asks_for(start_broker, secure):
    wait_trouble(start_broker(bridge=settings(secure, certificate=None)), f"localhost:{secure.tls_port}")


def test_files_that_are_none(start_broker, secure):
    wait_trouble(start_broker(bridge=settings(secure, authority="missing")), "missing.pem can not be used")
    wait_trouble(start_broker(bridge=settings(secure, certificate="missing")), "missing.key can not be used")
