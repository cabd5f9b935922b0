"""examples/push, as its README says: one command, and news go from RabbitMQ to a page and a device, answers back."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from broker import BIN, wait_until
from browser import Chromium
from amqp import rabbit  # noqa: F401, a fixture
from rabbitmq import free_port

RUN = os.path.join(os.path.dirname(__file__), "../../examples/push/run")


class Example:
    def __init__(self, **environment):
        ports = [str(free_port()) for _ in range(3)]
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, RUN], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "APUS_BIN": str(BIN), "APUS_PORTS": ",".join(ports), **environment})
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def wait_line(self, *words, timeout=30.0):
        return wait_until(lambda: next((line for line in self.lines if all(word in line for word in words)), None),
                          f"a line with {words}: {self.lines}", timeout)

    def close(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.lines
        self.reader.join()


@pytest.mark.parametrize("own", [False, True], ids=["a RabbitMQ that is there", "its own RabbitMQ"])
def test_news_and_answers(own, request, opened):
    example = opened(Example(**({} if own else {"APUS_RABBITMQ": request.getfixturevalue("rabbit").uri})))
    address = example.wait_line("the page is", timeout=90).split("the page is ")[1].split(";")[0]
    page = opened(Chromium()).open(address)
    text = page.wait("document.querySelector('li')?.firstChild.textContent")
    number = text.split()[-1]
    assert text == f"News number {number}"
    example.wait_line("device: receives", f"News number {number}")
    example.wait_line("back end: pump-7 answers", f"News number {number}")
    page.evaluate("document.querySelector('li:last-child button').click()")
    example.wait_line("back end: page answers 'thanks for number")
