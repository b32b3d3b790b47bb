-- Which payments are unpaid, and how long have they been due? A payment that is due today is not overdue.
WITH unpaid AS (
    SELECT
        payment.payment_type_id,
        payment.currency_id,
        payment.payment_amount,
        CASE
            WHEN payment.payment_date < current_date - INTERVAL '90' DAY THEN 1
            WHEN payment.payment_date < current_date - INTERVAL '60' DAY THEN 2
            WHEN payment.payment_date < current_date - INTERVAL '30' DAY THEN 3
            WHEN payment.payment_date < current_date THEN 4
            WHEN payment.payment_date <= current_date + INTERVAL '30' DAY THEN 5
            ELSE 6
        END AS age_number
    FROM current_fact_payment AS payment
    WHERE NOT payment.paid
)

SELECT
    unpaid.age_number,
    CASE unpaid.age_number
        WHEN 1 THEN 'overdue by more than 90 days'
        WHEN 2 THEN 'overdue by 61 to 90 days'
        WHEN 3 THEN 'overdue by 31 to 60 days'
        WHEN 4 THEN 'overdue by up to 30 days'
        WHEN 5 THEN 'due within 30 days'
        ELSE 'due later'
    END AS age,
    kind.payment_type_name AS payment_type,
    currency.currency_code AS currency,
    count(*) AS payments,
    sum(unpaid.payment_amount) AS amount
FROM unpaid
INNER JOIN current_dim_payment_type AS kind ON unpaid.payment_type_id = kind.payment_type_id
INNER JOIN current_dim_currency AS currency ON unpaid.currency_id = currency.currency_id
GROUP BY unpaid.age_number, kind.payment_type_name, currency.currency_code
ORDER BY unpaid.age_number, payment_type, currency;
