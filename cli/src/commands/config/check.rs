//! `tfx config check`.

use crate::{context::Context, exit::Failure, output::Column};
use serde_json::json;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    // Whatever is wrong is told at once: also beside values that are not valid.
    let notices: Vec<_> = context
        .tell_notices()
        .into_iter()
        .map(|n| json!({ "setting": n.name, "message": n.message }))
        .collect();
    let settings = context.settings()?;
    if let Some(told) = tfx_wiring::exposed(&settings.data_dir) {
        context.out.note(format!("warning: {told}"));
    }
    let set = super::show::rows(context).iter().filter(|row| row["from"] != "default").count();
    let item = json!({
        "valid": true,
        "set": set,
        "data_dir": settings.data_dir,
        "api": tfx_settings::shown(&settings.addresses.api_url),
        "without_effect": notices,
    });
    let fields = [
        Column::text("valid", "valid"),
        Column::text("settings set", "set"),
        Column::text("data folder", "data_dir"),
        Column::text("api-service", "api"),
    ];
    context.out.item(&item, &fields, "valid")
}
