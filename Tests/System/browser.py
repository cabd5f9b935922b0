"""A real browser: Chromium without a window, spoken to by its DevTools protocol."""

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile

from websockets.sync.client import connect

from broker import wait_until


class Page:
    """A tab with one address."""

    def __init__(self, browser, url):
        self.browser = browser
        self.target = browser.command("Target.createTarget", url=url)["targetId"]
        self.session = browser.command("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]

    def evaluate(self, script):
        """What a script is worth; promises are waited for."""
        answer = self.browser.command("Runtime.evaluate", self.session, expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script, timeout=20.0):
        """Until a script is worth something, and that."""
        return wait_until(lambda: self.evaluate(script), script, timeout)

    def close(self):
        self.browser.command("Target.closeTarget", targetId=self.target)


class Chromium:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="apus-chromium-")
        self.numbers = itertools.count(1)
        # It may run as root here, where its own sandbox can not.
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={self.folder}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        mark = "DevTools listening on "
        address = next((line.split(mark)[1].strip() for line in self.process.stderr if mark in line), None)
        assert address, "Chromium has not started"
        self.connection = contextlib.ExitStack()
        self.socket = self.connection.enter_context(connect(address, max_size=None, proxy=None))

    def command(self, method, session=None, **parameters):
        number = next(self.numbers)
        self.socket.send(json.dumps(
            {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}))
        while True:
            message = json.loads(self.socket.recv(30))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, url):
        return Page(self, url)

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
