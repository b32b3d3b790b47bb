"""A workflow as a Graphviz graph."""

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


def dot(workflow: PipelineWorkflow, prefix: str, *, vertical: bool) -> str:
    """Return the graph in DOT, from left to right or from top to bottom; all names begin with `prefix`."""
    lines = [
        "digraph {",
        f"rankdir={'TB' if vertical else 'LR'}; bgcolor=transparent; nodesep=0.3; ranksep={0.3 if vertical else 0.45};",
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
    line, fill = _COLOURS[node.state]
    if node.kind == "trigger":
        tooltip = _quoted(f"trigger {name}: {_trigger_state(node)}")
        attributes = f'shape=circle, label="", width=0.28, margin=0, tooltip={tooltip}'
    else:
        label = f"crawl {name}" if node.kind == "crawler" else name
        attributes = f"label={_quoted(f'{label}\n{_details(node)}')}"
    return f'{_quoted(node.id)} [{attributes}, color="{line}", fillcolor="{fill}", fontcolor="{theme.INK}"];'


def _quoted(text: str) -> str:
    """Return text as a quoted string in DOT, with all special characters escaped."""
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{escaped}"'


def _trigger_state(node: PipelineNode) -> str:
    return "waiting" if node.state == ActionState.WAITING else "fired"


def _details(node: PipelineNode) -> str:
    details = [str(node.state)]
    if node.seconds is not None:
        details.append(formatting.age(node.seconds))
    if node.rows is not None:
        details.append(f"{node.rows:,} rows")
    return " · ".join(details)
