//! With what the secrets of the configuration are sealed.

use crate::{Secret, source::Reader, vars};
use std::path::PathBuf;

/// Fewest characters of a key.
const SHORTEST: usize = 32;

/// The keys that seal secrets in the configuration store.
#[derive(Debug, Clone, Default)]
pub struct SealingSettings {
    /// `SECRETS_KEY`: the first seals, all open.
    pub keys: Vec<Secret>,
    /// `SECRETS_KEY_FILE`; none: the data folder's.
    pub file: Option<PathBuf>,
    /// `SECRETS_KEY_LOST`.
    pub lost: Option<String>,
}

impl SealingSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let keys = r.text(&vars::SECRETS_KEY).unwrap_or_default();
        let keys: Vec<Secret> = keys
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .map(|key| Secret::from(key.to_owned()))
            .collect();
        let whole = |key: &Secret| {
            key.expose().len() >= SHORTEST && key.expose().bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !keys.iter().all(whole) {
            r.problem(
                &vars::SECRETS_KEY,
                "is '***'; allowed are keys of 32 or more visible characters, with commas between them",
            );
        }
        let file = r.text(&vars::SECRETS_KEY_FILE).map(PathBuf::from);
        if file.is_some() && !keys.is_empty() {
            r.problem(&vars::SECRETS_KEY_FILE, "goes without SECRETS_KEY: keys come from one of them");
        }
        Self { keys, file, lost: r.text(&vars::SECRETS_KEY_LOST) }
    }
}
