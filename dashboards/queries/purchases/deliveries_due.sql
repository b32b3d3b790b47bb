-- Which deliveries from suppliers are due, by week and supplier?
SELECT
    CAST(date_trunc('week', purchase.agreed_delivery_date) AS date) AS week,
    counterparty.counterparty_legal_name AS supplier,
    count(*) AS orders,
    sum(purchase.item_quantity) AS items
FROM current_fact_purchase_order AS purchase
INNER JOIN current_dim_counterparty AS counterparty ON purchase.counterparty_id = counterparty.counterparty_id
WHERE purchase.agreed_delivery_date >= current_date
GROUP BY CAST(date_trunc('week', purchase.agreed_delivery_date) AS date), counterparty.counterparty_legal_name
ORDER BY week, supplier;
