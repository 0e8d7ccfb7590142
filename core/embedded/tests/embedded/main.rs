//! The ports on SQLite: the suite that every adapter must pass, files that programs of before made, and files that are lost
//! or damaged.

mod audit;
mod before;
mod conformance;
mod kept;
mod lost;
mod moment;
mod retention;
mod sick;
mod usage;
