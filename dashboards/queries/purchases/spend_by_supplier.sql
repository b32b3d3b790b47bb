-- Which suppliers do we buy the most from?
SELECT
    counterparty.counterparty_legal_name AS supplier,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(purchase.item_quantity) AS items,
    sum(purchase.item_quantity * purchase.item_unit_price) AS spend
FROM current_fact_purchase_order AS purchase
INNER JOIN current_dim_currency AS currency ON purchase.currency_id = currency.currency_id
INNER JOIN current_dim_counterparty AS counterparty ON purchase.counterparty_id = counterparty.counterparty_id
GROUP BY counterparty.counterparty_legal_name, currency.currency_code
ORDER BY spend DESC, supplier, currency;
