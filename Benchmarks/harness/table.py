"""A table for people: what was measured, side by side, and whether a bar holds."""


class Table:
    def __init__(self, heads):
        self.rows = [heads]
        self.missed = []

    def add(self, what, cells, bar="", holds=None):
        """A row; `holds` is None where there is no bar, or nothing to hold it against."""
        verdict = "" if holds is None else "yes" if holds else "NO"
        if holds is False:
            self.missed.append(what)
        self.rows.append([what, *cells, bar, verdict])

    def show(self):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        for number, row in enumerate(self.rows):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def ratio(ours, theirs):
    """How many times theirs ours is."""
    return "-" if ours is None or not theirs else f"{ours / theirs:.3g} x"


def milliseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.3g} ms"


def mebibytes(kibibytes):
    return "-" if kibibytes is None else f"{kibibytes / 1024:.2f} MiB"
