//! From settings to ports: the only crate that names adapters.

mod backup;
mod data_dir;
mod engines;
mod outbound;
mod sealing;
mod secret_file;
mod stores;
mod traces;
mod visitor_key;

pub use backup::{FolderBackup, folder_backup};
pub use data_dir::{DataDir, DataDirError, FolderLock, exposed};
pub use outbound::outbound;
pub use sealing::{SealingError, rotate_sealing_key};
pub use stores::{
    Pipeline, Stores, WiringError, clickhouse_backup, embedded, event_log, migrations, mongo_backup, open,
    open_without_secrets, producer,
};
pub use traces::traces;
pub use visitor_key::{KeyError, KeyFrom, VisitorKey};
