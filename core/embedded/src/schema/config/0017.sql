-- Rates of currencies. The value is a decimal text.
CREATE TABLE rates (
    from_currency TEXT NOT NULL,
    to_currency TEXT NOT NULL,
    day TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (from_currency, to_currency, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX rates_to ON rates (to_currency, from_currency, day);
