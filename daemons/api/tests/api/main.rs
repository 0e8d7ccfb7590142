//! api-service over real sockets and the embedded store: what it promises to its clients.

mod access;
mod alerts;
mod anything;
mod bad_input;
mod browsers;
mod bulk;
mod entities;
mod erasure;
mod events;
mod health;
mod idempotency;
mod ingestion;
mod lint;
mod logins;
mod mail;
mod rates;
mod retention;
mod rotation;
mod rules;
mod secrets;
mod server;
mod settings;
mod slugs;
mod source_postbacks;
mod timeline;
mod tokens;
