"""What lies in the broker's store while it is under chaos: sessions of clients that are away, each with a subscription, and
retained messages. No pause may grow with them."""

from concurrent.futures import ThreadPoolExecutor

import wire as w

AT_ONCE = 16


def fill(port, sessions, retained):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda first: leave_sessions(port, range(first, sessions, AT_ONCE)), range(AT_ONCE)))
    retain(port, retained)


def leave_sessions(port, numbers):
    for number in numbers:
        with w.Wire(port, 60) as client:
            client.connect(f"away-{number}", clean=False)
            client.subscribe(f"site/{number % 1000}/device/{number}/command", qos=1)


def retain(port, count, batch=500):
    with w.connected(port, timeout=60) as client:
        for first in range(0, count, batch):
            numbers = range(first, min(first + batch, count))
            client.send(*(w.publish(f"state/{number % 1000}/{number}", b"x" * 50, retain=True) for number in numbers))
            client.ping()
