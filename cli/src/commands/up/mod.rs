//! `tfx up`: everything, embedded, in one process.

mod demo;
mod stack;

pub(crate) use demo::first_click;
pub(crate) use stack::Stack;

use crate::{context::Context, exit::Failure, output::Column};
use clap::Args;
use serde_json::json;
use tfx_service::{logs, shutdown};

/// Run all services in this process, on the embedded store.
///
/// Settings come from the environment or .env (see .env.example); everything is kept in the data folder, so that the
/// next start goes on where this one ended. Ctrl-C drains requests and events, then stops.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Make a campaign to click on, if there is none yet.
    #[arg(long)]
    demo: bool,
}

impl Up {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        context.tell_notices();
        let settings = context.settings()?;
        logs::init(settings.log_level.as_deref().unwrap_or("warn"), "tfx").map_err(Failure::usage)?;
        tfx_service::files::raise(3);
        tfx_service::started(&settings);
        let shutdown = shutdown::on_signals();
        let stack = Stack::start(&context.source, settings).await?;
        let demo = if self.demo { demo::make(&stack).await.map(Some) } else { Ok(None) };
        let printed = match demo {
            Ok(demo) => print(context, &stack, demo.as_ref()),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = printed {
            stack.stop().await?;
            return Err(failure);
        }
        stack.run_until(shutdown.wait()).await?;
        context.out.note("stopped; nothing was lost");
        Ok(())
    }
}

/// Where everything is, and what to do next.
fn print(context: &Context, stack: &Stack, demo: Option<&demo::Demo>) -> Result<(), Failure> {
    let token_file = stack.data_dir.admin_token_file();
    let mut item = json!({
        "tracking_links": format!("{}/c/SLUG", stack.traffic_url),
        "postbacks": format!("{}/postback/NETWORK", stack.postback_url),
        "api": format!("{}{}", stack.api_url, tfx_api::BASE),
        "data_dir": stack.data_dir.path(),
        "token_file": token_file,
        "ready_ms": stack.ready_ms,
    });
    let mut columns = vec![
        Column::text("tracking links", "tracking_links"),
        Column::text("postbacks", "postbacks"),
        Column::text("API", "api"),
        Column::text("data", "data_dir"),
        Column::text("token file", "token_file"),
        Column::text("ready in ms", "ready_ms"),
    ];
    if let Some(token) = &stack.new_token {
        item["new_admin_token"] = json!(token.expose());
        columns.push(Column::text("admin token", "new_admin_token"));
    }
    if let Some(demo) = demo {
        item["demo_link"] = json!(demo.link);
        item["demo_postback"] = json!(demo.postback);
        columns.push(Column::text("demo link", "demo_link"));
        columns.push(Column::text("demo postback", "demo_postback"));
    }
    context.out.item(&item, &columns, "api")?;
    if stack.new_token.is_some() {
        context.out.note("\nThe admin token is shown this once; tfx finds it in the token file by itself.");
    }
    let elsewhere = match stack.custom_api_url() {
        Some(url) => format!(" (after: export API_SERVICE_URL={url})"),
        None => String::new(),
    };
    context.out.note(format!("\nNext, in another terminal{elsewhere}:"));
    if let Some(demo) = demo {
        context.out.note(format!("  {}: note its click id", first_click(&demo.link)));
        context.out.note(format!("  curl -s '{}'", demo.postback.replace("{click_id}", "CLICK_ID")));
        context.out.note("  tfx report                     what came of it");
    } else {
        context
            .out
            .note("  tfx campaign create            asks a few questions and gives you a tracking link");
        context.out.note("  tfx report                     clicks, conversions, profit");
    }
    context.out.note("\nCtrl-C stops.");
    Ok(())
}
