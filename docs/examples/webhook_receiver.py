"""An example webhook receiver: verifies the signature and processes each message once.

TAGPULSE_ALERTS__WEBHOOK_SECRET=… python webhook_receiver.py 8080
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["TAGPULSE_ALERTS__WEBHOOK_SECRET"].encode()
MAX_AGE_SECONDS = 300
seen_keys: set[str] = set()  # a real receiver stores these so that they survive a restart


def is_genuine(key: str, timestamp: str, signature: str, body: bytes) -> bool:
    signed = f"{key}.{timestamp}.".encode() + body
    expected = "v1=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    fresh = timestamp.isdecimal() and abs(time.time() - int(timestamp)) <= MAX_AGE_SECONDS
    return fresh and hmac.compare_digest(expected.encode(), signature.encode())  # in constant time


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))  # the raw bytes, before parsing
        names = ("Idempotency-Key", "Tagpulse-Timestamp", "Tagpulse-Signature")
        key, timestamp, signature = (self.headers.get(name, "") for name in names)
        if not is_genuine(key, timestamp, signature, body):
            self.send_error(401)
            return
        if key not in seen_keys:
            seen_keys.add(key)
            sys.stdout.write(json.loads(body)["title"] + "\n")
            sys.stdout.flush()
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
