"""A workflow as a graph in Graphviz's words."""

from dashboards import formatting, theme
from dashboards.pipeline import PipelineNode, PipelineWorkflow
from local_aws.visible_text import visible
from ops.sandbox.workflow_run import ActionState

_COLOURS = {
    ActionState.WAITING: (theme.IDLE, "#f1f5f9"),
    ActionState.RUNNING: (theme.BUSY, "#dbeafe"),
    ActionState.SUCCEEDED: (theme.GOOD, "#dcfce7"),
    ActionState.FAILED: (theme.BAD, "#fee2e2"),
    ActionState.STOPPED: ("#a21caf", "#fae8ff"),
}


def dot(workflow: PipelineWorkflow, prefix: str, *, upright: bool) -> str:
    """Return the graph from left to right, or `upright` from top to bottom; all names begin with `prefix`."""
    lines = [
        "digraph {",
        f"rankdir={'TB' if upright else 'LR'}; bgcolor=transparent; nodesep=0.3; ranksep={0.3 if upright else 0.45};",
        'node [fontname="Source Sans, sans-serif", fontsize=13, margin="0.22,0.12"];',
        'node [shape=box, style="rounded,filled", penwidth=1.4];',
        f'edge [color="{theme.IDLE}", arrowsize=0.7, penwidth=1.2];',
        *(_node(node, prefix) for node in workflow.nodes),
        *(f"{_quoted(source)} -> {_quoted(target)};" for source, target in workflow.edges),
        "}",
    ]
    return "\n".join(lines)


def _node(node: PipelineNode, prefix: str) -> str:
    name = node.name.removeprefix(f"{prefix}-")
    line, ground = _COLOURS[node.state]
    if node.kind == "trigger":
        tooltip = _quoted(f"trigger {name}: {_fired(node)}")
        look = f'shape=circle, label="", width=0.28, margin=0, tooltip={tooltip}'
    else:
        what = f"crawl {name}" if node.kind == "crawler" else name
        look = f"label={_quoted(f'{what}\n{_told(node)}')}"
    return f'{_quoted(node.id)} [{look}, color="{line}", fillcolor="{ground}", fontcolor="{theme.INK}"];'


def _quoted(text: str) -> str:
    """Return text as a string of Graphviz's language, in which nothing stands for anything else."""
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{escaped}"'


def _fired(node: PipelineNode) -> str:
    return "waits" if node.state == ActionState.WAITING else "has fired"


def _told(node: PipelineNode) -> str:
    told = [str(node.state)]
    if node.seconds is not None:
        told.append(formatting.age(node.seconds))
    if node.rows is not None:
        told.append(f"{node.rows:,} rows")
    return " · ".join(told)
