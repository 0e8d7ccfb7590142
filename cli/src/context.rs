//! What every command works with: settings, output, and the client of api-service.
//!
//! Settings come from flags over the environment over `.env` over the profile file
//! (`~/.config/tfx/config.toml`, `[profile.NAME]`, chosen by `--profile`, else `default`).

use crate::{
    exit::{Failure, Kind},
    output::Out,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tfx_api::Client;
use tfx_settings::{Settings, Source};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where settings came from, for `tfx config show`.
    pub(crate) source: Source,
    /// How results are printed.
    pub(crate) out: Out,
    /// `--yes`: destructive commands do not ask.
    pub(crate) yes: bool,
}

/// Flags that stand for settings.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) profile: Option<String>,
    pub(crate) api_url: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
}

impl Context {
    /// Gathers settings; checks nothing yet.
    ///
    /// # Errors
    /// A `.env` or profile file that cannot be read, an unknown profile.
    pub(crate) fn new(overrides: &Overrides, out: Out, yes: bool) -> Result<Self, Failure> {
        let mut source = Source::process().map_err(|e| Failure::usage(format!("cannot read {e}")))?;
        for (name, value) in profile(&source, overrides.profile.as_deref())? {
            if source.get(&name).is_none_or(str::is_empty) {
                source.set(&name, value);
            }
        }
        if let Some(url) = &overrides.api_url {
            source.set("API_SERVICE_URL", url);
        }
        if let Some(dir) = &overrides.data_dir {
            source.set("TFX_DATA_DIR", dir.display().to_string());
        }
        Ok(Self { source, out, yes })
    }

    /// All settings.
    ///
    /// # Errors
    /// Every bad one, by name.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::read(&self.source).map_err(|problems| {
            Failure::usage("some settings are not valid").with(problems).hint("see 'tfx config show'")
        })
    }

    /// A client of api-service, with the token of `TFX_TOKEN`, `TFX_TOKEN_FILE` or the data folder.
    ///
    /// # Errors
    /// Bad settings, no token.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let settings = self.settings()?;
        let token = match &settings.access.token {
            Some(token) => Some(token.expose().to_owned()),
            None => {
                let default = settings.data_dir.join("admin.token");
                let path = settings.access.token_file.as_deref().unwrap_or(&default);
                read_token(path, settings.access.token_file.is_some())?
            }
        };
        Ok(Client::new(&settings.addresses.api_url, token.as_deref())?)
    }
}

/// A token file that was named must be there; the default one need not.
fn read_token(path: &Path, named: bool) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(e) => Err(Failure::new(Kind::Denied, format!("the token file {} cannot be read: {e}", path.display()))
            .hint("set TFX_TOKEN, or TFX_TOKEN_FILE to a file that holds a token")),
    }
}

/// The settings of a profile. Without a file there are none; a profile asked for by name must be there.
fn profile(source: &Source, name: Option<&str>) -> Result<BTreeMap<String, String>, Failure> {
    let home = source.get("XDG_CONFIG_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| source.get("HOME").map(|h| Path::new(h).join(".config")));
    let Some(path) = home.map(|h| h.join("tfx/config.toml")) else { return Ok(BTreeMap::new()) };
    let bad = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound && name.is_none() => return Ok(BTreeMap::new()),
        Err(e) => return Err(bad(format!("cannot be read: {e}"))),
    };
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        profile: BTreeMap<String, BTreeMap<String, String>>,
    }
    let mut file: File = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
    match file.profile.remove(name.unwrap_or("default")) {
        Some(values) => Ok(values),
        None if name.is_none() => Ok(BTreeMap::new()),
        None => {
            let known: Vec<String> = file.profile.into_keys().collect();
            Err(bad(format!("there is no profile '{}'; known are {}", name.unwrap_or_default(), known.join(", "))))
        }
    }
}
