-- What the lake and the warehouse have to hold, from the trail alone: batches are the snapshots that were committed.
CREATE TEMP TABLE state AS
SELECT DISTINCT ON (b.batch, e.tbl, e.key)
    b.batch, b.taken_at, e.tbl, e.key, e.number, e.xmin::text::bigint AS writer, e.gone, e.values
FROM batches AS b JOIN trail.entry AS e ON pg_visible_in_snapshot(e.transaction, b.snapshot)
ORDER BY b.batch, e.tbl, e.key, e.number DESC;

-- A version for every batch whose snapshot shows another write to the record than the one before; a record that came and
-- went between two snapshots was in neither. Where a batch had to compare a table by content, because it was not the
-- same table any more, a version for every record that shows something else; and what was written before the end of
-- that batch's snapshot is compared by content in the batches after it, too.
CREATE TEMP TABLE version AS
SELECT batch, tbl, key, CASE WHEN gone THEN values_before ELSE values END AS values,
    CASE WHEN gone THEN taken_at END AS deleted_at
FROM (
    SELECT state.*, lag(number) OVER record AS number_before, lag(gone) OVER record AS gone_before,
        lag(values) OVER record AS values_before, compared.tbl IS NOT NULL AS is_compared,
        (
            SELECT max(pg_snapshot_xmax(b.snapshot)::text::bigint) FROM compared AS c JOIN batches AS b USING (batch)
            WHERE c.tbl = state.tbl AND c.batch < state.batch
        ) AS compared_until
    FROM state LEFT JOIN compared USING (batch, tbl)
    WINDOW record AS (PARTITION BY state.tbl, state.key ORDER BY state.batch)
) AS seen
WHERE CASE
    WHEN gone THEN NOT gone_before
    WHEN gone_before IS NOT FALSE THEN true
    WHEN is_compared OR writer < compared_until THEN values <> values_before
    ELSE number <> number_before
END;

-- The records as they were last known whenever the warehouse was built.
CREATE TEMP TABLE known AS
SELECT DISTINCT ON (m.moment, v.tbl, v.key)
    m.moment, v.tbl, v.key, v.batch, v.values, v.deleted_at IS NOT NULL AS is_gone
FROM moments AS m JOIN version AS v ON v.batch <= m.moment
ORDER BY m.moment, v.tbl, v.key, v.batch DESC;
