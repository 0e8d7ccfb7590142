//! `tfx alert retry`: sends notices again that were given up, or now those that wait for their next try.

use super::super::entity::failed;
use crate::{complete, context::Context, exit::Failure, output::Column};
use clap::{ArgGroup, Args, builder::NonEmptyStringValueParser};
use serde_json::json;
use tfx_api::alerts::AlertRetry;
use tfx_domain::entity::Kind;

/// Which notices.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true), after_help = "A pause, or its return, that was given up is not done later.\n\n\
    Examples:\n  \
    tfx alert log spent\n  \
    tfx alert retry 01KBB6X7T40000000000000000\n  \
    tfx alert retry --dead --alert spent")]
pub(crate) struct Retry {
    /// Send these again, which were given up, or now, which wait for their next try: ids of notices, as tfx alert log tells
    /// them.
    #[arg(value_name = "ID", group = "which", value_parser = NonEmptyStringValueParser::new())]
    ids: Vec<String>,
    /// Send again everything that was given up.
    #[arg(long, group = "which")]
    dead: bool,
    /// With --dead: only what this alert was to tell.
    #[arg(long, value_name = "ALERT", requires = "dead", conflicts_with = "ids", add = complete::of(Kind::Alert))]
    alert: Option<String>,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let named = self.alert.clone().unwrap_or_default();
        let mut asked = AlertRetry { ids: self.ids, dead: self.dead, alert: self.alert, before: None };
        let (mut revived, mut left, mut hurried, mut not_now) = (0, 0, 0, Vec::new());
        loop {
            let some = client.alert_retry(&asked).await.map_err(|e| match e.code() {
                Some("not_found") if !asked.ids.is_empty() => {
                    Failure::from(e).hint("tfx alert log lists what was given up, with its notice")
                }
                _ => failed(Kind::Alert, &named, e),
            })?;
            revived += some.revived;
            // They stay, and are met each time.
            left = left.max(some.left);
            hurried += some.hurried;
            not_now.extend(some.not_now);
            // What is given up anew meanwhile was sent again.
            asked.before = some.before;
            if !some.more || some.revived == 0 {
                break;
            }
        }
        let item = json!({ "revived": revived, "hurried": hurried, "left": left, "not_now": not_now });
        let fields = [
            Column::number("sent again", "revived"),
            Column::number("tried now", "hurried"),
            Column::number("left", "left"),
            Column::made("not now", "not_now", |row| {
                row["not_now"].as_array().map_or(0, Vec::len).to_string()
            }),
        ];
        context.out.item(&item, &fields, "revived")?;
        for one in &not_now {
            context.out.note(format!("{}: {}", one.job, one.why));
        }
        if left > 0 {
            context.out.note(
                "left: pauses and returns that were given up; tfx stream and tfx destination pause and resume now",
            );
        }
        match revived + hurried {
            0 if left == 0 && not_now.is_empty() => context.out.note("nothing was given up"),
            0 => {}
            _ => context.out.note("tfx alert log --follow shows what comes of it"),
        }
        Ok(())
    }
}
