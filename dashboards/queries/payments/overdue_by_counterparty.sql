-- Which counterparties have overdue payments, theirs or ours, and since when?
SELECT
    counterparty.counterparty_legal_name AS counterparty,
    kind.payment_type_name AS payment_type,
    currency.currency_code AS currency,
    count(*) AS payments,
    sum(payment.payment_amount) AS amount,
    min(payment.payment_date) AS due_since
FROM current_fact_payment AS payment
INNER JOIN current_dim_payment_type AS kind ON payment.payment_type_id = kind.payment_type_id
INNER JOIN current_dim_currency AS currency ON payment.currency_id = currency.currency_id
INNER JOIN current_dim_counterparty AS counterparty ON payment.counterparty_id = counterparty.counterparty_id
WHERE NOT payment.paid AND payment.payment_date < current_date
GROUP BY counterparty.counterparty_legal_name, kind.payment_type_name, currency.currency_code
ORDER BY amount DESC, counterparty, payment_type, currency;
