//! From settings to ports: the only crate that names adapters.

mod data_dir;
mod stores;

pub use data_dir::{DataDir, DataDirError, Hold};
pub use stores::{Stores, WiringError, open, producer};
