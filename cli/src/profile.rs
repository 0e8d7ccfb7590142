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
//! `--profile NAME` chooses one, else it is `default`.

use crate::exit::Failure;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tfx_settings::{SettingsSource, vars};

/// Settings by name.
type Values = BTreeMap<String, String>;

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
    let home = source.get("XDG_CONFIG_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| source.get("HOME").map(|h| Path::new(h).join(".config")));
    let Some(path) = home.map(|h| h.join("tfx/config.toml")) else { return Ok(Values::new()) };
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
