//! postback-service: what a network reports, recorded once.
