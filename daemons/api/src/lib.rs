//! api-service: REST over configuration, reports and operations.
