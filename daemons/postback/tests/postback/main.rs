//! postback-service over real sockets and the embedded stores.

mod answers;
mod promises;
mod world;
