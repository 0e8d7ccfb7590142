//! From settings to ports: the only crate that names adapters.

mod data_dir;
mod engines;
mod secret_file;
mod stores;

pub use data_dir::{DataDir, DataDirError, FolderLock, exposed};
pub use stores::{Pipeline, Stores, WiringError, embedded, event_log, migrations, open, producer};
