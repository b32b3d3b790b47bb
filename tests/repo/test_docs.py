"""The documentation site: its navigation is complete, and it has no broken links."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks import growth_report

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_SCRIPT = re.compile("<script[^>]+>")
NAVIGATION = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]


def test_every_page_is_in_the_navigation():
    """Includes decisions and runbooks."""
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert [page for page in pages if page not in NAVIGATION] == []


def test_every_decision_is_listed_under_its_title():
    """The list is `docs/decisions/README.md`."""
    listed = (DOCS / "decisions/README.md").read_text()
    for path in DOCS.glob("decisions/0*.md"):
        title = path.read_text().splitlines()[0].removeprefix("# ")
        assert f"- [{title}]({path.name})" in listed


def test_site_builds_without_warnings(tmp_path):
    """A broken link is a warning; a script of another host is loaded only with the expected hash."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    scripts = [tag for page in tmp_path.rglob("*.html") for tag in _SCRIPT.findall(page.read_text())]
    assert {tag for tag in scripts if "//" in tag and "integrity=" not in tag} == set()
    assert any("mermaid" in tag for tag in scripts)
    assert (tmp_path / "decisions" / "0001-commit-by-conditional-put" / "index.html").exists()


def test_figures_of_the_growth_are_those_measured():
    """`python -m benchmarks.growth_report` writes them into the page."""
    page = (DOCS / "performance.md").read_text()
    measured = json.loads((ROOT / "benchmarks/results/growth.json").read_text())
    assert growth_report.with_figures(page, measured) == page
