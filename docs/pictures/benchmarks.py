"""Ours ÷ the peer for each case, beside what it must and should be: the tables of benchmarks.md, drawn."""

import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt

PAGE = Path(sys.argv[0]).resolve().parents[1] / "benchmarks.md"
COLOURS = {"aim met": "tab:green", "met": "tab:blue", "MISSED": "tab:red"}


def rows_of(title):
    """Return (case, peer, ratio, must, aim, verdict) of each ratio in a section's table."""
    section = re.search(rf"^## {title}$(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.S | re.M)[1]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line[:1] == "|"
    ]
    measured = [row for row in lines[2:] if row[1] != "seconds" and row[2] not in ("", "inf")]
    return [(case, peer, *(float(x) if x else None for x in xs), word) for case, peer, *xs, word in measured]


def draw(title):
    """Draw a line for each ratio: a dot for what was measured, marks for what it must and should be."""
    rows = rows_of(title)[::-1]
    _, ax = plt.subplots(figsize=(6.8, 0.9 + 0.26 * len(rows)))
    for i, (_, _, ratio, must, aim, word) in enumerate(rows):
        ax.plot([min(ratio, aim or must), max(ratio, must)], [i, i], color="0.85", lw=1, zorder=1)
        ax.plot(ratio, i, "o", color=COLOURS[word], zorder=3)
        ax.plot(must, i, "|", color="black", ms=11, mew=1.8)
        if aim is not None:
            ax.plot(aim, i, "|", color="0.55", ms=8)
    ax.axvline(1.0, color="0.6", lw=0.8, ls=":")
    ax.set(
        xscale="log",
        ylim=(-0.7, len(rows) - 0.3),
        xlabel="ours ÷ the peer (log scale): left is faster, or smaller",
    )
    ax.set_yticks(
        range(len(rows)), [f"{case}  ·  {re.sub(r' [(].*', '', peer)}" for case, peer, *_ in rows], fontsize=8
    )
    for word, colour in COLOURS.items():
        ax.plot([], [], "o", color=colour, label=word.lower())
    ax.plot([], [], "|", color="black", ms=11, mew=1.8, ls="", label="must")
    ax.plot([], [], "|", color="0.55", ms=8, ls="", label="aim")
    ax.legend(ncols=5, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def linear():
    """Draw the linear family."""
    draw("Linear models")


def boosting():
    """Draw trees."""
    draw("Boosting")


def machines():
    """Draw support vector machines."""
    draw("Support vector machines")


def networks():
    """Draw networks."""
    draw("Neural networks")


def spine():
    """Draw least squares and loops over losses."""
    draw("The spine")
