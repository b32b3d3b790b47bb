"""The dashboard that Streamlit serves; TOTELAKE_STATE names the folder of the world whose warehouse it reads."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import psycopg
import streamlit as st

from dashboards import cards, figures, warehouse
from dashboards.cards import Desk
from dashboards.pages import payments, purchases, sales
from dashboards.warehouse import EmptyWarehouseError, Newest
from local_aws.errors import WorldError
from local_aws.settings import Settings
from local_aws.state import State

_STYLE = Path(__file__).parent / "style.css"
_LOOK_SECONDS = 5


def main() -> None:
    """Draw the page that the reader has chosen."""
    st.set_page_config(page_title="totelake", page_icon=":material/shopping_bag:", layout="wide")
    st.html(_STYLE)
    state = State(Path(os.environ["TOTELAKE_STATE"]))
    pages = [
        st.Page(partial(_page, module, state), title=module.TITLE, url_path=module.TITLE.lower(), icon=icon, default=place == 0)
        for place, (module, icon) in enumerate(
            ((sales, ":material/sell:"), (purchases, ":material/shopping_cart:"), (payments, ":material/payments:"))
        )
    ]
    st.navigation(pages, position="top").run()


def _page(page: ModuleType, state: State) -> None:
    try:
        url = Settings.load(state).warehouse_url
        newest = warehouse.newest(url)
        _head(page.TITLE, newest)
        _watch(url, newest)
        page.show(Desk(url, newest, page.filters(warehouse.choices(url))))
    except (WorldError, psycopg.OperationalError):
        cards.state("The warehouse cannot be reached", "No local world runs here. Make one with `make run`, or start it again with `totelake up`.")
        _watch(None, None)
    except EmptyWarehouseError:
        cards.state("The warehouse is empty", "Nothing has been loaded yet. Fill totesys with `totelake seed` and run the workflow with `totelake run`.")


def _head(title, newest):
    st.html(f'<h1>{title}</h1><p class="newest"><span class="live"></span>Data of <b>{figures.moment(newest.snapshot_taken_at)}</b>, batch {newest.sequence}</p>')


@st.fragment(run_every=_LOOK_SECONDS)
def _watch(url, newest):
    if url is None: return
    if warehouse.newest(url) != newest:
        st.rerun()


main()
