//! `tfx alert`: rules that say when something is not as it should be, and what becomes of it.

mod arm;
mod log;
mod retry;
mod test;

use super::entity::{EntityCommand, Fields, Named, Need, NoParent, NothingReady, Noun, Spec, put};
use crate::{complete, context::Context, exit::Failure, input, when};
use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::Value;
use tfx_api::report::{Dimension, ReportFilter};
use tfx_domain::{alert::Condition, entity::Kind, money::Currency};

/// Alert rules.
#[derive(Debug)]
pub(crate) struct Alert;

impl Noun for Alert {
    const KIND: Kind = Kind::Alert;
    type Fields = AlertFields;
    type Parent = NoParent;
    type Ready = NothingReady;
    const EXAMPLES: &'static str = "Conditions: figures of tfx report over the window (cr, clicks), since midnight\n\
        (spend_today) or over another time (clicks(15m)); avg(7d): what the figure\n\
        before it was in the 7 days before the window; + - * / < <= > >= = !=, and, or;\n\
        'destination down', 'postbacks silent for 2h', 'ingestion errors > 0'.\n\n\
        Examples:\n  \
        tfx alert create --when 'cr < 0.5 * avg(7d)' --by campaign \\\n    \
        --min-clicks 200 --for 10m --to slack:https://hooks.slack.com/services/T/B/X\n  \
        tfx alert create --name Spent --when 'spend_today > 200' \\\n    \
        --to mail:anna@example.com\n  \
        tfx alert create --name Down --when 'destination down' \\\n    \
        --to telegram:-1001234 --quiet-hours 23:00-07:00 --timezone Europe/Berlin\n  \
        tfx alert create --name Stop --when 'roi < -50 and clicks > 300' --by stream \\\n    \
        --window 6h --do pause-stream --dry-run --return-after 2h\n  \
        tfx alert create -f rule.yaml";
    const NEEDS: &'static [Need] = &[Need {
        question: "Condition, such as spend_today > 200",
        flag: "--when",
        met: |spec| spec.contains_key("when"),
        check: |text| text.parse::<Condition>().map(|_| ()).map_err(|e| e.to_string()),
        put: |spec, text| {
            spec.insert("when".to_owned(), text.into());
        },
    }];

    fn next(created: &Value) -> Vec<String> {
        let slug = created["slug"].as_str().unwrap_or_default();
        let mut next =
            vec![format!("next: tfx alert test {slug} shows what it finds now, and what it would tell")];
        if created["action"].is_string() && created["armed"] != true {
            next.push(format!(
                "      tfx alert arm {slug} lets it pause, when the dry run shows what it should"
            ));
        }
        next
    }
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    PauseStream,
    PauseDestination,
}

