"""The edits of config.toml: those that are right, those that are broken, and those that the server rejects."""

import json
import os
import time

PATH = "/etc/konexus-tokend/config.toml"


class Configuration:
    """The intended configuration, and the content of the file."""

    def __init__(self, api, ca, secret):
        self.token = {
            "issuer": api,
            "client_id": "ext-1741-sample-client",
            "client_secret": secret,
            "ca_file": ca,
        }
        self.daemon = {"log_level": "debug"}
        self.has_second = False
        self.comments = 0

    def text(self, **changes):
        """The text of the file. `changes` are keys of the token's table with other values."""
        table = self.token | changes
        parts = [("daemon", self.daemon), ("token.konexus", table)]
        if self.has_second:
            parts.append(("token.second", self.token))
        lines = [f"# Edit {number}." for number in range(self.comments)]
        for name, keys in parts:
            lines.append(f"[{name}]")
            # A string, a number or an array of JSON is one of TOML too.
            lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        return "\n".join(lines) + "\n"

    def edit_well(self, random):
        """Changes a setting that the present token does not depend on. Returns what changed."""
        match random.choice(["comment", "log_level", "refresh_at", "timeout", "mode", "second", "max_requests"]):
            case "comment":
                self.comments += 1
                return "a comment"
            case "log_level":
                self.daemon["log_level"] = random.choice(["info", "debug", "warning"])
                return f"log_level = {self.daemon['log_level']}"
            case "max_requests":
                self.daemon["max_requests"] = random.randint(1, 8)
                return f"max_requests = {self.daemon['max_requests']}"
            case "second":
                self.has_second = not self.has_second
                return "a second token" if self.has_second else "no second token"
            case key:
                values = {"refresh_at": [0.4, 0.5, 0.6], "timeout": ["5s", "30s"], "mode": ["0640", "0644"]}
                self.token[key] = random.choice(values[key])
                return f"{key} = {self.token[key]}"

    def edit_request(self, random):
        """Changes a setting that asks for another token. Returns what changed."""
        key = random.choice(["scope", "client_auth"])
        values = {
            "scope": ["tamarack", "tamarack content"],
            "client_auth": ["client_secret_post", "client_secret_basic"],
        }[key]
        other = [value for value in values if value != self.token.get(key, values[0])]
        self.token[key] = other[0]
        return f"{key} = {other[0]}"


def break_it(text, random):
    """An edit that is wrong in itself. Returns its name, the bytes of the file and its mode; without bytes, no file."""
    mode = 0o600
    name = random.choice(list(BROKEN) + ["no file", "open to others"])
    if name == "no file":
        return name, None, mode
    if name == "open to others":
        return name, text.encode(), 0o644
    return name, BROKEN[name](text), mode


BROKEN = {
    "unknown key": lambda text: text.encode() + b'colour = "blue"\n',
    "no equals sign": lambda text: text.replace("issuer = ", "issuer ").encode(),
    "cut off": lambda text: text.encode()[: text.index("client_secret")],
    "empty": lambda text: b"",
    "not UTF-8": lambda text: text.encode() + b"# caf\xe9\n",
    "wrong type": lambda text: text.encode() + b"refresh_at = []\n",
    "key twice": lambda text: text.encode() + b'issuer = "https://localhost"\n',
    "no such directory": lambda text: text.encode() + b'file = "/run/nowhere/konexus.token"\n',
    "no such CA file": lambda text: text.replace("ca.pem", "gone.pem").encode(),
}

REJECTED = {
    "wrong secret": {"client_secret": "a-secret-of-another-client"},
    "unreachable issuer": {"issuer": "https://localhost:9"},
}


def write(content, mode, random):
    """Writes the file as an editor does: a new file that replaces it, or the same file in two steps."""
    if content is None:
        if os.path.exists(PATH):
            os.unlink(PATH)
        return
    if random.random() < 0.5:
        with open(os.open(PATH + "~", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        os.chmod(PATH + "~", mode)
        os.rename(PATH + "~", PATH)
        return
    with open(os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
        half = len(content) // 2
        file.write(content[:half])
        time.sleep(0.02)
        file.write(content[half:])
    os.chmod(PATH, mode)
