"""Java and Terraform as fetched by `bin/setup` when the machine has no suitable ones."""

from pathlib import Path

_FETCHED = Path(__file__).resolve().parents[1] / ".venv"


def java_home(fetched: Path = _FETCHED) -> Path | None:
    """Return the home of the fetched Java, or None when the machine's Java is used."""
    home = fetched / "java"
    return home if (home / "bin" / "java").exists() else None


def terraform(fetched: Path = _FETCHED) -> Path | None:
    """Return the path of the fetched Terraform, or None when the machine's is used."""
    program = fetched / "terraform" / "terraform"
    return program if program.exists() else None