/// The fields of an alert rule.
#[derive(Debug, Args)]
pub(crate) struct AlertFields {
    #[command(flatten)]
    named: Named,
    /// The condition: 'cr < 0.5 * avg(7d)', 'spend_today > 200', 'destination down' …; its name where none is given.
    #[arg(long, value_name = "CONDITION")]
    when: Option<String>,
    /// Look at each of these by itself: campaign, destination, network, country … [default: all together].
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', add = complete::dimensions(""))]
    by: Vec<Dimension>,
    /// What must hold of every counted event: country=US,CA or bot!=true; may be repeated.
    #[arg(long = "where", value_name = "DIMENSION=VALUES", add = complete::dimensions("="))]
    conditions: Vec<ReportFilter>,
    /// The time up to now that figures are taken over: 15m, 2h, 1d [default: 1h].
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    window: Option<u64>,
    /// With fewer clicks in the window figures say nothing [default: 0].
    #[arg(long, value_name = "N", value_parser = input::number::<u64>)]
    min_clicks: Option<u64>,
    /// How long the condition must hold before it fires [default: 0s].
    #[arg(long = "for", value_name = "LENGTH", value_parser = when::span)]
    hold: Option<u64>,
    /// How long it must not hold before it is cleared [default: 5m].
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    clear: Option<u64>,
    /// Tell it, too, when there was no data for so long [default: it is only shown].
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    no_data_after: Option<u64>,
    /// When nothing is told: 22:00-08:00, 'sat,sun'; what still holds then is told after it; may be repeated.
    #[arg(long, value_name = "WINDOW")]
    quiet_hours: Vec<String>,
    /// The time zone of today and of quiet hours [default: UTC].
    #[arg(long, value_name = "ZONE", value_parser = when::zone)]
    timezone: Option<TimeZone>,
    /// The currency of amounts [default: USD].
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// Who is told: webhook:URL, slack:URL, telegram:CHAT or mail:ADDRESS; may be repeated.
    #[arg(long, value_name = "CHANNEL", add = complete::words(["webhook", "slack", "telegram", "mail"], ":"))]
    to: Vec<String>,
    /// What is done about it; begins with a dry run, until 'tfx alert arm'.
    #[arg(long = "do", value_name = "ACTION", value_enum)]
    action: Option<Action>,
    /// The stream that is paused [default: that of the group].
    #[arg(long, value_name = "CAMPAIGN/STREAM", add = complete::of(Kind::Stream))]
    stream: Option<String>,
    /// The destination that is paused [default: that of the group].
    #[arg(long, value_name = "DESTINATION", add = complete::of(Kind::Destination))]
    destination: Option<String>,
    /// How long after the condition last held it goes on at the latest, if nobody has touched it [default: when the alert
    /// is cleared].
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    return_after: Option<u64>,
    /// Only say what would be done, as every rule begins.
    #[arg(long)]
    dry_run: bool,
}

impl Fields for AlertFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        self.named.put(spec)?;
        put(spec, "when", self.when.as_ref())?;
        if !self.by.is_empty() {
            put(spec, "by", Some(&self.by))?;
        }
        if !self.conditions.is_empty() {
            put(spec, "filters", Some(&self.conditions))?;
        }
        put(spec, "window_s", self.window.as_ref())?;
        put(spec, "min_clicks", self.min_clicks.as_ref())?;
        put(spec, "for_s", self.hold.as_ref())?;
        put(spec, "clear_s", self.clear.as_ref())?;
        put(spec, "no_data_after_s", self.no_data_after.as_ref())?;
        if !self.quiet_hours.is_empty() {
            put(spec, "quiet", Some(&self.quiet_hours))?;
        }
        put(spec, "timezone", self.timezone.as_ref().and_then(TimeZone::iana_name).as_ref())?;
        put(spec, "currency", self.currency.as_ref())?;
        if !self.to.is_empty() {
            put(spec, "channels", Some(&self.to))?;
        }
        let action = self.action.map(|action| match action {
            Action::PauseStream => "pause_stream",
            Action::PauseDestination => "pause_destination",
        });
        put(spec, "action", action.as_ref())?;
        put(spec, "stream", self.stream.as_ref())?;
        put(spec, "destination", self.destination.as_ref())?;
        put(spec, "return_after_s", self.return_after.as_ref())?;
        if self.dry_run {
            put(spec, "armed", Some(&false))?;
        }
        Ok(())
    }
}

/// What is done with alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    #[command(flatten)]
    Entity(Box<EntityCommand<Alert>>),
    /// Let an alert really pause what it has only said it would; --off ends that.
    Arm(arm::Arm),
    /// Look at an alert now, and show what it would tell; --send really tries its channels.
    Test(test::Test),
    /// List what happened to alerts, newest first: fired, cleared, told, paused.
    Log(log::Log),
    /// Send notices again that were given up, or now those that wait for their next try.
    Retry(retry::Retry),
}

impl AlertCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Entity(command) => command.run(context).await,
            Self::Arm(command) => command.run(context).await,
            Self::Test(command) => command.run(context).await,
            Self::Log(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
        }
    }
}
