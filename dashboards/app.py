"""The Streamlit app of the dashboard; TOTELAKE_STATE is the state folder of the local environment that it shows."""

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
_POLL_SECONDS = 4
_BUSINESS = ((sales, ":material/sell:"), (purchases, ":material/shopping_cart:"), (payments, ":material/payments:"))


def main() -> None:
    """Draw the selected page."""
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
    """Draw a page with data of the warehouse, and redraw it after each load."""
    _redraw_after_load(state, latest := _latest_batch(state))
    if isinstance(latest, LatestBatch):
        url = SandboxSettings.load(state).warehouse_reader_url
        _head(page.TITLE, f"Data of <b>{formatting.moment(latest.snapshot_taken_at)}</b>, batch {latest.sequence}")
        page.show(PageContext(page.TITLE.lower(), url, latest, page.filters(warehouse.choices(url))))
    elif latest == _EMPTY:
        cards.empty_page("The warehouse is empty", "Nothing has been loaded yet: run `totelake run`.")
    else:
        cards.empty_page("The warehouse cannot be reached", *cards.HOW_TO_START)


_EMPTY, _UNREACHABLE = "empty", "unreachable"


def _latest_batch(state: State) -> LatestBatch | str:
    """Return the latest batch in the warehouse, or the reason why there is none."""
    try:
        return warehouse.latest_batch(SandboxSettings.load(state).warehouse_reader_url)
    except EmptyWarehouseError:
        return _EMPTY
    except (SandboxError, psycopg.OperationalError):
        return _UNREACHABLE


@st.fragment(run_every=_POLL_SECONDS)
def _redraw_after_load(state: State, shown: LatestBatch | str) -> None:
    """Redraw the whole page when the latest batch is not the `shown` one any more."""
    if _latest_batch(state) != shown:
        st.rerun()


def _pipeline(state: State) -> None:
    _head(pipeline.TITLE, "Live from the local AWS")
    pipeline.show(state)


def _head(title: str, subtitle: str) -> None:
    st.html(f'<h1>{title}</h1><p class="newest"><span class="live"></span>{subtitle}</p>')


main()
