//! Routing as its users see it: configurations in, decisions out.

mod all_down;
mod kit;
mod properties;
mod record;
mod rules;
mod standings;
mod stateful;
