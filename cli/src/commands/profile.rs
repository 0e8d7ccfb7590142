//! `tfx profile`: places by name, and which one is meant when nothing is said.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Listing},
    profile,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// What is done with profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the profiles of ~/.config/tfx/config.toml.
    List,
    /// Choose which profile is meant when --profile is not given.
    Use(Use),
    /// Show the settings of a profile, secrets masked.
    Show(Show),
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Use {
    /// Its name.
    name: String,
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name [default: the one in use].
    name: Option<String>,
}

impl ProfileCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let all = profile::all(&context.source)?;
        let known = |name: &str| {
            if name == profile::DEFAULT || all.contains_key(name) {
                return Ok(());
            }
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            let there = if names.is_empty() {
                "there are none".to_owned()
            } else {
                format!("they are {}", names.join(", "))
            };
            Err(Failure::new(crate::exit::Kind::NotFound, format!("there is no profile '{name}'; {there}"))
                .hint("profiles stand in ~/.config/tfx/config.toml under [profile.NAME]"))
        };
        match self {
            Self::List => {
                let row = |(name, values): (&String, &profile::Values)| {
                    let api = values.get("API_SERVICE_URL");
                    json!({ "name": name, "api": api, "in_use": name == context.profile() })
                };
                let used = |row: &Value| if row["in_use"] == true { "*".to_owned() } else { String::new() };
                let columns = vec![
                    Column::made("in use", "in_use", used),
                    Column::text("name", "name"),
                    Column::text("api", "api"),
                ];
                let mut rows: Vec<Value> = all.iter().map(row).collect();
                if !all.contains_key(context.profile()) {
                    rows.push(json!({ "name": context.profile(), "api": null, "in_use": true }));
                }
                context.out.rows(&Listing { columns, rows, name: "name" })
            }
            Self::Use(Use { name }) => {
                known(&name)?;
                profile::choose_always(&context.source, &name)?;
                context.out.note(format!("the profile {name} is meant from now on; --profile names another"));
                Ok(())
            }
            Self::Show(Show { name }) => {
                let name = name.unwrap_or_else(|| context.profile().to_owned());
                known(&name)?;
                let values = all.get(&name).cloned().unwrap_or_default();
                let row = |(name, value): (&String, &String)| {
                    let secret = tfx_settings::vars::GROUPS
                        .iter()
                        .flat_map(|(_, vars)| *vars)
                        .any(|var| var.name == name && var.secret);
                    let value =
                        if secret { "***".to_owned() } else { tfx_settings::shown(value).into_owned() };
                    json!({ "name": name, "value": value })
                };
                let columns = vec![Column::text("setting", "name"), Column::text("value", "value")];
                context.out.rows(&Listing { columns, rows: values.iter().map(row).collect(), name: "name" })
            }
        }
    }
}
