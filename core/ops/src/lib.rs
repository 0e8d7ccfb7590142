//! What the CLI orchestrates: smoke, replay.
