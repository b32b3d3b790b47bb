-- Up to which batch and which day does the lake know each table?
-- Dimensions have no day; one on which nothing changed in totesys leaves no trace.
SELECT
    'dim_staff' AS table_name,
    count(*) AS records,
    max(_ingested_sequence) AS newest_batch,
    CAST(NULL AS date) AS newest_change
FROM current_dim_staff
UNION ALL
SELECT 'dim_location', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_location
UNION ALL
SELECT 'dim_currency', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_currency
UNION ALL
SELECT 'dim_design', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_design
UNION ALL
SELECT 'dim_counterparty', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_counterparty
UNION ALL
SELECT 'dim_transaction', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_transaction
UNION ALL
SELECT 'dim_payment_type', count(*), max(_ingested_sequence), CAST(NULL AS date)
FROM current_dim_payment_type
UNION ALL
SELECT 'fact_sales_order', count(*), max(_ingested_sequence), max(last_updated_date)
FROM current_fact_sales_order
UNION ALL
SELECT 'fact_purchase_order', count(*), max(_ingested_sequence), max(last_updated_date)
FROM current_fact_purchase_order
UNION ALL
SELECT 'fact_payment', count(*), max(_ingested_sequence), max(last_updated_date)
FROM current_fact_payment
ORDER BY table_name;
