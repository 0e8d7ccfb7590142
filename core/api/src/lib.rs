//! Wire types of the REST API and its HTTP client, shared by api-service and tfx.
//!
//! A module per noun holds what goes over the wire; [`client`] holds the one HTTP client. Base path: [`BASE`].

pub mod alerts;
pub mod audit;
pub mod bulk;
pub mod clicks;
pub mod client;
pub mod conversions;
pub mod entities;
pub mod erasure;
pub mod error;
pub mod explain;
pub mod geo;
pub mod health;
pub mod http;
pub mod imports;
pub mod ingestion;
pub mod logins;
pub mod page;
pub mod parked;
pub mod postbacks;
pub mod rates;
pub mod reconciliation;
pub mod report;
pub mod retention;
pub mod revisions;
pub mod secrets;
pub mod service;
pub mod sets;
pub mod source_postbacks;
pub mod timeline;
pub mod tokens;

pub use client::Client;
pub use error::ApiError;
pub use page::{Labelled, Labels, Page};

/// The base of all paths of the REST API.
pub const BASE: &str = "/api/v1";
