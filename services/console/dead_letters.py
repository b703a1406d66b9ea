"""`console dead-letters`: what the router could not read or decide, why, and sending it again."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated

import typer

from services.adapters.dead_letter_box import BoxAway, find, letters, replay
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.domain.messages import DeadLetter

app = typer.Typer(help="Messages that could not be read or decided.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="topic-partition-offset, as `list` shows it")]


@app.command("list")
def list_letters() -> None:
    """One line per letter, the oldest first: id, when, kind and reason."""
    try:
        found = sorted(letters(_bootstrap()), key=lambda letter: letter.died_at)
    except BoxAway as away:
        raise _refused(away) from None
    for letter in found:
        typer.echo(f"{letter.id:<24}  {letter.died_at:%Y-%m-%d %H:%M:%S%z}  {letter.kind:<8}{letter.reason}")
    typer.echo(f"{len(found)} dead letter{'' if len(found) == 1 else 's'}", err=True)


@app.command()
def show(letter_id: Id) -> None:
    """The whole letter. Sealed parts stay sealed; bytes that are no text are shown in base64."""
    letter = _find(letter_id)
    rows = [
        ("id", letter.id),
        ("died at", letter.died_at.isoformat()),
        ("kind", letter.kind),
        ("reason", letter.reason),
        ("topic", letter.topic),
        ("partition", str(letter.partition)),
        ("offset", str(letter.offset)),
        ("key", "none" if letter.key is None else _text(letter.key)),
        *((f"header {name}", _text(value)) for name, value in letter.headers),
    ]
    _print(rows)
    typer.echo("")
    typer.echo(_text(letter.value))


@app.command("replay")
def send_again(letter_id: Id) -> None:
    """Send the message to its topic again: same key, headers and value. Doing it twice is harmless."""
    letter = _find(letter_id)
    try:
        now_at = replay(_bootstrap(), letter)
    except BoxAway as away:
        raise _refused(away) from None
    typer.echo(f"{letter.id} was sent again as {now_at}")


def _bootstrap() -> str:
    try:
        return Settings().require("kafka_bootstrap")
    except SettingsError as wrong:
        typer.echo(f"pioneer-hub: {wrong}", err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from None


def _find(letter_id: str) -> DeadLetter:
    try:
        letter = find(_bootstrap(), letter_id)
    except BoxAway as away:
        raise _refused(away) from None
    if letter is None:
        typer.echo(
            f"pioneer-hub: there is no dead letter {letter_id}: `console dead-letters list` shows them",
            err=True,
        )
        raise typer.Exit(1)
    return letter


def _print(rows: Iterable[tuple[str, str]]) -> None:
    for name, text in rows:
        typer.echo(f"{name:<20}  {text}")


def _text(raw: bytes) -> str:
    """What a terminal can show: control characters of a poisoned message must not reach it."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and (text or not raw):
        return text
    return f"base64:{base64.b64encode(raw).decode()}"


def _refused(away: BoxAway) -> typer.Exit:
    typer.echo(f"pioneer-hub: the broker of KAFKA_BOOTSTRAP does not answer ({away}): is it up?", err=True)
    return typer.Exit(1)
