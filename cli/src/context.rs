//! What every command works with: settings, output, and the client of api-service.
//!
//! Settings come from flags over the environment over `.env` over the profile file (see [`crate::profile`]).

use crate::{
    credentials,
    exit::{Failure, Kind},
    output::Out,
    profile,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tfx_api::Client;
use tfx_domain::problem::Problems;
use tfx_settings::{BucketSettings, ClientSettings, Notice, Settings, SettingsSource};

/// What every command works with.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The settings as they were found.
    pub(crate) source: SettingsSource,
    /// Settings that neither the environment nor `.env` gave, and who did.
    origins: BTreeMap<String, &'static str>,
    /// Which profile is meant.
    profile: String,
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
        let mut source = SettingsSource::process().map_err(|e| Failure::usage(format!("cannot read {e}")))?;
        let mut origins = BTreeMap::new();
        let chosen = overrides.profile.clone().or_else(|| profile::chosen(&source));
        let chosen = chosen.filter(|name| name != profile::DEFAULT);
        for (name, value) in profile::read(&source, chosen.as_deref())? {
            if source.get(&name).is_none_or(str::is_empty) {
                source.set(&name, value);
                origins.insert(name, "profile");
            }
        }
        let dir = overrides.data_dir.as_ref().map(|dir| dir.display().to_string());
        for (name, flag) in [("API_SERVICE_URL", &overrides.api_url), ("TFX_DATA_DIR", &dir)] {
            if let Some(value) = flag {
                source.set(name, value);
                origins.insert(name.to_owned(), "flag");
            }
        }
        let profile = chosen.unwrap_or_else(|| profile::DEFAULT.to_owned());
        Ok(Self { source, origins, profile, out, yes })
    }

    /// Where a setting came from: `flag`, `environment`, `.env`, `profile` or `default`.
    pub(crate) fn origin(&self, name: &str) -> &'static str {
        if let Some(origin) = self.origins.get(name) {
            return origin;
        }
        match self.source.get(name).filter(|v| !v.trim().is_empty()) {
            None => "default",
            Some(_) if std::env::var_os(name).is_some() => "environment",
            Some(_) => ".env",
        }
    }

    /// The same, without notes: they would stand in the midst of a screen.
    pub(crate) fn silent(&self) -> Self {
        Self { out: Out { quiet: true, ..self.out }, ..self.clone() }
    }

    /// All settings.
    ///
    /// # Errors
    /// Every bad one, by name.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::read(&self.source).map_err(|problems| self.bad(problems))
    }

    /// Settings of buckets.
    ///
    /// # Errors
    /// Every bad or missing one, by name.
    pub(crate) fn bucket(&self) -> Result<BucketSettings, Failure> {
        BucketSettings::read(&self.source).map_err(|problems| self.bad(problems))
    }

    /// Settings that cannot be used, with where each comes from.
    fn bad(&self, mut problems: Problems) -> Failure {
        for problem in &mut problems.0 {
            problem.message.push_str(match self.origin(&problem.path) {
                "environment" => " (from the environment)",
                ".env" => " (from .env)",
                "profile" => " (from the profile)",
                _ => "",
            });
        }
        Failure::usage("some settings are not valid")
            .with(problems)
            .hint("tfx config show tells what each setting is and where it comes from")
    }

    /// Tells what is set and does nothing.
    pub(crate) fn tell_notices(&self) -> Vec<Notice> {
        let notices = tfx_settings::notices(&self.source);
        for Notice { name, message } in &notices {
            self.out.note(format!("warning: {name} {message}"));
        }
        notices
    }

    /// A client of api-service, with the token of `TFX_TOKEN`, `TFX_TOKEN_FILE`, the login of the profile or the data folder.
    ///
    /// # Errors
    /// Bad settings, no token.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let settings = ClientSettings::read(&self.source).map_err(|problems| self.bad(problems))?;
        let token = match &settings.token {
            Some(token) => Some(token.expose().trim().to_owned()),
            None => {
                let (path, named) = token_file(&settings);
                let kept = if named {
                    None
                } else {
                    credentials::read(&self.source, &self.profile, &settings.api_url)?
                };
                kept.map_or_else(|| read_token(&path, named), |token| Ok(Some(token)))?
            }
        };
        if token.as_deref().is_some_and(|t| !t.bytes().all(|b| b.is_ascii_graphic())) {
            let message = "the token is not one: it has spaces, line breaks or characters beyond ASCII";
            return Err(Failure::new(Kind::Denied, message).hint(self.token_hint()));
        }
        let out = self.out;
        let client = Client::new(&settings.api_url, token.as_deref())?;
        Ok(client.patient(move |text| out.note(text), tfx_ops::entropy::secret))
    }

    /// Which profile is meant.
    pub(crate) fn profile(&self) -> &str {
        &self.profile
    }

    /// Where api-service is.
    ///
    /// # Errors
    /// Bad settings.
    pub(crate) fn api_url(&self) -> Result<String, Failure> {
        let settings = ClientSettings::read(&self.source).map_err(|problems| self.bad(problems))?;
        Ok(settings.api_url)
    }

    /// The refusal of api-service in this command's words.
    pub(crate) fn not_logged_in(&self, failure: Failure) -> Failure {
        let url = self.source.get("API_SERVICE_URL").filter(|v| !v.is_empty());
        let at = url.map_or_else(String::new, |url| format!(" at {url}"));
        let message = format!("not logged in: api-service{at} answers only who shows its token");
        Failure { message, ..failure }.hint(self.token_hint())
    }

    /// Where the token was looked for, for who is refused.
    fn token_hint(&self) -> String {
        let Ok(settings) = ClientSettings::read(&self.source) else {
            return "set TFX_TOKEN or TFX_TOKEN_FILE".to_owned();
        };
        if settings.token.is_some() {
            return format!(
                "the token came from TFX_TOKEN ({}); is it of this api-service?",
                self.origin("TFX_TOKEN")
            );
        }
        let (path, named) = token_file(&settings);
        let path = path.display();
        let login = credentials::read(&self.source, &self.profile, &settings.api_url);
        if !named && login.is_ok_and(|kept| kept.is_some()) {
            format!("the login of the profile {} is over or was ended: tfx login", self.profile)
        } else if named {
            format!("the token came from the file {path} (TFX_TOKEN_FILE); is it of this api-service?")
        } else if std::fs::exists(token_file(&settings).0).unwrap_or(false) {
            format!(
                "the token came from {path}; --data-dir, TFX_TOKEN or TFX_TOKEN_FILE say where another is"
            )
        } else {
            format!(
                "'tfx login ADDRESS' logs in where there are logins; no token was found: TFX_TOKEN and TFX_TOKEN_FILE are not set and {path} is not there; \
                     --data-dir says where 'tfx up' keeps its data"
            )
        }
    }
}

/// Where the token is kept, and whether that was said by the user.
fn token_file(settings: &ClientSettings) -> (PathBuf, bool) {
    match &settings.token_file {
        Some(path) => (path.clone(), true),
        None => (settings.data_dir.join("admin.token"), false),
    }
}

/// A token file that was named must be there; the default one need not.
fn read_token(path: &Path, named: bool) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {
            Err(Failure::new(Kind::Denied, format!("the token file {} is empty", path.display()))
                .hint("set TFX_TOKEN, or TFX_TOKEN_FILE to a file that holds a token"))
        }
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(e) => {
            Err(Failure::new(Kind::Denied, format!("the token file {} cannot be read: {e}", path.display()))
                .hint("set TFX_TOKEN, or TFX_TOKEN_FILE to a file that holds a token"))
        }
    }
}
