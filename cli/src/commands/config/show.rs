//! `tfx config show`.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Listing},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_settings::{shown, vars};

/// Which settings.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Only what is set, not what has its default.
    #[arg(long)]
    set: bool,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let mut rows = rows(context);
        if self.set {
            rows.retain(|row| row["from"] != "default");
        }
        let columns = vec![
            Column::text("setting", "name"),
            Column::text("value", "value"),
            Column::text("from", "from"),
            Column::text("about", "about"),
        ];
        context.out.rows(&Listing { columns, rows, name: "name" })
    }
}

/// Every setting as it stands.
pub(super) fn rows(context: &Context) -> Vec<Value> {
    let one = |var: &vars::Var| {
        let set = context.source.get(var.name).filter(|v| !v.trim().is_empty());
        let value = match set {
            Some(_) if var.secret => "***".into(),
            Some(value) => shown(value),
            None => var.default.into(),
        };
        json!({ "name": var.name, "value": value, "from": context.origin(var.name), "about": var.about })
    };
    vars::GROUPS.iter().flat_map(|(_, vars)| vars.iter()).map(one).collect()
}
