//! Why MongoDB cannot be used, in words for the person who set it up.

use tfx_ports::StoreError;

/// Why MongoDB cannot be used. Each says which setting is meant and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection string is none.
    #[error(
        "MONGO_URI is not a connection string: {why}; it has the form \
         mongodb://USER:PASSWORD@HOST:27017/?replicaSet=rs0, with %XX for special characters in USER and PASSWORD"
    )]
    Uri {
        /// What is wrong; never a part of it that may be secret.
        why: String,
    },
    /// The database cannot be named or opened so.
    #[error("MONGO_DATABASE cannot be '{}': {why}; choose another name, such as traffoflex", name.escape_debug())]
    Database {
        /// The name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing answers.
    #[error("MongoDB at {hosts} does not answer: {why}; start it, or correct MONGO_URI")]
    Unreachable {
        /// Where it was looked for.
        hosts: String,
        /// What was seen.
        why: String,
    },
    /// User name or password are wrong.
    #[error(
        "MongoDB at {hosts} refuses the user name or password; correct them in MONGO_URI (authSource=NAME names \
         the database that the user was made in, if it is not admin)"
    )]
    Credentials {
        /// Who refuses.
        hosts: String,
    },
    /// No user is named, and the server wants one.
    #[error("MongoDB at {hosts} wants a user: put USER:PASSWORD@ before the host in MONGO_URI")]
    NoUser {
        /// Which server.
        hosts: String,
    },
    /// The user may not do what is needed.
    #[error(
        "the user of MONGO_URI may not use the database {database}: {why}; grant readWrite on it, or correct \
         MONGO_URI or MONGO_DATABASE"
    )]
    NotAllowed {
        /// Which database.
        database: String,
        /// What the server says.
        why: String,
    },
    /// A server of its own.
    #[error(
        "MongoDB at {hosts} is not a member of a replica set, so it knows no transactions; start it with --replSet \
         rs0 and run rs.initiate() once in mongosh (a single member is enough), or correct MONGO_URI"
    )]
    Standalone {
        /// Which server.
        hosts: String,
    },
    /// A member of a replica set that was never made.
    #[error("the replica set of MongoDB at {hosts} was not made yet; run rs.initiate() once in mongosh")]
    NotInitiated {
        /// Which server.
        hosts: String,
    },
    /// A member of another replica set.
    #[error(
        "MongoDB at {hosts} is a member of the replica set {found}; correct replicaSet={wanted} in MONGO_URI"
    )]
    OtherSet {
        /// Which server.
        hosts: String,
        /// Its set.
        found: String,
        /// The set asked for.
        wanted: String,
    },
    /// There is a member, but no way to a primary.
    #[error(
        "the replica set of MongoDB at {hosts} has no primary that can be reached; its members are {members}: \
         start them, or make their names reachable from here, or add directConnection=true to MONGO_URI if it \
         names the primary"
    )]
    NoPrimary {
        /// Where it was looked for.
        hosts: String,
        /// The addresses that the members give each other.
        members: String,
    },
    /// A server that is too old.
    #[error("MongoDB at {hosts} is older than 5.0; upgrade it, or correct MONGO_URI")]
    TooOld {
        /// Which server.
        hosts: String,
    },
    /// Anything else.
    #[error("MongoDB at {hosts} cannot be used: {why}")]
    Other {
        /// Which server.
        hosts: String,
        /// What it says.
        why: String,
    },
}

impl From<OpenError> for StoreError {
    fn from(e: OpenError) -> Self {
        let what = e.to_string();
        match e {
            OpenError::Unreachable { .. } | OpenError::NoPrimary { .. } | OpenError::NotInitiated { .. } => {
                Self::Unavailable { what, source: Some(Box::new(e)) }
            }
            _ => Self::Broken { what, source: Some(Box::new(e)) },
        }
    }
}
