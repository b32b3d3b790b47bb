-- Which countries are the bags delivered to?
SELECT
    location.country,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
INNER JOIN current_dim_location AS location ON sale.agreed_delivery_location_id = location.location_id
GROUP BY location.country, currency.currency_code
ORDER BY revenue DESC, country, currency;
