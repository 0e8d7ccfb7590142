//! The event producer: journal, batches, retries, policies, counters.
