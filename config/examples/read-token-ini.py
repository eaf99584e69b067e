#!/usr/bin/env python3
"""read-token-ini.py URL [FILE]: requests URL with the token of an INI file, which Python's configparser reads.

The table for the INI file is in templates.toml. The file is read for each request, because its token changes.
"""
import configparser
import sys
import urllib.request

FILE = "/run/konexus-tokend/konexus.ini"


def read_token(path):
    # Without interpolation, because a '%' in a value is not special.
    settings = configparser.ConfigParser(interpolation=None)
    with open(path, encoding="ascii") as file:
        settings.read_file(file)
    return settings["konexus"]


def main(url, path=FILE):
    settings = read_token(path)
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + settings["token"]})
    with urllib.request.urlopen(request, timeout=30) as response:
        print(response.status, "with a token that expires at", settings["expires_at"])


if __name__ == "__main__":
    main(*sys.argv[1:])
