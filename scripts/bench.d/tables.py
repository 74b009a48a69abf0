"""A table of figures as text for a terminal, or as Markdown for README."""

import statistics


class Table:
    """`heads` are the columns' names. The first column is left-aligned, the others right-aligned. Rows are texts."""

    def __init__(self, *heads):
        self.heads, self.rows = heads, []

    def add(self, *row):
        self.rows.append([str(cell) for cell in row])

    def add_pairs(self, name, pairs, limit, form):
        """A row of what was measured alone and beside something else: the median of the ratios, their range, what is
        asked, and both medians."""
        ratios = sorted(beside / alone for alone, beside in pairs)
        middle = statistics.median(ratios)
        alone, beside = (statistics.median(values) for values in zip(*pairs))
        self.add(name, f"{middle:.2f}", f"{ratios[0]:.2f}-{ratios[-1]:.2f}", judged(middle, limit, form),
                 f"{beside:.0f} : {alone:.0f}")

    def text(self):
        widths = [max(len(row[at]) for row in [self.heads, *self.rows]) for at in range(len(self.heads))]
        lines = []
        for row in [self.heads, *self.rows]:
            first, *others = (f"{cell:{width}}" if at == 0 else f"{cell:>{width}}"
                              for at, (cell, width) in enumerate(zip(row, widths)))
            lines.append("  ".join([first, *others]).rstrip())
        return "\n".join(lines)

    def markdown(self):
        lines = ["| " + " | ".join(self.heads) + " |", "|---" + "|---:" * (len(self.heads) - 1) + "|"]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)])


def judged(value, target, form):
    """Returns the target as text, and whether it is met."""
    if target is None:
        return "-"
    return f"<= {form.format(target)} {'met' if value <= target else 'MISSED'}"


def names(pairs):
    """The contestants of pairs (ours, peer, the most that the ratio may be), each peer next to ours."""
    return list(dict.fromkeys(name for ours, peer, _ in pairs for name in (peer, ours)))


def ratios(title, pairs, found):
    """`found`: by contestant, what each round has measured."""
    table = Table(title, "ratio", "range", "target")
    for ours, peer, target in pairs:
        if ours in found and peer in found:
            each = sorted(a / b for a, b in zip(found[ours], found[peer]))
            middle = statistics.median(each)
            table.add(f"{ours} : {peer}", f"{middle:.2f}", f"{each[0]:.2f}-{each[-1]:.2f}",
                      judged(middle, target, "{:.2f}"))
    return table
