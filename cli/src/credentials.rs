//! What `tfx login` keeps: a token for each profile, in a file of its own (0600), with the address of the api-service it is
//! of. It is shown to that one alone.

use crate::exit::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tfx_ops::files;
use tfx_settings::SettingsSource;

/// A kept token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// `API_SERVICE_URL` as it was when it was kept.
    pub(crate) api: String,
    pub(crate) token: String,
}

/// Where that of a profile is.
pub(crate) fn path(source: &SettingsSource, profile: &str) -> Option<PathBuf> {
    // A name is a file's name: nothing in it leads elsewhere.
    let safe: String = profile
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .collect();
    Some(crate::profile::folder(source)?.join("credentials").join(format!("{safe}.json")))
}

/// The token of a profile, if it is of this api-service.
///
/// # Errors
/// A file that is there and cannot be read.
pub(crate) fn read(source: &SettingsSource, profile: &str, api: &str) -> Result<Option<String>, Failure> {
    Ok(kept(source, profile)?.filter(|kept| kept.api == api).map(|kept| kept.token))
}

/// The login of a profile, of whichever api-service it is.
///
/// # Errors
/// A file that is there and cannot be read.
pub(crate) fn kept(source: &SettingsSource, profile: &str) -> Result<Option<Credentials>, Failure> {
    let Some(path) = path(source, profile) else { return Ok(None) };
    let bad = |what: String| {
        Failure::new(Kind::Denied, format!("the file {} {what}", path.display()))
            .hint("tfx logout removes it, tfx login writes it anew")
    };
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| bad("holds no login".to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(bad(format!("cannot be read: {e}"))),
    }
}

/// Keeps a token.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(source: &SettingsSource, profile: &str, kept: &Credentials) -> Result<PathBuf, Failure> {
    let path = path(source, profile)
        .ok_or_else(|| Failure::usage("neither XDG_CONFIG_HOME nor HOME says where a login may be kept"))?;
    let text = serde_json::to_string(kept).map_err(Failure::failed)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
    made.and_then(|()| files::replace(&path, text.as_bytes()))
        .map_err(|e| Failure::failed(format!("the login cannot be kept in {}: {e}", path.display())))?;
    Ok(path)
}

/// Forgets that of a profile; whether there was one.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn remove(source: &SettingsSource, profile: &str) -> Result<bool, Failure> {
    let Some(path) = path(source, profile) else { return Ok(false) };
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Failure::failed(format!("{} cannot be removed: {e}", path.display()))),
    }
}
