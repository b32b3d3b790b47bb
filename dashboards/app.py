"""The dashboard that Streamlit serves; TOTELAKE_STATE names the folder of the world whose warehouse it reads."""

import os
from functools import partial
from pathlib import Path
from types import ModuleType

import psycopg
import streamlit as st

from dashboards import cards, formatting, warehouse
from dashboards.cards import PageContext
from dashboards.views import payments, pipeline, purchases, sales
from dashboards.warehouse import EmptyWarehouseError, LatestBatch
from local_aws.state import State
from ops.sandbox.errors import SandboxError
from ops.sandbox.settings import SandboxSettings

_HERE = Path(__file__).parent
_LOOK_SECONDS = 4
_BUSINESS = ((sales, ":material/sell:"), (purchases, ":material/shopping_cart:"), (payments, ":material/payments:"))


def main() -> None:
    """Draw the page that the reader has chosen."""
    st.set_page_config(page_title="totelake", page_icon=str(_HERE / "icon.png"), layout="wide")
    st.html(_HERE / "style.css")
    st.logo(_HERE / "logo.svg", size="medium")
    state = State(Path(os.environ["TOTELAKE_STATE"]))
    pages = [_as_page(page.TITLE, icon, partial(_business, page, state)) for page, icon in _BUSINESS]
    pages.append(_as_page(pipeline.TITLE, ":material/account_tree:", partial(_pipeline, state)))
    st.navigation(pages, position="top").run()


def _as_page(title: str, icon: str, draw: partial[None]) -> st.Page:
    return st.Page(draw, title=title, icon=icon, url_path=title.lower(), default=title == sales.TITLE)


def _business(page: ModuleType, state: State) -> None:
    """Draw a page that asks the warehouse, and draw it anew when another batch is in it."""
    _watch(state, found := _newest(state))
    if isinstance(found, LatestBatch):
        url = SandboxSettings.load(state).warehouse_url
        _head(page.TITLE, f"Data of <b>{formatting.moment(found.snapshot_taken_at)}</b>, batch {found.sequence}")
        page.show(PageContext(page.TITLE.lower(), url, found, page.filters(warehouse.choices(url))))
    elif found == _EMPTY:
        cards.state("The warehouse is empty", "Nothing has been loaded into it yet: run `totelake run`.")
    else:
        cards.state("The warehouse cannot be reached", *cards.WAY_OUT)


_EMPTY, _AWAY = "empty", "away"


def _newest(state: State) -> LatestBatch | str:
    """Return the newest batch of the warehouse, or why there is none."""
    try:
        return warehouse.newest(SandboxSettings.load(state).warehouse_url)
    except EmptyWarehouseError:
        return _EMPTY
    except (SandboxError, psycopg.OperationalError):
        return _AWAY


@st.fragment(run_every=_LOOK_SECONDS)
def _watch(state: State, shown: LatestBatch | str) -> None:
    """Draw the whole page anew as soon as the warehouse holds something else than what is `shown`."""
    if _newest(state) != shown:
        st.rerun()


def _pipeline(state: State) -> None:
    _head(pipeline.TITLE, "Live from the local AWS")
    pipeline.show(state)


def _head(title: str, told: str) -> None:
    st.html(f'<h1>{title}</h1><p class="newest"><span class="live"></span>{told}</p>')


main()
