//! From settings to ports: the only crate that names adapters.
