//! Comparing versions.
