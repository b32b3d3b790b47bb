-- Inserts the orders with their transactions and payments, generated on the server. Each value is a hash of the random
-- seed and the order's position in time, so a seed always gives the same rows.

SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL client_min_messages = warning;

-- Returns a uniformly distributed number from 0 to size - 1 for a position; `salt` differs by column.
CREATE FUNCTION pg_temp.pick(place bigint, salt int, size bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(place * 64 + salt, %(random_seed)s) & 9223372036854775807) %% size $$;

-- Permutes a position within its block of eight: writers are concurrent, so rows are not stored in id order.
CREATE FUNCTION pg_temp.beside(place bigint, salt int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN place | 7 < %(orders)s THEN place # pg_temp.pick(place >> 3, salt, 8) ELSE place END $$;

CREATE TEMP TABLE placed ON COMMIT DROP AS
WITH positions AS MATERIALIZED (
    SELECT pg_temp.beside(g, 1) AS place FROM generate_series(0::bigint, %(orders)s - 1) AS g
),
-- Sales and purchases are evenly interleaved. Business hours are weekdays from 08:00 to 19:00; ids are up to two
-- positions out of chronological order.
timed AS MATERIALIZED (
    SELECT
        place,
        place * %(purchase_orders)s / %(orders)s AS purchases_before,
        (place + 1) * %(purchase_orders)s / %(orders)s > place * %(purchase_orders)s / %(orders)s AS is_purchase,
        least(%(closed_ms)s - 1, %(opened_ms)s + floor(
            greatest(0.0::float8, place - 1.5 + pg_temp.pick(place, 2, 1000001) / 250000.0::float8)
            / %(orders)s * (%(closed_ms)s - %(opened_ms)s)
        )::bigint) AS business_ms
    FROM positions
),
dated AS MATERIALIZED (
    SELECT
        place,
        is_purchase,
        (CASE WHEN is_purchase THEN purchases_before ELSE place - purchases_before END + 1)::int AS order_id,
        date '2022-10-31' + (business_ms / %(day_ms)s / 5 * 7 + business_ms / %(day_ms)s %% 5)::int AS created_on,
        interval '8 hours' + (business_ms %% %(day_ms)s) * interval '1 millisecond' AS created_time
    FROM timed
)
SELECT
    place,
    is_purchase,
    order_id,
    (created_on + created_time)::timestamp(3) AS created_at,
    1 + pg_temp.pick(place, 3, %(staff)s)::int AS staff_id,
    1 + pg_temp.pick(place, 4, %(counterparties)s)::int AS counterparty_id,
    1 + pg_temp.pick(place, 5, %(currencies)s)::int AS currency_id,
    1 + pg_temp.pick(place, 6, %(addresses)s)::int AS location_id,
    -- A design that existed at the time.
    1 + pg_temp.pick(
        place, 7, %(first_designs)s + place * (%(designs)s - %(first_designs)s) / %(orders)s
    )::int AS design_id,
    CASE WHEN is_purchase THEN 1 + pg_temp.pick(place, 8, 1000) ELSE 1000 + pg_temp.pick(place, 8, 99001) END::int AS units,
    CASE WHEN is_purchase THEN 300 + pg_temp.pick(place, 9, 99701) ELSE 200 + pg_temp.pick(place, 9, 201) END * 0.01 AS price,
    created_on + 1 + pg_temp.pick(place, 10, 7)::int AS payment_date,
    -- One in 207 sales has a delivery date far ahead, up to 649 days.
    created_on + CASE
        WHEN NOT is_purchase AND order_id %% 207 = 104 THEN 30 + pg_temp.pick(place, 11, 620)
        ELSE 1 + pg_temp.pick(place, 11, 7)
    END::int AS delivery_date
FROM dated;

INSERT INTO sales_order (
    sales_order_id, created_at, last_updated, design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id,
    agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id
)
SELECT
    order_id, created_at, created_at, design_id, staff_id, counterparty_id, units, price, currency_id,
    delivery_date::text, payment_date::text, location_id
FROM placed
WHERE NOT is_purchase;

INSERT INTO purchase_order (
    purchase_order_id, created_at, last_updated, staff_id, counterparty_id, item_code, item_quantity, item_unit_price,
    currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id
)
SELECT
    order_id, created_at, created_at, staff_id, counterparty_id,
    upper(translate(left(encode(int8send(hashint8extended(place, %(random_seed)s)), 'base64'), 7), '+/', '59')),
    units, price, currency_id, delivery_date::text, payment_date::text, location_id
FROM placed
WHERE is_purchase;

INSERT INTO transaction (
    transaction_id, transaction_type, sales_order_id, purchase_order_id, created_at, last_updated
)
SELECT
    place + 1,
    CASE WHEN is_purchase THEN 'PURCHASE' ELSE 'SALE' END,
    CASE WHEN NOT is_purchase THEN order_id END,
    CASE WHEN is_purchase THEN order_id END,
    created_at,
    created_at
FROM placed;

-- Payments are made on the morning of their due date, in batches of one statement, so with one timestamp. Those due at
-- a weekend stay unpaid.

INSERT INTO payment (
    payment_id, created_at, last_updated, transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id,
    paid, payment_date, company_ac_number, counterparty_ac_number
)
SELECT
    pg_temp.beside(place, 12) + 1,
    created_at,
    CASE WHEN paid_at <= %(now)s THEN paid_at ELSE created_at END,
    place + 1,
    counterparty_id,
    units * price,
    currency_id,
    CASE WHEN is_purchase THEN 3 ELSE 1 END,
    paid_at <= %(now)s,
    payment_date::text,
    10000000 + pg_temp.pick(place, 13, 90000000),
    10000000 + pg_temp.pick(place, 14, 90000000)
FROM placed
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN extract(isodow FROM payment_date) < 6 THEN
            payment_date + interval '7 hours 55 minutes 11 seconds' + interval '1 millisecond' * (
                (pg_temp.pick(payment_date - date '2022-10-31', 15, 1000) + pg_temp.pick(place, 16, %(batches)s) * 7919) %% 1000
            )
        ELSE timestamp 'infinity'
    END AS paid_at
    OFFSET 0
) AS morning;
