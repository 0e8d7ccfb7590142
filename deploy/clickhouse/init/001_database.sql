-- The database. Every file here may be run again at any time; `tfx migrate up clickhouse` runs them with the names
-- of its settings in place of those written here.

CREATE DATABASE IF NOT EXISTS traffoflex;
