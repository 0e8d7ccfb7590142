//! Whether there is a server that can be worked with; if not, what a person has to correct.

use crate::{
    db::Db,
    error::{describe, is_unauthorized},
    migrations::MIGRATIONS,
    open_error::OpenError,
};
use mongodb::{
    Client,
    bson::{Document, doc},
    error::{Error as DriverError, ErrorKind},
    options::{ClientOptions, ServerAddress},
};
use std::{io, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Servers from 5.0 on say this or more. Reads of a snapshot outside a transaction began there.
const WIRE_VERSION_OF_5_0: i64 = 13;

pub(crate) async fn check(db: &Db) -> Result<(), OpenError> {
    let hosts = hosts(db.options());
    let hello = match limited(db, db.database().run_command(doc! {"hello": 1})).await {
        Ok(hello) => hello,
        Err(Some(e)) if matches!(*e.kind, ErrorKind::Authentication { .. }) => {
            return Err(OpenError::Credentials { hosts });
        }
        Err(Some(e)) if is_unauthorized(&e) => return Err(not_allowed(db, &e)),
        Err(e) => return Err(find_out(db.options(), hosts, e.as_ref()).await),
    };
    fit(&hello, &hosts)?;
    let migrations = db.collection::<Document>(MIGRATIONS);
    match limited(db, migrations.find_one(doc! {})).await {
        Ok(_) => Ok(()),
        Err(Some(e)) if is_unauthorized(&e) => Err(not_allowed(db, &e)),
        Err(e) => Err(find_out(db.options(), hosts, e.as_ref()).await),
    }
}

/// No error of the driver: the time was up.
async fn limited<T>(
    db: &Db,
    command: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, Option<DriverError>> {
    match timeout(db.operation_timeout(), command.into_future()).await {
        Ok(done) => done.map_err(Some),
        Err(_) => Err(None),
    }
}

fn not_allowed(db: &Db, e: &DriverError) -> OpenError {
    if db.options().credential.is_none() {
        return OpenError::NoUser { hosts: hosts(db.options()) };
    }
    OpenError::NotAllowed { database: db.database().name().to_owned(), why: describe(e) }
}

fn hosts(options: &ClientOptions) -> String {
    let all: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
    all.join(",")
}

/// A server of a replica set (or a router of several) that is not too old.
fn fit(hello: &Document, hosts: &str) -> Result<(), OpenError> {
    let hosts = hosts.to_owned();
    let version = hello.get("maxWireVersion").and_then(number).unwrap_or(0);
    let router = hello.get_str("msg").is_ok_and(|m| m == "isdbgrid");
    match hello.get_str("setName") {
        _ if version < WIRE_VERSION_OF_5_0 => Err(OpenError::TooOld { hosts }),
        Ok(_) => Ok(()),
        Err(_) if router => Ok(()),
        Err(_) if hello.get_bool("isreplicaset").unwrap_or(false) => Err(OpenError::NotInitiated { hosts }),
        Err(_) => Err(OpenError::Standalone { hosts }),
    }
}

fn number(value: &mongodb::bson::Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

/// The driver only says that no server was fit. Asks the first host itself: without the replica set's name, first
/// without credentials, which `hello` does not need, then with them.
async fn find_out(options: &ClientOptions, hosts: String, e: Option<&DriverError>) -> OpenError {
    let why = e.map_or_else(|| "it did not answer in time".to_owned(), describe);
    let Some(first) = options.hosts.first() else {
        return OpenError::Unreachable { hosts, why };
    };
    let wait = options.connect_timeout.unwrap_or(Duration::from_secs(2));
    if let Err(io) = reach(first, wait).await {
        return OpenError::Unreachable { hosts, why: io.to_string() };
    }
    let mut open = options.clone();
    open.credential = None;
    let Some(Ok(hello)) = ask(open, first, wait).await else {
        let why = "it takes connections but does not speak: it hangs, or is not MongoDB, or one side wants TLS \
                   (tls=true) and the other does not";
        return OpenError::Unreachable { hosts, why: why.to_owned() };
    };
    if let Err(unfit) = fit(&hello, &hosts) {
        return unfit;
    }
    let refused = |e: DriverError| matches!(*e.kind, ErrorKind::Authentication { .. });
    if options.credential.is_some()
        && ask(options.clone(), first, wait).await.is_some_and(|answer| answer.is_err_and(refused))
    {
        return OpenError::Credentials { hosts };
    }
    let found = hello.get_str("setName").unwrap_or_default().to_owned();
    match &options.repl_set_name {
        Some(wanted) if *wanted != found => OpenError::OtherSet { hosts, found, wanted: wanted.clone() },
        // With a primary in sight, what failed was the command.
        _ if !matches!(e.map(|e| &*e.kind), None | Some(ErrorKind::ServerSelection { .. })) => {
            OpenError::Other { hosts, why }
        }
        _ => {
            let members = hello.get_array("hosts").map(Vec::as_slice).unwrap_or_default();
            let members: Vec<&str> = members.iter().filter_map(mongodb::bson::Bson::as_str).collect();
            OpenError::NoPrimary { hosts, members: members.join(", ") }
        }
    }
}

async fn reach(host: &ServerAddress, wait: Duration) -> io::Result<()> {
    let ServerAddress::Tcp { host, port } = host else { return Ok(()) };
    let connecting = TcpStream::connect((host.as_str(), port.unwrap_or(27_017)));
    match timeout(wait, connecting).await {
        Ok(done) => done.map(|_| ()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// What this one server says about itself, whatever its state; none: nothing.
async fn ask(
    mut options: ClientOptions,
    host: &ServerAddress,
    wait: Duration,
) -> Option<Result<Document, DriverError>> {
    options.hosts = vec![host.clone()];
    options.direct_connection = Some(true);
    options.repl_set_name = None;
    options.server_selection_timeout = Some(wait);
    let admin = Client::with_options(options).ok()?.database("admin");
    timeout(wait * 2, admin.run_command(doc! {"hello": 1})).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_fit_by_what_it_says_about_itself() {
        let fit = |hello: &Document| fit(hello, "h:27017");
        let member = doc! {"maxWireVersion": 17, "setName": "rs0", "isWritablePrimary": true};
        let router = doc! {"maxWireVersion": 17, "msg": "isdbgrid"};
        assert!(fit(&member).is_ok() && fit(&router).is_ok());
        let alone = doc! {"maxWireVersion": 17, "isWritablePrimary": true};
        assert!(matches!(fit(&alone), Err(OpenError::Standalone { .. })));
        let ghost = doc! {"maxWireVersion": 17, "isreplicaset": true};
        assert!(matches!(fit(&ghost), Err(OpenError::NotInitiated { .. })));
        let old = doc! {"maxWireVersion": 9, "setName": "rs0"};
        assert!(matches!(fit(&old), Err(OpenError::TooOld { .. })));
        assert!(matches!(fit(&doc! {}), Err(OpenError::TooOld { .. })), "or no MongoDB at all");
    }
}
