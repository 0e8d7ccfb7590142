//! The adapter on a real ClickHouse engine that reads a real broker: `make engines` brings both up.

mod backup;
mod broker;
mod cluster;
mod conformance;
mod differs;
mod flow;
mod kit;
mod lock;
mod restoring;
mod tables;
mod upgrade;
