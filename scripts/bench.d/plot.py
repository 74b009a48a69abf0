"""CPU time per request as a picture for README: a bar for each server, ours in colour, for light and dark pages."""

import html

WIDTH, LEFT, RIGHT, ROW, BAR, TOP = 760, 190, 70, 26, 16, 44
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .note { fill: #59636e; font-size: 12px }
    .ours { fill: #1a7f5a }
    .peer { fill: #b4bcc5 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .note { fill: #9198a1 } .ours { fill: #3fb68b } .peer { fill: #4b535d }
    }"""


def svg(title, note, rows):
    """rows: (name, microseconds, whether it is ours), drawn from the least to the most."""
    rows = sorted(rows, key=lambda row: row[1])
    scale = (WIDTH - LEFT - RIGHT) / (max(value for _, value, _ in rows) or 1)
    height = TOP + ROW * len(rows) + 12
    summary = "; ".join(f"{name} {value:.1f}" for name, value, _ in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"  <title>{html.escape(title)}: {html.escape(summary)}</title>",
        f"  <style>{STYLE}\n  </style>",
        f'  <text class="title" x="0" y="16">{html.escape(title)}</text>',
        f'  <text class="note" x="0" y="34">{html.escape(note)}</text>',
    ]
    for at, (name, value, is_ours) in enumerate(rows):
        y = TOP + ROW * at
        middle = y + BAR - 3
        width = max(1.0, value * scale)
        parts += [
            f'  <text x="{LEFT - 10}" y="{middle}" text-anchor="end">{html.escape(name)}</text>',
            f'  <rect class="{"ours" if is_ours else "peer"}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" '
            'rx="2"/>',
            f'  <text x="{LEFT + width + 8:.1f}" y="{middle}">{value:.1f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
