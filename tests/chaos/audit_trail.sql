-- Every write to totesys, with the transaction that did it, kept by triggers: what the oracle goes by. An entry of a
-- change that is rolled back goes with it.
CREATE SCHEMA trail;
CREATE TABLE trail.entry (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tbl text NOT NULL,
    key int NOT NULL,
    gone boolean NOT NULL,
    values jsonb NOT NULL
);
CREATE FUNCTION trail.keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
    INSERT INTO trail.entry (tbl, key, gone, values)
    VALUES (TG_TABLE_NAME, (written ->> (TG_TABLE_NAME || '_id'))::int, TG_OP = 'DELETE', written);
    RETURN NULL;
END $$;
