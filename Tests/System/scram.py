"""SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, and what a server keeps of a password. The standard library only."""

import base64
import hashlib
import hmac
import os

METHOD = "SCRAM-SHA-256"


def b64(data):
    return base64.b64encode(data).decode()


def keys(password, salt=None, iterations=4096):
    """The text behind `USER:` in a password file, as PostgreSQL writes it."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return f"{METHOD}${iterations}:{b64(salt)}${b64(stored)}:{b64(hmac.digest(salted, b'Server Key', 'sha256'))}"


class Exchange:
    """One exchange: first, then last(challenge), then is_server(answer)."""

    def __init__(self, user, password, nonce=None):
        self.password = password.encode()
        self.bare = f"n={user},r={nonce or b64(os.urandom(18))}"
        self.first = ("n,," + self.bare).encode()

    def last(self, challenge):
        challenge = challenge.decode()
        nonce, salt, iterations = (part[2:] for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(salt), int(iterations))
        key = hmac.digest(salted, b"Client Key", "sha256")
        end = f"c={b64(b'n,,')},r={nonce}"
        self.message = f"{self.bare},{challenge},{end}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), self.message, "sha256")
        self.server_key = hmac.digest(salted, b"Server Key", "sha256")
        return f"{end},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}".encode()

    def is_server(self, answer):
        """Whether the server knows the password too."""
        return answer == f"v={b64(hmac.digest(self.server_key, self.message, 'sha256'))}".encode()
