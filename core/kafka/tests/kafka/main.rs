//! The adapter on a real broker, on brokers that fail on demand, and behind TLS and logins.

mod engine;
mod faults;
mod security;
mod support;
