"""Writes the generated files: `python -m ops.generate`, or `python -m ops.generate docs/cost.md` for one of them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from local_aws import files
from ops.deploy.build import ROOT
from ops.generate import cost, metrics, quicksight, tables
from ops.generate.dictionary import document

FILES: dict[str, Callable[[], str]] = {
    "terraform/tables.json": tables.terraform_input,
    "terraform/metrics.json": metrics.terraform_input,
    "terraform/questions.json": quicksight.terraform_input,
    "docs/tables.md": document.page,
    "docs/cost.md": cost.page,
}
"""Function that returns the content of each generated file, by its path in the repository."""


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the files in the arguments, by default all, and print their names."""
    parser = argparse.ArgumentParser(prog="python -m ops.generate", description="Write the generated files.")
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"Any of {', '.join(FILES)}; by default all.")
    selected = parser.parse_args(argv).files
    if unknown := set(selected) - FILES.keys():
        parser.error(f"{', '.join(sorted(unknown))} is not a generated file; these are: {', '.join(FILES)}")
    for name in selected or FILES:
        files.replace(root / name, FILES[name]().encode())
        sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
