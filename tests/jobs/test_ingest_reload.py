"""Reloads: the whole source is read, and only differences from the lake are ingested."""

from dataclasses import replace

import psycopg
from psycopg import conninfo

from tests.lakes import job_run
from totelake import ingest
from totelake.ingest import source
from totesys import roles, schema


def test_restored_source_is_read_in_full_and_only_differences_are_ingested(lake, totesys, reader, monkeypatch, capsys):
    """A new timeline reuses transaction ids, so those of the old one are not compared."""
    lake.ingest(reader)
    snapshot = source.SourceReader.__init__

    def restored(self, *arguments):
        snapshot(self, *arguments)
        self.snapshot = replace(self.snapshot, timeline=2)

    monkeypatch.setattr(source.SourceReader, "__init__", restored)
    with psycopg.connect(totesys) as late, psycopg.connect(totesys) as early:
        late.execute("UPDATE department SET location = 'late' WHERE department_id = 1")
        early.execute("UPDATE department SET location = 'early' WHERE department_id = 2")
        early.execute("UPDATE design SET design_name = design_name")
        early.commit()
        reload = lake.ingest(reader)
        late.commit()
    batch = lake.ingest(reader)

    reason = "totesys was restored, or its standby promoted, since the last batch"
    assert (reload.full, reload.reload, set(reload.tables)) == (True, reason, {"department"})
    assert reason in capsys.readouterr().out
    assert [row.location for row in lake.rows(reload, "department").collect()] == ["early"]
    assert (batch.full, set(batch.tables)) == (False, {"department"})
    assert [row.location for row in lake.rows(batch, "department").collect()] == ["late"]
    assert lake.ingest(reader) is None


def test_another_database_is_compared_with_the_lake(lake, totesys, reader, make_database):
    """From a copy, changed, new and missing rows are ingested."""
    lake.ingest(reader)
    copy = make_database(conninfo.conninfo_to_dict(totesys)["dbname"], roles.OWNER)
    with psycopg.connect(copy) as connection:
        schema.grant(connection, roles.READER)
        connection.execute("UPDATE sales_order SET units_sold = 4711 WHERE sales_order_id = 5")
        connection.execute("INSERT INTO currency (currency_id, currency_code) VALUES (4, 'CHF')")
        connection.execute("DELETE FROM payment WHERE payment_id = 7")

    batch = lake.ingest(replace(reader, database=conninfo.conninfo_to_dict(copy)["dbname"]))

    assert batch.reload == "totesys is another cluster or database than at the last batch"
    counts = {table: (part.rows, part.deletes) for table, part in batch.tables.items()}
    assert counts == {"sales_order": (1, 0), "currency": (1, 0), "payment": (1, 1)}


def test_reload_without_differences_commits_a_new_baseline(lake, reader):
    """The next batch starts from its transaction ids."""
    lake.ingest(reader)

    batch = ingest.run(job_run(reload="true"), reader, lake.ingested)

    assert (batch.tables, batch.reload) == ({}, "the job argument reload was given")
    assert lake.ingest(reader) is None
