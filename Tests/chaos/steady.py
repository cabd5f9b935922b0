"""steady, compiled and run: the clients of Tests/chaos/run and Tests/chaos/selftest. Standard library only."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "System"))
from broker import Lines  # noqa: E402


def compile_steady(folder):
    program = Path(folder) / "steady"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, *sorted(HERE.glob("*.c"))],
        check=True)
    return program


class Steady:
    """The clients of one run. Its own complaints go to standard error."""

    def __init__(self, program, endpoints, report, *options):
        self.report_file = Path(report)
        self.process = subprocess.Popen(
            [program, *endpoints, "-o", report, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = Lines().read_from(self.process.stdout)

    def wait_ready(self):
        self.lines.wait("^ready$", 150)

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def mark(self, name):
        """Returns when steady has noted the time, so that what follows is after it."""
        since = self.lines.mark()
        self._say(f"mark {name}")
        self.lines.wait("^marked$", since=since)

    def finish(self):
        """Ends the traffic and returns the report."""
        self._say("finish")
        self.lines.wait("^finished$", 60)
        assert not self.process.wait(10), f"steady exited with {self.process.returncode}"
        return json.loads(self.report_file.read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
