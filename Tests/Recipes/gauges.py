"""gauges.py PORT_FILE: the river gauge that the recipes poll.

GET /river/NAME   the reading for the program NAME, as the test has set it
PUT /reading      sets the reading: `{"status": 200, "body": "...", "delivery": "whole", "reset", "hang" or "drip"}`
GET /polls        the number of polls of each program
GET /elsewhere    the target of redirects: counts requests, and those with an Authorization header
"""

import collections
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time

polls = collections.Counter()
redirected = collections.Counter()
reading = {"status": 200, "body": '{"level": 1.0}', "delivery": "whole"}
changed = threading.Condition()


class Gauge(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/polls":
            return self.answer(200, json.dumps(polls))
        if self.path == "/redirected":
            return self.answer(200, json.dumps(redirected))
        if self.path == "/elsewhere":
            redirected["requests"] += 1
            redirected["withToken"] += "Authorization" in self.headers
            return self.answer(200, '{"alertId": 1, "items": [], "item": {}}')
        with changed:
            current = reading
            polls[self.path.removeprefix("/river/")] += 1
            if current["delivery"] == "hang":
                # Until the next reading: the client gives up long before.
                changed.wait_for(lambda: reading is not current)
                return self.reset()
        if current["delivery"] == "reset":
            return self.reset()
        self.answer(current["status"], current["body"], current["delivery"])

    do_POST = do_GET

    def do_PUT(self):
        global reading
        new = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with changed:
            reading = {"status": 200, "delivery": "whole"} | new
            changed.notify_all()
        self.answer(200, "{}")

    def answer(self, status, text, delivery="whole"):
        body = text.encode("utf-8", "surrogateescape")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if delivery == "whole":
            self.wfile.write(body)
            return
        # Each byte arrives before a time limit for single bytes ends.
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.5)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gauge)
server.daemon_threads = True
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
