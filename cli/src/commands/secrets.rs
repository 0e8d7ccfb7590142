//! `tfx secrets`: how the secrets of the configuration lie in its store, and the keys that seal them.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, text},
};
use clap::Subcommand;
use serde_json::{Value, json};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Show with which keys the secrets of networks, sources and alerts are sealed, and what cannot be opened.
    Status,
    /// Put a new key first into the file of keys, which is made if need be; the others stay and open what they sealed.
    ///
    /// The file is that of SECRETS_KEY_FILE or of the data folder, on this machine; services that read it seal with the new key within
    /// seconds. api-service and postback-service elsewhere need it too: those with api-service last, which seals.
    RotateKey,
    /// Seal every secret with the first key.
    Reseal,
}

impl SecretsCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Status => status(context).await,
            Self::RotateKey => rotate_key(context),
            Self::Reseal => reseal(context).await,
        }
    }
}

async fn status(context: &Context) -> Result<(), Failure> {
    let status = context.client()?.secrets().await?;
    let item = serde_json::to_value(&status).map_err(Failure::failed)?;
    let fields = [
        Column::text("keys of api-service", "keys"),
        Column::made("sealed", "sealed", |row| {
            let keys = row["sealed"].as_object().into_iter().flatten();
            keys.map(|(key, secrets)| format!("{secrets} with {key}")).collect::<Vec<_>>().join(", ")
        }),
        Column::text("in the clear", "clear"),
        Column::made("cannot be opened", "unreadable", |row| {
            row["unreadable"].as_array().map_or_else(String::new, |all| all.len().to_string())
        }),
    ];
    context.out.item(&item, &fields, "clear")?;
    for told in &status.unreadable {
        context.out.note(told);
    }
    let unused: Vec<&str> = status
        .keys
        .iter()
        .skip(1)
        .map(String::as_str)
        .filter(|key| !status.sealed.contains_key(*key))
        .collect();
    let others = status.keys.first().is_some_and(|first| status.sealed.keys().any(|key| key != first));
    if status.keys.is_empty() {
        context.out.note("there is no key: tfx secrets rotate-key makes one; then start the services with it, by SECRETS_KEY_FILE");
    } else if others || status.clear > 0 {
        context.out.note("tfx secrets reseal seals all of them with the first key");
    }
    if !unused.is_empty() {
        context.out.note(format!("nothing here needs {} any more; backups of before may", unused.join(", ")));
    }
    Ok(())
}

fn rotate_key(context: &Context) -> Result<(), Failure> {
    let settings = context.settings()?;
    if !settings.sealing.keys.is_empty() {
        return Err(Failure::usage("the keys are those of SECRETS_KEY, not of a file")
            .hint("put a new one first into SECRETS_KEY, with a comma, and start the services again: openssl rand -hex 32"));
    }
    let (file, keys) = tfx_wiring::rotate_sealing_key(&settings).map_err(Failure::failed)?;
    let item = json!({ "file": file, "keys": keys });
    let fields = [Column::text("file", "file"), Column::text("keys", "keys")];
    context.out.item(&item, &fields, "file")?;
    let first = text(&item["keys"][0]);
    context.out.note(format!(
        "{first} seals within seconds where services read this file, and those on other machines cannot open that before they have it: \
         give it to them now, then: tfx secrets reseal"
    ));
    Ok(())
}

async fn reseal(context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let answer = client.reseal().await?;
    let item: Value = serde_json::to_value(&answer).map_err(Failure::failed)?;
    context.out.item(&item, &[Column::text("entities sealed anew", "sealed")], "sealed")
}
