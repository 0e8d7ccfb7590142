//! The tfx command.
fn main() {}
