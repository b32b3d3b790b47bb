"""The settings of a crawler: targets, exclusions and policies."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.glue.crawlers.crawl import CrawlFailedError

_GLOB = re.compile(r"\*\*|\*|\?|\[[^]]*\]|[{},]|\\.|[^*?\[{},\\]+|.")
_SIGNS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class S3Target:
    """A folder of a bucket, with its path in `parts`, and its exclusions."""

    bucket: str
    parts: tuple[str, ...]
    exclusions: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> "S3Target":
        """Read an S3 target of a crawler; CrawlFailedError when its path is not of S3."""
        scheme, _, path = target["Path"].partition("://")
        bucket, *parts = path.split("/")
        if scheme not in ("s3", "s3a", "s3n") or not bucket:
            raise CrawlFailedError(f"{target['Path']} is not a path of S3; write s3://bucket/folder/.")
        return cls(
            bucket,
            tuple(part for part in parts if part),
            tuple(glob(pattern) for pattern in target.get("Exclusions") or ()),
        )

    def excludes(self, path: str) -> bool:
        """Whether the object at `path`, relative to the target's folder, is excluded."""
        return any(pattern.fullmatch(path) for pattern in self.exclusions)


@dataclass(frozen=True, slots=True)
class CrawlerSettings:
    """The settings of one crawl, as they were when it started."""

    database: str
    table_prefix: str
    targets: tuple[S3Target, ...]
    new_folders_only: bool
    update: str
    delete: str
    merge_new_columns: bool
    inherit_from_table: bool
    table_level: int | None
    combine_compatible: bool
    policy: str
    configuration: str

    @classmethod
    def of(cls, crawler: Any) -> "CrawlerSettings":
        """Return the settings of a crawler; raises CrawlFailedError for targets other than S3."""
        others = [kind for kind, targets in crawler.targets.items() if targets and kind != "S3Targets"]
        if others:
            raise CrawlFailedError(f"Local crawlers crawl S3 and not {', '.join(others)}.")
        policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}
        policy |= crawler.schema_change_policy or {}
        recrawl = (crawler.recrawl_policy or {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
        new_folders_only = recrawl == "CRAWL_NEW_FOLDERS_ONLY"
        configuration = json.loads(crawler.configuration or "{}")
        output = configuration.get("CrawlerOutput", {})
        grouping = configuration.get("Grouping", {})
        return cls(
            database=crawler.database_name,
            table_prefix=crawler.table_prefix or "",
            targets=tuple(S3Target.of(target) for target in crawler.targets.get("S3Targets") or ()),
            new_folders_only=new_folders_only,
            update="LOG" if new_folders_only else policy["UpdateBehavior"],
            delete="LOG" if new_folders_only else policy["DeleteBehavior"],
            merge_new_columns=output.get("Tables", {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
            inherit_from_table=output.get("Partitions", {}).get("AddOrUpdateBehavior") == "InheritFromTable",
            table_level=grouping.get("TableLevelConfiguration"),
            combine_compatible=grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas",
            policy=json.dumps(policy, separators=(",", ":")),
            configuration=crawler.configuration or "",
        )


def glob(pattern: str) -> re.Pattern[str]:
    """Compile an exclusion: `*` stays within a folder, `**` does not; `?`, `[a-z]` and `{this,that}` are known."""
    depth = 0
    regex = []
    for sign in _GLOB.findall(pattern):
        if sign in _SIGNS:
            regex.append(_SIGNS[sign])
        elif sign == "{":
            depth += 1
            regex.append("(?:")
        elif sign == "}" and depth:
            depth -= 1
            regex.append(")")
        elif sign == "," and depth:
            regex.append("|")
        elif sign.startswith("[") and len(sign) > 2:  # noqa: PLR2004
            regex.append(sign.replace("[!", "[^", 1))
        else:
            regex.append(re.escape(sign[1:] if sign.startswith("\\") and len(sign) > 1 else sign))
    return re.compile("".join(regex) + ")" * depth)
