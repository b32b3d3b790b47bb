-- How many orders a day?
-- By the day on which they were placed.
SELECT 1
