-- The expected contents of the lake and the warehouse, from the trail alone: batches are the committed snapshots.
CREATE TEMP TABLE state AS
SELECT DISTINCT ON (b.batch, e.tbl, e.key)
    b.batch, b.taken_at, e.tbl, e.key, e.number, e.xmin::text::bigint AS writer, e.deleted, e.values
FROM batches AS b JOIN trail.entry AS e ON pg_visible_in_snapshot(e.transaction, b.snapshot)
ORDER BY b.batch, e.tbl, e.key, e.number DESC;

-- A version for every batch whose snapshot has a newer write to the record than the previous one; a record inserted and
-- deleted between two snapshots is in neither. If a batch compared a table by content, because the table was altered or
-- replaced, a version for every record with other values; and later batches, too, compare by content what was written
-- before the end of that batch's snapshot.
CREATE TEMP TABLE version AS
SELECT batch, tbl, key, CASE WHEN deleted THEN values_before ELSE values END AS values,
    CASE WHEN deleted THEN taken_at END AS deleted_at
FROM (
    SELECT state.*, lag(number) OVER record AS number_before, lag(deleted) OVER record AS deleted_before,
        lag(values) OVER record AS values_before, compared.tbl IS NOT NULL AS is_compared,
        (
            SELECT max(pg_snapshot_xmax(b.snapshot)::text::bigint) FROM compared AS c JOIN batches AS b USING (batch)
            WHERE c.tbl = state.tbl AND c.batch < state.batch
        ) AS compared_until
    FROM state LEFT JOIN compared USING (batch, tbl)
    WINDOW record AS (PARTITION BY state.tbl, state.key ORDER BY state.batch)
) AS seen
WHERE CASE
    WHEN deleted THEN NOT deleted_before
    WHEN deleted_before IS NOT FALSE THEN true
    WHEN is_compared OR writer < compared_until THEN values <> values_before
    ELSE number <> number_before
END;

-- The last known version of each record at each build of the warehouse.
CREATE TEMP TABLE known AS
SELECT DISTINCT ON (m.moment, v.tbl, v.key)
    m.moment, v.tbl, v.key, v.batch, v.values, v.deleted_at IS NOT NULL AS is_deleted
FROM moments AS m JOIN version AS v ON v.batch <= m.moment
ORDER BY m.moment, v.tbl, v.key, v.batch DESC;
