"""Which modules and names of Spark the jobs use: AWS patches Spark, so only its documented API can be relied on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBS = sorted((ROOT / "glue_jobs").rglob("*.py"))
DOCUMENTED = {"pyspark", "pyspark.errors", "pyspark.sql", "pyspark.sql.functions", "pyspark.sql.types", "py4j.protocol"}
# A method of named tuples, whose name begins with an underscore so that it does not clash with a field.
PUBLIC = {"_replace"}


def _undocumented(source: str) -> Iterator[str]:
    """Yield the imports from undocumented modules of Spark, and the uses of other objects' private attributes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if _is_spark(each.name) and each.name not in DOCUMENTED)
            case ast.ImportFrom(module=str(module), names=names) if _is_spark(module):
                yield from (
                    f"{module}.{each.name}" for each in names if module not in DOCUMENTED or each.name.startswith("_")
                )
            case ast.Attribute(value=owner, attr=name) if name.startswith("_") and not name.endswith("__"):
                own = isinstance(owner, ast.Name) and owner.id in {"self", "cls"}
                if not own and name not in PUBLIC:
                    yield ast.unparse(node)
            case _:
                pass


def _is_spark(module: str) -> bool:
    return module.partition(".")[0] in {"pyspark", "py4j"}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: str(path.relative_to(ROOT)))
def test_jobs_use_documented_api_of_spark_only(path: Path):
    """No private attributes, and no modules that Spark's API reference does not have."""
    assert list(_undocumented(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "frame._jdf.showString()",
        "spark._jvm.java.lang.System",
        "import pyspark.sql.classic.dataframe",
        "from pyspark.sql.pandas.types import to_arrow_schema",
        "from pyspark.sql.types import _parse_datatype_string",
    ],
)
def test_undocumented_api_is_found(source: str):
    """Attributes and imports."""
    assert len(list(_undocumented(source))) == 1
