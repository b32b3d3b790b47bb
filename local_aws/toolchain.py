"""Java and Terraform where `bin/setup` has fetched them, because the machine has none that will do."""

from pathlib import Path

_FETCHED = Path(__file__).resolve().parents[1] / ".venv"


def java_home(fetched: Path = _FETCHED) -> Path | None:
    """Return the fetched Java's home, which has a bin/java, or None where the machine's Java is used."""
    home = fetched / "java"
    return home if (home / "bin" / "java").exists() else None


def terraform(fetched: Path = _FETCHED) -> Path | None:
    """Return the fetched Terraform, or None where the machine's is used."""
    program = fetched / "terraform" / "terraform"
    return program if program.exists() else None
