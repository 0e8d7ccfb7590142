//! postback-service over real sockets and the embedded stores.

mod again;
mod answers;
mod balance;
mod gone;
mod imports;
mod money;
mod order;
mod promises;
mod secrets;
mod signatures;
mod source_postbacks;
mod unread;
mod world;
