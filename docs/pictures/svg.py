"""What the pictures have in common: SVG that is readable on light and on dark backgrounds, without a library."""

import html

# One grey of text and lines that has enough contrast on white and on black; boxes are light with dark text on both.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #737b85 }
.small { font-size: 11px }
.strong { font-weight: 600 }
.faint { opacity: .45 }
.line { stroke: #737b85; stroke-width: 1.2; fill: none }
.box { fill: #e3ebf6; stroke: #5b7db1 }
.outer { fill: none; stroke: #737b85; stroke-dasharray: 5 4 }
.good { fill: #2e9e5b }
.bad { fill: #d9534f }
.even { fill: #4c86c6 }
.odd { fill: #8a63b8 }
text.in { fill: #1f2937 }
text.on { fill: #fff }
"""


class Picture:
    """An SVG picture of the given size, with a title for screen readers."""

    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#737b85"/></marker></defs>',
        ]

    def add(self, tag, text=None, **attributes):
        """Adds an element. A trailing underscore of a name is removed; others become hyphens."""
        names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
        rounded = {name: f"{value:.1f}" if isinstance(value, float) else value for name, value in names.items()}
        listed = "".join(f' {name}="{html.escape(str(value))}"' for name, value in rounded.items())
        self.parts.append(f"<{tag}{listed}>{html.escape(text)}</{tag}>" if text is not None else f"<{tag}{listed}/>")

    def text(self, x, y, text, class_=None, anchor=None):
        self.add("text", text, x=x, y=y, class_=class_, text_anchor=anchor)

    def rect(self, x, y, width, height, class_, radius=3):
        self.add("rect", x=x, y=y, width=width, height=height, rx=radius, class_=class_)

    def arrow(self, points):
        path = "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points)
        self.add("path", d=path, class_="line", marker_end="url(#arrow)")

    def __str__(self):
        return "\n".join([*self.parts, "</svg>"]) + "\n"
