//! Every port on SQLite.
