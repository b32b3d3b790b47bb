-- What are the latest batch and the latest change of each fact in the lake?
SELECT
    'fact_sales_order' AS table_name,
    count(*) AS records,
    max(_ingested_sequence) AS newest_batch,
    max(last_updated_date) AS newest_change
FROM current_fact_sales_order
UNION ALL
SELECT
    'fact_purchase_order' AS table_name,
    count(*) AS records,
    max(_ingested_sequence) AS newest_batch,
    max(last_updated_date) AS newest_change
FROM current_fact_purchase_order
UNION ALL
SELECT
    'fact_payment' AS table_name,
    count(*) AS records,
    max(_ingested_sequence) AS newest_batch,
    max(last_updated_date) AS newest_change
FROM current_fact_payment
ORDER BY table_name;
