"""boundaries.py <konexus-tokend.service >trust-boundaries.svg: who can read what, from the configuration to the API.

Users, groups and modes are those of the unit. `make pictures` makes the picture; `make lint` compares it with the unit.
"""

import re
import sys

from svg import Picture

unit = sys.stdin.read()


def setting(name, pattern=".*"):
    """The last value of a setting of the unit."""
    return re.findall(rf"^{name}=({pattern})$", unit, re.MULTILINE)[-1]


user, group, mode = setting("User"), setting("Group"), setting("RuntimeDirectoryMode")
source = setting("LoadCredential", "config.toml:.*").partition(":")[2]
directory = "/run/" + setting("RuntimeDirectory")
drawn = Picture(880, 300, "Trust boundaries: root, the daemon's user, the group of the applications, and the network")

for x, width, title in ((8, 196, "root"), (220, 196, f"user {user}"), (432, 196, f"group {group}"),
                        (688, 184, "network")):
    drawn.rect(x, 8, width, 284, "outer", 8)
    drawn.text(x + width / 2, 28, title, "strong", "middle")


def box(x, y, width, *lines):
    drawn.rect(x, y, width, 16 + 16 * len(lines), "box", 5)
    for index, line in enumerate(lines):
        drawn.text(x + width / 2, y + 20 + 16 * index, line, "in small" if index else "in strong", "middle")


box(18, 56, 176, "configuration", source, "client secret, mode 0600")
box(18, 196, 176, "systemd", "passes a copy, in memory,", "that only the daemon can read")
box(230, 116, 176, "konexus-tokend", "sandboxed, no capabilities", "verifies each token")
box(442, 116, 176, "token, mode 0640", f"{directory}/", f"directory of mode {mode}, tmpfs")
box(442, 216, 176, "your program", "reads the token only")
box(698, 56, 164, "authorization server", "receives the client secret")
box(698, 216, 164, "API", "receives the token")
drawn.arrow([(106, 120), (106, 196)])
drawn.arrow([(194, 228), (318, 228), (318, 180)])
drawn.arrow([(406, 148), (442, 148)])
drawn.arrow([(530, 180), (530, 216)])
drawn.arrow([(318, 116), (318, 80), (698, 80)])
drawn.arrow([(618, 240), (698, 240)])
drawn.text(658, 74, "HTTPS", "small", "middle")
drawn.text(658, 234, "HTTPS", "small", "middle")
print(drawn, end="")
