"""gauges.py PORT_FILE: the gauges that the recipes poll. GET /NAME gives the next reading of the program NAME, always too high, until
GET /calm; GET /counts tells how many too high readings each has got."""

import collections
import http.server
import json
import os
import sys

counts = collections.Counter()
is_calm = False


class Gauge(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global is_calm
        if self.path == "/calm":
            is_calm = True
        name = self.path[1:]
        if self.path in ("/calm", "/counts"):
            answer = counts
        elif is_calm:
            answer = {"id": 0, "level": 1.0}
        else:
            counts[name] += 1
            answer = {"id": counts[name], "level": 4.2}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gauge)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
