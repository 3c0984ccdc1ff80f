-- The holidays of the account as dates.
SELECT list(CAST(day AS DATE)) FROM holiday
