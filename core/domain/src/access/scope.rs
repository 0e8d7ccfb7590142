//! Scopes: what a caller may do, one word each; and the roles of people, which are sets of them.

use crate::{entity::Kind, nearest::did_you_mean};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// One list makes the enum, its order, its words and what they mean.
macro_rules! scopes {
    ($($variant:ident, $word:literal, $about:literal;)+) => {
        /// What a caller may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Scope {
            $(#[doc = $about] #[serde(rename = $word)] $variant,)+
        }

        impl Scope {
            /// All of them, in the order in which people read them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in JSON and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What it allows.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)+
                }
            }
        }
    };
}

scopes! {
    Read, "read", "Read entities, reports, clicks, conversions and states, without money";
    ReadMoney, "read:money", "See money: payouts, costs, revenue, and the logs that tell of it";
    ReadSecrets, "read:secrets", "See signing keys, and URLs with their secrets";
    ReadAudit, "read:audit", "Read who did what";
    WriteCampaigns, "write:campaigns", "Change campaigns";
    WriteStreams, "write:streams", "Change streams";
    WriteDestinations, "write:destinations", "Change destinations";
    WriteSources, "write:sources", "Change traffic sources";
    WriteNetworks, "write:networks", "Change networks; a new one is told with its secret";
    WriteTemplates, "write:templates", "Change postback templates";
    WriteAlerts, "write:alerts", "Change alerts, try and send them; those that pause something take the scopes for that too";
    WriteRates, "write:rates", "Set and remove rates of currencies";
    HealthCheck, "health:check", "Probe a destination now";
    PostbacksTest, "postbacks:test", "Try postbacks, also by sending one to a source";
    PostbacksRetry, "postbacks:retry", "Take postbacks again, tell sources again";
    ConversionsImport, "conversions:import", "Import conversions from files";
    Ops, "ops", "Delete old events, replay events";
    Erase, "erase", "Erase a person from every store, for good";
    Tokens, "tokens", "Make and revoke API tokens";
    Users, "users", "Approve and revoke users, end their sessions";
}

impl Scope {
    /// The one that changes entities of a kind.
    pub const fn write(kind: Kind) -> Self {
        match kind {
            Kind::Campaign => Self::WriteCampaigns,
            Kind::Stream => Self::WriteStreams,
            Kind::Destination => Self::WriteDestinations,
            Kind::Source => Self::WriteSources,
            Kind::Network => Self::WriteNetworks,
            Kind::Template => Self::WriteTemplates,
            Kind::Alert => Self::WriteAlerts,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|s| s.as_str()).collect();
            let text: String = text.chars().take(60).collect();
            let meant = did_you_mean(&text, known.iter().copied());
            format!("'{text}' is no scope{meant}; known are {}", known.join(", "))
        })
    }
}

/// Reads scopes that were stored. A word of a newer program grants nothing here.
///
/// # Errors
/// It is no list of texts.
pub fn known_scopes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Scope>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
}

/// Those of `wanted` that are not among `had`.
pub fn beyond(wanted: &[Scope], had: &[Scope]) -> Vec<Scope> {
    wanted.iter().copied().filter(|scope| !had.contains(scope)).collect()
}

/// What a person is to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    Admin,
    /// Runs campaigns: everything but users, tokens and what erases, deletes or replays events.
    Editor,
    /// Reads, without money.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Editor, Self::Viewer];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }
}

/// What somebody with a role may do.
pub fn scopes_of(role: Role) -> Vec<Scope> {
    let has = |scope: &Scope| match role {
        Role::Admin => true,
        Role::Editor => !matches!(scope, Scope::Ops | Scope::Erase | Scope::Tokens | Scope::Users),
        Role::Viewer => matches!(scope, Scope::Read),
    };
    Scope::ALL.iter().copied().filter(has).collect()
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| "must be one of admin, editor, viewer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_word_everywhere() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("a word"), scope.as_str());
            assert_eq!(scope.as_str().parse(), Ok(*scope));
        }
        let wrong = "write:campaign".parse::<Scope>().expect_err("unknown");
        assert!(
            wrong.starts_with("'write:campaign' is no scope (did you mean 'write:campaigns'?)"),
            "{wrong}"
        );
        for kind in Kind::ALL {
            assert_eq!(Scope::write(kind).as_str(), format!("write:{}", kind.plural()));
        }
    }

    #[test]
    fn roles_have_what_they_are_for() {
        let words = |role| scopes_of(role).iter().map(|s| s.as_str()).collect::<Vec<_>>();
        assert_eq!(words(Role::Viewer), ["read"]);
        assert_eq!(
            words(Role::Editor),
            [
                "read",
                "read:money",
                "read:secrets",
                "read:audit",
                "write:campaigns",
                "write:streams",
                "write:destinations",
                "write:sources",
                "write:networks",
                "write:templates",
                "write:alerts",
                "write:rates",
                "health:check",
                "postbacks:test",
                "postbacks:retry",
                "conversions:import"
            ]
        );
        assert_eq!(scopes_of(Role::Admin), Scope::ALL);
        for role in Role::ALL {
            assert_eq!((role.as_str().parse(), role.to_string()), (Ok(role), role.as_str().to_owned()));
        }
        assert_eq!("root".parse::<Role>(), Err("must be one of admin, editor, viewer".to_owned()));
    }

    #[test]
    fn a_word_of_a_newer_program_grants_nothing() {
        #[derive(Deserialize)]
        struct Stored(#[serde(deserialize_with = "known_scopes")] Vec<Scope>);
        let stored: Stored = serde_json::from_str(r#"["read", "launch:rockets", "ops"]"#).expect("read");
        assert_eq!(stored.0, [Scope::Read, Scope::Ops]);
    }
}
