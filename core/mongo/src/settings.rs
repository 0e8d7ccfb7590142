//! How to reach MongoDB, and how long to wait for it.

use std::{fmt, time::Duration};

/// What the adapter needs to know. Options of the connection string win over the fields here, except for the write
/// and read concerns, which are always majority.
#[derive(Clone)]
pub struct MongoConfig {
    /// A `mongodb://` or `mongodb+srv://` connection string; may hold a password.
    pub uri: String,
    /// The database.
    pub database: String,
    /// For making a connection, 2 s.
    pub connect_timeout: Duration,
    /// For finding a primary, 3 s. Short, so that callers learn soon that there is none; an election takes longer
    /// than any caller waits.
    pub server_selection_timeout: Duration,
    /// For one command, 5 s: the driver knows no such limit, and a server that is stopped keeps its sockets open.
    pub operation_timeout: Duration,
    /// For repeating what conflicted with somebody else's write, or finding out what became of a commit whose
    /// answer was lost; 10 s.
    pub give_up_after: Duration,
    /// Connections per server, 20. A write waits for the journal, so its number bounds how many do so together.
    pub pool_size: u32,
    /// Whether to learn of changes of configuration by a change stream; true. Without one, and beside it, the
    /// revision is looked at every second.
    pub change_streams: bool,
}

impl MongoConfig {
    /// With the defaults named above.
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            connect_timeout: Duration::from_secs(2),
            server_selection_timeout: Duration::from_secs(3),
            operation_timeout: Duration::from_secs(5),
            give_up_after: Duration::from_secs(10),
            pool_size: 20,
            change_streams: true,
        }
    }
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig").field("database", &self.database).finish_non_exhaustive()
    }
}
