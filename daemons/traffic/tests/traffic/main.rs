//! traffic-service over real sockets and the embedded stores.

mod actions;
mod addresses;
mod bytes;
mod caps;
mod configuration;
mod explain;
mod geo;
mod health;
mod health_events;
mod health_lanes;
mod journal;
mod keys;
mod operators;
mod returns;
mod streams;
mod trafficback;
mod visitors;
mod world;
