-- How much is refunded, by us or to us?
SELECT
    CAST(date_trunc('month', payment.payment_date) AS date) AS month,
    kind.payment_type_name AS payment_type,
    currency.currency_code AS currency,
    count(*) AS payments,
    sum(payment.payment_amount) AS amount
FROM current_fact_payment AS payment
INNER JOIN current_dim_payment_type AS kind ON payment.payment_type_id = kind.payment_type_id
INNER JOIN current_dim_currency AS currency ON payment.currency_id = currency.currency_id
WHERE kind.payment_type_name LIKE '%REFUND'
GROUP BY CAST(date_trunc('month', payment.payment_date) AS date), kind.payment_type_name, currency.currency_code
ORDER BY month, payment_type, currency;
