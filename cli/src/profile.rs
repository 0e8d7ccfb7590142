//! The profile file, `~/.config/tfx/config.toml`: settings by the name of a place.
//!
//! ```toml
//! [profile.default]
//! API_SERVICE_URL = "http://127.0.0.1:8080"
//!
//! [profile.prod]
//! API_SERVICE_URL = "https://api.example"
//! TFX_TOKEN_FILE = "/home/me/.config/tfx/prod.token"
//! ```
//!
//! `--profile NAME` chooses one, else the one that `tfx profile use` chose, else it is `default`.

use crate::exit::Failure;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tfx_settings::{SettingsSource, vars};

/// The profile that is meant when none is chosen.
pub(crate) const DEFAULT: &str = "default";

/// Settings by name.
pub(crate) type Values = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: BTreeMap<String, Values>,
}

/// The settings of a profile. Without a file there are none; a profile asked for by name must be there.
///
/// # Errors
/// A file that cannot be read, a profile that is not in it, a setting that does not exist.
pub(crate) fn read(source: &SettingsSource, name: Option<&str>) -> Result<Values, Failure> {
    let Some(path) = folder(source).map(|f| f.join("config.toml")) else { return Ok(Values::new()) };
    let bad = |what: String| {
        let message = format!("the profile file {} {what}", path.display());
        Failure::usage(message)
            .hint("it has settings, as in .env, under [profile.NAME]: API_SERVICE_URL = \"…\"")
    };
    match fs::read_to_string(&path) {
        Ok(text) => choose(&text, name).map_err(bad),
        Err(e) if e.kind() == io::ErrorKind::NotFound && name.is_none() => Ok(Values::new()),
        Err(e) => Err(bad(format!("cannot be read: {e}"))),
    }
}

/// Where what tfx keeps for a person is: `$XDG_CONFIG_HOME/tfx`, else `~/.config/tfx`.
pub(crate) fn folder(source: &SettingsSource) -> Option<PathBuf> {
    let home = source.get("XDG_CONFIG_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home =
        home.or_else(|| source.get("HOME").filter(|v| !v.is_empty()).map(|h| Path::new(h).join(".config")));
    home.map(|h| h.join("tfx"))
}

/// Which profile was chosen for good; none: `default`.
pub(crate) fn chosen(source: &SettingsSource) -> Option<String> {
    let text = fs::read_to_string(folder(source)?.join("profile")).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Chooses a profile for good.
///
/// # Errors
/// It cannot be written down.
pub(crate) fn choose_always(source: &SettingsSource, name: &str) -> Result<(), Failure> {
    let folder = folder(source)
        .ok_or_else(|| Failure::usage("neither XDG_CONFIG_HOME nor HOME says where a choice may be kept"))?;
    let path = folder.join("profile");
    let kept = fs::create_dir_all(&folder)
        .and_then(|()| tfx_ops::files::replace(&path, format!("{name}\n").as_bytes()));
    kept.map_err(|e| Failure::failed(format!("the choice cannot be kept in {}: {e}", path.display())))
}

/// Every profile of the file.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn all(source: &SettingsSource) -> Result<BTreeMap<String, Values>, Failure> {
    let Some(path) = folder(source).map(|f| f.join("config.toml")) else { return Ok(BTreeMap::new()) };
    let bad = |what: String| Failure::usage(format!("the profile file {} {what}", path.display()));
    match fs::read_to_string(&path) {
        Ok(text) => {
            let file: File =
                toml::from_str(&text).map_err(|e| bad(format!("is wrong: {}", e.to_string().trim_end())))?;
            Ok(file.profile)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(bad(format!("cannot be read: {e}"))),
    }
}

fn choose(text: &str, name: Option<&str>) -> Result<Values, String> {
    let mut file: File =
        toml::from_str(text).map_err(|e| format!("is wrong: {}", e.to_string().trim_end()))?;
    let asked = name.unwrap_or("default");
    let Some(values) = file.profile.remove(asked) else {
        let known: Vec<String> = file.profile.into_keys().collect();
        return match name {
            None => Ok(Values::new()),
            Some(_) if known.is_empty() => Err("has no profiles".to_owned()),
            Some(_) => Err(format!("has no profile '{asked}'; it has {}", known.join(", "))),
        };
    };
    let known = |name: &str| vars::GROUPS.iter().any(|(_, vars)| vars.iter().any(|v| v.name == name));
    match values.keys().find(|name| !known(name)) {
        Some(name) => Err(format!("sets '{name}' in the profile '{asked}', which is no setting")),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_chosen_by_name_and_holds_settings_only() {
        let text = "[profile.default]\nLOG_LEVEL = \"info\"\n[profile.prod]\nLOG_LEVEL = \"warn\"\n";
        let level = |name| choose(text, name).map(|v| v["LOG_LEVEL"].clone());
        assert_eq!(level(None), Ok("info".to_owned()));
        assert_eq!(level(Some("prod")), Ok("warn".to_owned()));
        assert_eq!(choose("", None), Ok(Values::new()));
        let wrong = |text, name| choose(text, name).expect_err("wrong");
        assert_eq!(wrong(text, Some("stage")), "has no profile 'stage'; it has default, prod");
        assert_eq!(wrong("", Some("stage")), "has no profiles");
        let unknown = wrong("[profile.default]\nAPI_URL = \"x\"\n", None);
        assert_eq!(unknown, "sets 'API_URL' in the profile 'default', which is no setting");
        assert!(wrong("[profile", None).starts_with("is wrong: TOML parse error"));
    }
}
