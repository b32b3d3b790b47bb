"""The business questions: one SQL file each, whose leading comment is the question with optional notes."""

from dataclasses import dataclass
from pathlib import Path

QUERIES = Path(__file__).parent / "queries"


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a page: its `title` in words, `notes` on definitions, and its SQL `query`."""

    page: str
    name: str
    title: str
    notes: str
    query: str


def read(page: str, name: str) -> Question:
    """Return the question in the file `queries/<page>/<name>.sql`."""
    query = (QUERIES / page / f"{name}.sql").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("--").strip() for line in _leading_comment(query))
    title, mark, notes = comment.partition("?")
    return Question(page, name, title + mark, notes.strip(), query)


def _leading_comment(query: str) -> list[str]:
    lines: list[str] = []
    for line in query.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return lines
