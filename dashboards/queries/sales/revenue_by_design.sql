-- Which designs sell best?
SELECT
    design.design_name AS design,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
INNER JOIN current_dim_design AS design ON sale.design_id = design.design_id
GROUP BY design.design_name, currency.currency_code
ORDER BY revenue DESC, design, currency;
