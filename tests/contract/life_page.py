"""docs/life.md, drawn from the table of legal moves: `.venv/bin/python -m tests.contract.life_page`.

GitHub draws the Mermaid diagram in it. What leads on from more than four states is said below it, not drawn:
it would be all lines and no picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.domain import life
from services.domain.case import ENDED, STATES
from services.domain.life import LIFE, Move

PAGE: Final = Path(__file__).parents[2] / "docs" / "life.md"
MOST_LINES: Final = 4
SETS: Final = {
    "triage": life.TRIAGE,
    "under way": life.UNDER_WAY,
    "given": life.UNDER_WAY[1:],
    "at work": life.AT_WORK,
    "new": life.NEW,
    "joined": life.JOINED,
    "single": life.SINGLE,
    "before the claim": life.BEFORE_CLAIM,
    "open": life.OPEN,
    "worked on": life.WORKED_ON,
}
"""The sets of states that rows of the table share, by the name they have on the page."""
HEAD: Final = """\
# The life of a case

A case is in one of {count} states. What is no row below is refused; the same rows give the pages their
buttons (`allowed`), and a test walks every state, command and role. Made from `services/domain/life.py` by
`.venv/bin/python -m tests.contract.life_page`.

On an arrow, `like_this` is a command somebody sends and `LikeThis` an event that follows of itself.
"""
DIAGRAM: Final = """
```mermaid
stateDiagram-v2
{lines}
```
"""


def page() -> str:
    return "\n".join(
        (
            HEAD.format(count=len(STATES)),
            DIAGRAM.format(lines="\n".join(f"    {line}" for line in _drawn())).strip(),
            "",
            "Not drawn is what leaves a case in its state, and what leads on from more than four of them:",
            "",
            *_said(),
            "",
            "## Who",
            "",
            *_who(),
            "",
            "## Where from",
            "",
            "Sets of states that the table names:",
            "",
            *(f"- *{name}*: {', '.join(states)}" for name, states in SETS.items()),
            "",
            "## Every move",
            "",
            "*Stales*: whoever still looks at the case as it was before must look again (`expected_seq`).",
            "",
            "| command | who | from | to | event | stales |",
            "|---|---|---|---|---|---|",
            *(_row(move) for move in LIFE),
            "",
        )
    )


def _label(move: Move) -> str:
    return move.event if move.who == "system" else move.command


def _drawn() -> Iterator[str]:
    """One arrow for each pair of states; a move that stays where it is has none."""
    arrows: dict[tuple[str, str], dict[str, None]] = {}
    for move in LIFE:
        if move.target is None or len(move.sources) > MOST_LINES:
            continue
        sources: tuple[str, ...] = move.sources or ("[*]",)
        for source in sources:
            arrows.setdefault((source, move.target), {})[_label(move)] = None
    for (source, target), labels in arrows.items():
        if source != target:
            yield f"{source} --> {target}: {'<br>'.join(labels)}"
    for state in STATES:
        if state in ENDED and not any(state in move.sources for move in LIFE if move.target):
            yield f"{state} --> [*]"


def _said() -> Iterator[str]:
    for move in LIFE:
        if move.target is not None and len(move.sources) > MOST_LINES:
            yield f"- `{_label(move)}` leads to `{move.target}` from {_from(move.sources)}"


def _who() -> Iterator[str]:
    """As the table's own words say it, one line each."""
    said = (life.__doc__ or "").split("\n\n")[2]
    for words in " ".join(said.split()).removeprefix("- ").split(" - "):
        for one in words.split("; "):
            who, _, what = one.partition(": ")
            yield f"- **{who}**: {what.rstrip('.')}"


def _row(move: Move) -> str:
    cells = (
        f"`{move.command}`",
        move.who,
        _from(move.sources) or "–",
        f"`{move.target}`" if move.target else "",
        f"`{move.event}`",
        "yes" if move.stales else "",
    )
    return f"| {' | '.join(cells)} |"


def _from(sources: tuple[str, ...]) -> str:
    """The name of the set if it has one, or of the greatest in it and the rest; else the states."""
    within = [(len(states), name) for name, states in SETS.items() if set(states) <= set(sources)]
    if len(sources) < 2 or not within:
        return ", ".join(f"`{state}`" for state in sources)
    _, name = max(within)
    return ", ".join((f"*{name}*", *(f"`{state}`" for state in sources if state not in SETS[name])))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")
