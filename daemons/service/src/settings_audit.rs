//! The audit log tells of settings too: each service compares, at its start, what it is set to with what stood at its last
//! start, which the store keeps, and adds a line that says what is another. Values are as people may see them; of a secret,
//! and of a value that is shown in part, there is a keyed hash, and the line says at least that it is another.
//!
//! Several instances of a service share what is kept: where two are set otherwise, each start says so.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::{AuditEntry, Caller},
    clock, entropy,
    keys::{Keys, SETTINGS},
};
use tfx_settings::{Settings, shown, vars::Program};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// What stands before the hash of a secret.
const HASHED: &str = "hmac-sha256:";

/// Settings by their names, secrets hashed.
type SettingValues = BTreeMap<String, String>;

/// Goes on until it is dropped.
#[derive(Debug)]
pub struct SettingsAudit(JoinHandle<()>);

impl Drop for SettingsAudit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells of a service's settings, behind its start: a store that is away holds up nothing, and is asked again.
pub fn tell_settings(
    service: &'static str,
    program: Program,
    settings: Arc<Settings>,
    accounts: Arc<dyn Accounts>,
    keys: Arc<dyn Keys>,
) -> SettingsAudit {
    let telling = async move {
        while let Err(e) = tell(service, program, &settings, accounts.as_ref(), keys.as_ref()).await {
            tracing::warn!(error = %e, "the settings were not compared with those of the last start; it is tried again");
            tokio::time::sleep(AGAIN).await;
        }
    };
    SettingsAudit(tokio::spawn(telling.in_current_span()))
}

async fn tell(
    service: &str,
    program: Program,
    settings: &Settings,
    accounts: &dyn Accounts,
    keys: &dyn Keys,
) -> Result<(), StoreError> {
    let key = keys.agree(SETTINGS, &entropy::secret()).await?;
    let mut now = SettingValues::new();
    for (var, value) in settings.said_to(program) {
        let value = value.expose();
        let told = match shown(value) {
            _ if var.secret => hashed(&key, var.name, value)?,
            Cow::Borrowed(whole) => whole.to_owned(),
            // What is not shown of it may be what is another.
            Cow::Owned(part) => format!("{} {part}", hashed(&key, var.name, value)?),
        };
        now.insert(var.name.to_owned(), told);
    }
    loop {
        let kept = accounts.get(AccountKind::Settings, service).await?;
        let before: Option<SettingValues> = kept.as_ref().map(Account::read).transpose()?;
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        let account = match &kept {
            Some(kept) => kept.changed(&now)?,
            None => Account::new(AccountKind::Settings, service, service, &now)?,
        };
        // Of the first start there is nothing to tell.
        let line = before.map(|before| line(service, changes(&before, &now)));
        match accounts.save(vec![account], line).await {
            // Another instance starts too.
            Err(StoreError::VersionMismatch { .. }) => {}
            done => return done,
        }
    }
}

fn hashed(key: &str, name: &str, secret: &str) -> Result<String, StoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_err(|e| StoreError::broken("use the key of settings", e))?;
    for part in [name, "\0", secret] {
        mac.update(part.as_bytes());
    }
    let mut text = HASHED.to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// `{NAME: [before, after]}`; null is not set.
fn changes(before: &SettingValues, after: &SettingValues) -> Value {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut out = Map::new();
    for name in names {
        let of = |told: &SettingValues| told.get(name).cloned();
        let (old, new) = (of(before), of(after));
        if old != new {
            let masked = |text: Option<String>| {
                text.map(|text| match text.strip_prefix(HASHED) {
                    Some(hash) => hash.split_once(' ').map_or("***", |(_, shown)| shown).to_owned(),
                    None => text,
                })
            };
            out.insert(name.clone(), json!([masked(old), masked(new)]));
        }
    }
    Value::Object(out)
}

fn line(service: &str, changes: Value) -> AuditEntry {
    AuditEntry {
        at: clock::now(),
        caller: Caller::named(format!("{service}-service")),
        action: "start".to_owned(),
        kind: "settings".to_owned(),
        id: format!("{service}-service"),
        version: 0,
        changes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_to_be_another_and_never_told() {
        let of = |secret: &str| {
            let hashed = hashed("key", "MONGO_URI", secret).expect("a hash");
            assert!(!hashed.contains(secret));
            SettingValues::from([
                ("MONGO_URI".to_owned(), hashed),
                ("LOG_LEVEL".to_owned(), "info".to_owned()),
            ])
        };
        let changed = changes(&of("canary-1"), &of("canary-2"));
        assert_eq!(changed, json!({ "MONGO_URI": ["***", "***"] }));
        assert_eq!(changes(&of("canary-1"), &of("canary-1")), json!({}));
        let part = |secret: &str| {
            let kept = format!("{} http://***@host", hashed("key", "URL", secret).expect("a hash"));
            SettingValues::from([("URL".to_owned(), kept)])
        };
        let told = json!({ "URL": ["http://***@host", "http://***@host"] });
        assert_eq!(changes(&part("http://u:a@host"), &part("http://u:b@host")), told);
        let without = SettingValues::from([("PUBLIC_HOSTS".to_owned(), "a.example".to_owned())]);
        let want = json!({ "LOG_LEVEL": ["info", null], "MONGO_URI": ["***", null], "PUBLIC_HOSTS": [null, "a.example"] });
        assert_eq!(changes(&of("canary-1"), &without), want);
    }
}
