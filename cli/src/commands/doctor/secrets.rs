//! Secrets that are guessed soon: those of the settings, and those that networks send.

use super::{Finding, State, api::Api};
use crate::exit::Failure;
use std::collections::BTreeSet;
use tfx_api::{Client, entities::EntityQuery};
use tfx_domain::entity::{Kind, Status};
use tfx_settings::{Settings, vars::Program};
use url::Url;

/// Fewer characters are guessed.
const SHORTEST: usize = 16;
/// So are fewer different ones.
const DIFFERENT: usize = 6;
/// Words with which guessing begins.
const WORDS: [&str; 10] = [
    "password",
    "passw0rd",
    "secret",
    "changeme",
    "change-me",
    "default",
    "example",
    "admin",
    "traffoflex",
    "123456",
];

/// Why a secret is too weak; none: it is not.
pub(super) fn weak(secret: &str) -> Option<&'static str> {
    let lower = secret.to_ascii_lowercase();
    let rest = WORDS.iter().fold(lower.clone(), |rest, word| rest.replace(word, ""));
    match () {
        () if secret.chars().count() < SHORTEST => Some("has fewer than 16 characters"),
        () if secret.chars().collect::<BTreeSet<_>>().len() < DIFFERENT => {
            Some("has few different characters")
        }
        // What stands around a word must do alone.
        () if rest.len() < lower.len() && rest.chars().count() < SHORTEST => {
            Some("holds a word that is guessed first")
        }
        () => None,
    }
}

/// The secrets of the settings.
pub(super) fn of_settings(settings: &Settings) -> Vec<Finding> {
    let mut all: Vec<(&str, String)> = Vec::new();
    for program in [Program::Api, Program::Traffic] {
        for (var, value) in settings.said_to(program).filter(|(var, _)| var.secret) {
            all.extend(parts(var.name, value.expose()).into_iter().map(|part| (var.name, part)));
        }
    }
    all.sort();
    all.dedup();
    let judged = all.iter().filter_map(|(name, secret)| Some((*name, weak(secret)?)));
    let mut found: Vec<Finding> = judged
        .map(|(name, why)| {
            Finding::new(State::Warning, name, format!("the secret in it {why}"))
                .plain()
                .next("make one with: openssl rand -hex 32")
        })
        .collect();
    if found.is_empty() {
        found.push(
            Finding::new(State::Ok, "secrets", format!("{} in the settings, none too weak", all.len()))
                .plain(),
        );
    }
    found
}

/// What of a setting is secret and was chosen here: passwords in URLs and options, each of several keys.
pub(super) fn parts(name: &str, value: &str) -> Vec<String> {
    match name {
        "MONGO_URI" | "CLICKHOUSE_HTTP_URL" => {
            // Several hosts make no URL of it.
            let login = value.split_once("://").and_then(|(_, rest)| Some(rest.rsplit_once('@')?.0));
            login.and_then(|login| Some(login.split_once(':')?.1.to_owned())).into_iter().collect()
        }
        "EVENT_KAFKA_OPTIONS" => {
            let password = |pair: &str| pair.trim().strip_prefix("sasl.password=").map(str::to_owned);
            value.split(',').filter_map(password).collect()
        }
        "AUTH_JWT_SECRET" | "SECRETS_KEY" => value.split(',').map(|key| key.trim().to_owned()).collect(),
        "INTERNAL_TOKEN" | "CLICKHOUSE_PASSWORD" => vec![value.to_owned()],
        // What others gave out.
        _ => Vec::new(),
    }
}

/// Networks whose postback secret is weak. Who may not see secrets finds none.
pub(super) async fn of_networks(api: &Api<'_>) -> Vec<Finding> {
    let found = api.ask(async |client| {
        let secrets = networks(client).await?;
        let judged = secrets.iter().filter_map(|(slug, secret)| Some((slug, weak(secret)?)));
        Ok::<_, Failure>(
            judged
                .map(|(slug, why)| {
                    Finding::new(State::Warning, format!("network {slug}"), format!("its postback secret {why}"))
                        .next(format!("openssl rand -hex 16 | tfx network update {slug} --secret-file -, and tell the network"))
                })
                .collect(),
        )
    });
    found.await.unwrap_or_default()
}

/// How secrets lie in the configuration store.
pub(super) async fn sealed(api: &Api<'_>) -> Vec<Finding> {
    let found = api.ask(async |client| Ok::<_, Failure>(client.secrets().await?)).await;
    // Who may not ask, or whom nobody answers, is told of that elsewhere.
    let Ok(status) = found else { return Vec::new() };
    let mut all = Vec::new();
    if status.clear > 0 {
        let what = format!("{} lie in the configuration store in the clear", status.clear);
        all.push(
            Finding::new(State::Warning, "secrets", what).next("tfx secrets status tells what seals them"),
        );
    }
    if !status.unreadable.is_empty() {
        let what = format!("{} entities have a secret that cannot be opened", status.unreadable.len());
        all.push(
            Finding::new(State::Wrong, "secrets", what)
                .next("tfx secrets status names them and the key that is missing"),
        );
    }
    all
}

/// The postback secret of each active network, by its slug.
///
/// # Errors
/// api-service does not answer, or refuses.
pub(super) async fn networks(client: &Client) -> Result<Vec<(String, String)>, Failure> {
    let mut query = EntityQuery { status: vec![Status::Active], ..EntityQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = client.list(Kind::Network, &query).await?;
        for slug in page.items.iter().filter_map(|network| network["slug"].as_str()) {
            let link = client.postback_url(slug, None).await?;
            let url = Url::parse(&link.url).ok();
            let secret = url.and_then(|url| {
                url.query_pairs().find(|(name, _)| name == "secret").map(|(_, value)| value.into_owned())
            });
            all.extend(secret.map(|secret| (slug.to_owned(), secret)));
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_are_guessed_soon_are_weak() {
        for (secret, is_weak) in [
            ("", true),
            ("short", true),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", true),
            ("password-password-1", true),
            ("traffoflex-secret-123456", true),
            ("mmyqo6xgmtxssoa6", false),
            ("mmyqo6xgmtxssoa6pwxv5h2lt2hjenh5", false),
            ("0a1b2c3d4e5f60718293a4b5c6d7e8f9secret", false),
        ] {
            assert_eq!(weak(secret).is_some(), is_weak, "{secret}");
        }
    }

    #[test]
    fn passwords_stand_in_urls_and_options() {
        assert_eq!(parts("MONGO_URI", "mongodb://u:pw@h1:1,h2:2/db"), ["pw"]);
        assert_eq!(parts("MONGO_URI", "mongodb://h1:1,h2:2/db"), Vec::<String>::new());
        assert_eq!(parts("MONGO_URI", "mongodb://u:pw@h/db"), ["pw"]);
        assert_eq!(parts("EVENT_KAFKA_OPTIONS", "a=b, sasl.password=x,c=d"), ["x"]);
        assert_eq!(parts("AUTH_JWT_SECRET", "new, old"), ["new", "old"]);
        assert_eq!(parts("AUTH_RESEND_API_KEY", "re_1"), Vec::<String>::new());
    }
}
