-- The audit trail for the oracle: every write to totesys with its transaction, kept by triggers. A rolled back change
-- removes its own entry.
CREATE SCHEMA trail;
CREATE TABLE trail.entry (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tbl text NOT NULL,
    key int NOT NULL,
    deleted boolean NOT NULL,
    values jsonb NOT NULL
);
-- Tables that were altered or replaced: their visible rows change without being written.
CREATE TABLE trail.restructured (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tbl text NOT NULL
);
-- The trigger's argument is the table that the row belongs to; the table written may be its child or copy.
CREATE FUNCTION trail.keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    written jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    key_before int := before ->> (TG_ARGV[0] || '_id');
    key int := written ->> (TG_ARGV[0] || '_id');
BEGIN
    IF key_before IS NOT NULL AND key IS DISTINCT FROM key_before THEN
        INSERT INTO trail.entry (tbl, key, deleted, values) VALUES (TG_ARGV[0], key_before, true, before);
    END IF;
    IF key IS NOT NULL THEN
        INSERT INTO trail.entry (tbl, key, deleted, values) VALUES (TG_ARGV[0], key, false, written);
    END IF;
    RETURN NULL;
END $$;
-- Add an entry for every row of a table that differs from the trail. The caller must hold a lock that blocks other
-- writers of the table.
CREATE FUNCTION trail.compare(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($query$
        WITH present AS (SELECT %2$I AS key, to_jsonb(t) AS values FROM public.%1$I AS t),
        last AS (SELECT DISTINCT ON (key) key, deleted, values FROM trail.entry WHERE tbl = %1$L ORDER BY key, number DESC)
        INSERT INTO trail.entry (tbl, key, deleted, values)
        SELECT %1$L, key, present.values IS NULL, coalesce(present.values, last.values)
        FROM present FULL JOIN last USING (key)
        WHERE CASE
            WHEN present.values IS NULL THEN NOT last.deleted
            ELSE last.deleted IS NOT FALSE OR present.values <> last.values
        END
    $query$, name, name || '_id');
END $$;
CREATE FUNCTION trail.keep_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trail.compare(TG_ARGV[0]);
    RETURN NULL;
END $$;
