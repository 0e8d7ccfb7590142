//! The smoke check.
