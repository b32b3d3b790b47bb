"""An installation of Spark for one test: a cluster in one process writes the folders of its executors below it."""

from pathlib import Path

import pyspark


def cluster_home(folder: Path) -> Path:
    """Return a new Spark home below `folder`, with links to the installed one."""
    home = folder / "spark-home"
    home.mkdir()
    for installed in Path(pyspark.__file__).parent.iterdir():
        (home / installed.name).symlink_to(installed)
    return home
