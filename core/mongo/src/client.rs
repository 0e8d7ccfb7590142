//! From the connection string to a client.

use crate::{MongoConfig, OpenError, db::Db};
use mongodb::{
    Client,
    options::{
        Acknowledgment, ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria,
        WriteConcern,
    },
};

/// Bytes that MongoDB does not allow in a database's name, on any system.
const NOT_IN_NAMES: &[char] = &['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'];

pub(crate) async fn connect(config: &MongoConfig) -> Result<Db, OpenError> {
    check_name(&config.database)?;
    let mut options = ClientOptions::parse(&config.uri).await.map_err(|e| OpenError::Uri {
        // The driver quotes what it does not understand, which may be half a password.
        why: if config.uri.contains('@') { "it cannot be understood".to_owned() } else { e.kind.to_string() },
    })?;
    options.app_name.get_or_insert_with(|| "traffoflex".to_owned());
    options.connect_timeout.get_or_insert(config.connect_timeout);
    options.server_selection_timeout.get_or_insert(config.server_selection_timeout);
    options.max_pool_size.get_or_insert(config.pool_size);
    options.selection_criteria = Some(primary());
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(durable());
    let failed = |e: mongodb::error::Error| OpenError::Uri { why: e.kind.to_string() };
    let client = Client::with_options(options.clone()).map_err(failed)?;
    let all = DatabaseOptions::builder()
        .selection_criteria(primary())
        .read_concern(ReadConcern::majority())
        .write_concern(durable())
        .build();
    let database = client.database_with_options(&config.database, all);
    Ok(Db::new(client, database, options, config))
}

fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

/// Survives the loss of any minority of members, and of power.
fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

fn check_name(name: &str) -> Result<(), OpenError> {
    let refuse = |why: &'static str| Err(OpenError::Database { name: name.to_owned(), why: why.to_owned() });
    match name {
        "" => refuse("it is empty"),
        "admin" | "config" | "local" => refuse("it is one of the server's own"),
        _ if name.len() > 63 => refuse("it is longer than 63 bytes"),
        _ if name.contains(NOT_IN_NAMES) => {
            refuse("it has a character that MongoDB does not allow there (one of /\\. \"$*<>:|? or NUL)")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bad_setting_is_named_and_no_secret_is() {
        let cases = [
            ("localhost:27017", "traffoflex", "MONGO_URI"),
            ("mongodb://", "traffoflex", "MONGO_URI"),
            ("http://localhost", "traffoflex", "MONGO_URI"),
            ("mongodb://anna:canary@7@localhost/?w=x", "traffoflex", "MONGO_URI"),
            ("mongodb://anna:p@ss:canary/localhost", "traffoflex", "MONGO_URI"),
            ("mongodb://localhost/?replicaSet", "traffoflex", "MONGO_URI"),
            ("mongodb://localhost", "", "MONGO_DATABASE"),
            ("mongodb://localhost", "a b", "MONGO_DATABASE"),
            ("mongodb://localhost", "a\0b", "MONGO_DATABASE"),
            ("mongodb://localhost", "admin", "MONGO_DATABASE"),
            ("mongodb://localhost", "$where", "MONGO_DATABASE"),
        ];
        for (uri, database, setting) in cases {
            let config = MongoConfig::new(uri, database);
            let e = connect(&config).await.err().unwrap_or_else(|| panic!("{uri} {database} was taken"));
            let text = e.to_string();
            assert!(text.contains(setting), "{uri} {database}: {text}");
            assert!(!format!("{text} {e:?} {config:?}").contains("canary"), "{text}");
        }
        let long = "x".repeat(64);
        assert!(connect(&MongoConfig::new("mongodb://localhost", long)).await.is_err());
    }
}
