//! What backups and restores have in common: the stores, and the words for what goes wrong.

use crate::{
    context::Context,
    exit::{Failure, Kind},
};
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ops::backup::{Backup, BackupError, TableBackup};
use tfx_settings::ClientSettings;
use tfx_wiring::WiringError;
use tokio::signal::unix::{SignalKind, signal};

/// MongoDB and the name of its database.
///
/// # Errors
/// It is not used here, or cannot be worked with.
pub(crate) async fn open(context: &Context) -> Result<(Arc<dyn Backup>, String), Failure> {
    let settings = context.settings()?;
    let opened = tfx_wiring::mongo_backup(&settings).await.map_err(|e| match e {
        WiringError::Engine(e) if e.is_retryable() => Failure::new(Kind::Unreachable, e),
        e => Failure::failed(e),
    })?;
    match (opened, &settings.engines.mongo) {
        (Some(backup), Some(mongo)) => Ok((backup, mongo.database.clone())),
        _ => Err(Failure::usage("MongoDB is not used here: MONGO_URI is not set")
            .hint("'tfx config show --set' shows what is; the embedded stores are files in the data folder")),
    }
}

/// What is in every database that a service has written into.
const OURS: [&str; 2] = ["migrations", "revision"];

/// Whether the database has something of the product in it.
///
/// # Errors
/// It does not say.
pub(crate) async fn has_ours(store: &Arc<dyn Backup>, database: &str) -> Result<bool, Failure> {
    let places = OURS.map(|collection| format!("{database}.{collection}"));
    let standing = store.standing(&places).await.map_err(|e| failure(&e.into()))?;
    Ok(!standing.there.is_empty())
}

/// What is said of one that has not.
pub(crate) fn nothing_of_ours(database: &str) -> Failure {
    Failure::failed(format!("the database {database} has nothing of tfx in it: is MONGO_DATABASE right?"))
}

/// What ClickHouse's parts of sets are called.
pub(crate) const CLICKHOUSE: &str = "clickhouse";

/// ClickHouse.
///
/// # Errors
/// It is not used here, or a setting of it cannot be used.
pub(crate) fn tables(context: &Context) -> Result<Arc<dyn TableBackup>, Failure> {
    let opened = tfx_wiring::clickhouse_backup(&context.settings()?).map_err(Failure::failed)?;
    opened.ok_or_else(|| {
        Failure::usage("ClickHouse is not used here: EVENT_BROKERS and CLICKHOUSE_HTTP_URL are not set")
            .hint("'tfx config show --set' shows what is; the embedded stores are files in the data folder")
    })
}

/// The stores of the data folder; what is copied lies in `scratch` meanwhile.
///
/// # Errors
/// Nothing is kept there.
pub(crate) fn embedded(context: &Context, scratch: &Path) -> Result<Arc<dyn Backup>, Failure> {
    let settings = context.settings()?;
    if settings.engines.mongo.is_some() && settings.engines.events.is_some() {
        return Err(Failure::usage(
            "the embedded stores are not used here: MONGO_URI and EVENT_BROKERS are set",
        )
        .hint("tfx backup mongo backs up MongoDB"));
    }
    Ok(tfx_wiring::folder_backup(&settings.data_dir, scratch))
}

/// The data folder, whatever else is set.
///
/// # Errors
/// Nothing says where it is.
pub(crate) fn data_folder(context: &Context) -> Result<PathBuf, Failure> {
    let settings = ClientSettings::read(&context.source);
    Ok(settings.map_err(|p| Failure::usage("some settings are not valid").with(p))?.data_dir)
}

/// What went wrong with a store or an archive.
pub(crate) fn failure(error: &BackupError) -> Failure {
    let said = error.to_string();
    match error {
        BackupError::Store(e) if e.is_retryable() => Failure::new(Kind::Unreachable, said),
        BackupError::HalfRestored { .. } | BackupError::InUse { .. } => Failure::new(Kind::Conflict, said),
        BackupError::Damaged { .. } => Failure::failed(format!("the archive is damaged or none, {said}")),
        BackupError::Read(e) | BackupError::Write(e) => of_io(e, said),
        _ => Failure::failed(said),
    }
}

/// What went wrong with a file, a folder or a bucket.
pub(crate) fn of_io(error: &io::Error, said: String) -> Failure {
    match error.kind() {
        ErrorKind::HostUnreachable | ErrorKind::TimedOut => Failure::new(Kind::Unreachable, said),
        ErrorKind::AlreadyExists => Failure::new(Kind::Conflict, said),
        _ => Failure::failed(said),
    }
}

/// Ends with Ctrl-C, or when the process is asked to end.
pub(crate) async fn stopped() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}
