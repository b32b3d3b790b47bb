-- What the lake and the warehouse have to hold, from the trail alone: batches are the snapshots that were committed.
CREATE TEMP TABLE state AS
SELECT DISTINCT ON (b.batch, e.tbl, e.key) b.batch, b.taken_at, e.tbl, e.key, e.number, e.gone, e.values
FROM batches AS b JOIN trail.entry AS e ON pg_visible_in_snapshot(e.transaction, b.snapshot)
ORDER BY b.batch, e.tbl, e.key, e.number DESC;

-- A version for every batch whose snapshot shows another write to the record than the one before; a record that came and
-- went between two snapshots was in neither.
CREATE TEMP TABLE version AS
SELECT batch, tbl, key, CASE WHEN gone THEN values_before ELSE values END AS values,
    CASE WHEN gone THEN taken_at END AS deleted_at
FROM (
    SELECT *, lag(number) OVER record AS number_before, lag(gone) OVER record AS gone_before,
        lag(values) OVER record AS values_before
    FROM state WINDOW record AS (PARTITION BY tbl, key ORDER BY batch)
) AS seen
WHERE CASE WHEN gone THEN NOT gone_before ELSE number IS DISTINCT FROM number_before END;

CREATE TEMP TABLE present AS
SELECT tbl, key, values FROM state WHERE batch = (SELECT max(batch) FROM batches) AND NOT gone;
