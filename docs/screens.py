"""Draws docs/screens: what commands show at a terminal of 80 columns, on a light ground and on a dark one. `make screens`.

The project is the one of docs/first-hour.md, "Files of your own". Commands run at a pseudo-terminal; rich draws what they wrote.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from fcntl import ioctl
from pathlib import Path

import pyte
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
COLUMNS, LINES = 80, 50
THEMES = {"light": DEFAULT_TERMINAL_THEME, "dark": DIMMED_MONOKAI}
COMMANDS = {
    "validate": ("etl validate shop", ("sum(price) AS total", "sum(pryce) AS total")),
    "run": ("etl run shop --mode batch", None),
    "plan": ("etl plan shop", ("sum(price) AS total", "sum(price) * 2 AS total")),
    "show": ("etl show shop orders_now", None),
}
_COLOURS = {"brown": "yellow"}  # pyte's names that rich has others for
_ADDED = re.compile(r"@font-face \{.*?\}|<!--.*?-->", re.DOTALL)  # fonts from elsewhere, and a remark


def project(folder: Path) -> Path:
    """The files of the page's first part; the pipeline is the one that its user has written."""
    page = (HERE / "first-hour.md").read_text(encoding="utf-8")
    part = page[page.index("## Files of your own") : page.index("## A notebook")]
    for file, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
        path = folder / ("shop" if file.startswith("pipelines/") else ".") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "shop"


def typed(command: str, folder: Path) -> pyte.Screen:
    """The screen of a terminal in which a command was typed, once it has ended."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    program = [sys.executable, "-P", "-m", *command.split()]
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(program, cwd=folder, stdout=slave, stderr=slave, env=environment)  # noqa: S603  # our own command
    os.close(slave)
    screen = pyte.Screen(COLUMNS, LINES)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(master, 65536):
            stream.feed(part)
    process.wait()
    os.close(master)
    return screen


def lines(screen: pyte.Screen) -> Text:
    """What stands on the screen, in its colours."""
    text = Text()
    last = max((number for number, line in enumerate(screen.display) if line.strip()), default=0)
    for number in range(last + 1):
        for column in range(COLUMNS):
            char = screen.buffer[number][column]
            colour = _COLOURS.get(char.fg, char.fg)
            bold = "bold " if char.bold else ""
            text.append(char.data, style=f"{bold}{'' if colour == 'default' else colour}".strip())
        text.append("\n")
    return text


def drawn(command: str, screen: pyte.Screen, theme: str) -> str:
    """The screen as SVG, with the fonts that the reader's browser has."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(f"$ {command}\n").append(lines(screen)))
    return _ADDED.sub(
        "", console.export_svg(title=command, theme=THEMES[theme], unique_id=f"{command.split()[1]}-{theme}")
    )


def main() -> None:
    """Write two screens for each command."""
    (HERE / "screens").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screens-") as scratch:
        folder = project(Path(scratch))
        file = folder / "pipelines" / "shop" / "pipeline.yml"
        written = file.read_text(encoding="utf-8")
        for name, (command, edit) in COMMANDS.items():
            file.write_text(written.replace(*edit) if edit else written, encoding="utf-8")
            screen = typed(command, folder)
            for theme in THEMES:
                (HERE / "screens" / f"{name}-{theme}.svg").write_text(drawn(command, screen, theme), encoding="utf-8")


if __name__ == "__main__":
    main()
