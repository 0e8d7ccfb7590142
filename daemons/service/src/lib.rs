//! What every daemon shares: listener, health, logs, limits, drain.
