//! The network of a file, and the template that reads it, as they are now.

use crate::{commands::entity::failed, exit::Failure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tfx_api::Client;
use tfx_domain::entity::{Kind, NetworkSpec, TemplateSpec};

const OF_NETWORK: [&str; 5] = ["slug", "name", "currency", "transaction_scope", "foreign_clicks"];
const OF_TEMPLATE: [&str; 10] =
    ["network", "slug", "name", "status", "params", "statuses", "ignore", "defaults", "decimal", "scale"];

/// A network: its id, and what it says.
///
/// # Errors
/// There is none of that name.
pub(crate) async fn network(client: &Client, reference: &str) -> Result<(String, NetworkSpec), Failure> {
    let found =
        client.get(Kind::Network, reference).await.map_err(|e| failed(Kind::Network, reference, e))?;
    let id = found["id"].as_str().unwrap_or_default().to_owned();
    Ok((id, spec(&found, &OF_NETWORK)?))
}

/// The template that reads a file of a network: the one that was said, else its active `default`.
///
/// # Errors
/// There is no such network or template.
pub(crate) async fn template(
    client: &Client,
    network: &str,
    said: Option<&str>,
) -> Result<Option<TemplateSpec>, Failure> {
    client.get(Kind::Network, network).await.map_err(|e| failed(Kind::Network, network, e))?;
    let reference = match said {
        Some(said) if said.contains('/') || said.starts_with("tpl_") => said.to_owned(),
        Some(said) => format!("{network}/{said}"),
        None => format!("{network}/default"),
    };
    match client.get(Kind::Template, &reference).await {
        Ok(found) if said.is_none() && found["status"] != "active" => Ok(None),
        Ok(found) => spec(&found, &OF_TEMPLATE).map(Some),
        Err(e) if said.is_none() && e.code() == Some("not_found") => Ok(None),
        Err(e) => Err(failed(Kind::Template, &reference, e)),
    }
}

/// What of an entity says how reports are read; all else, of newer servers too, is left out.
fn spec<S: DeserializeOwned>(shown: &Value, fields: &[&str]) -> Result<S, Failure> {
    let said = fields.iter().filter_map(|name| Some(((*name).to_owned(), shown.get(*name)?.clone())));
    let said: Map<String, Value> = said.collect();
    let slug = shown["slug"].as_str().unwrap_or_default();
    serde_json::from_value(Value::Object(said))
        .map_err(|e| Failure::failed(format!("this program cannot read {slug}: {e}")))
}
