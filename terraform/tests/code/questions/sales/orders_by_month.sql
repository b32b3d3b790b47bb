-- How many orders are placed each month?
SELECT month, currency, orders FROM current_fact_sales_order
INNER JOIN current_dim_currency AS kind ON true;
