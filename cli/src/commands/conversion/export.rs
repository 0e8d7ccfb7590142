//! `tfx conversion export`: conversions as a file that `tfx conversion import` reads.

use super::import::tally::sums;
use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind as FailureKind},
    output::guarded,
    rows::mapping::OURS,
    when::Window,
};
use clap::{Args, ValueEnum, ValueHint};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;
use tfx_api::{
    Labels,
    conversions::{Conversion, ConversionQuery, ConversionStatus},
};
use tfx_domain::{
    entity::Kind,
    money::{Currency, Total},
};

const PAGE: usize = 1_000;

/// Export conversions into a file, the newest first; 'tfx conversion import' reads it.
///
/// It has who reported each, its click, transaction, status, payout, currency and time, in our own words. Tests are left out. In
/// CSV an apostrophe stands before what a spreadsheet would run; importing takes it off again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx conversion export may.csv --network adnet --since lastmonth\n  \
    tfx conversion export - --format jsonl | jq .payout")]
pub(crate) struct Export {
    /// The file, which must not be there yet; - for standard output.
    #[arg(value_name = "FILE|-", default_value = "-", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// How it is written [default: jsonl for a file that ends so, else csv].
    #[arg(long)]
    format: Option<ExportFormat>,
    #[command(flatten)]
    window: Window,
    /// Only reported by this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only of this campaign.
    #[arg(long, value_name = "CAMPAIGN", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
    /// Only with this status.
    #[arg(long)]
    status: Option<ConversionStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    // With a header line.
    Csv,
    // An object per line.
    Jsonl,
}

impl Export {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let to_stdout = self.file == Path::new("-");
        if !to_stdout && self.file.exists() {
            let name = self.file.display();
            return Err(Failure::usage(format!("{name} is there already, and stays as it is"))
                .hint("name a file that is not there"));
        }
        let by_name = self.file.extension().is_some_and(|e| e == "jsonl" || e == "ndjson");
        let format = self.format.unwrap_or(if by_name { ExportFormat::Jsonl } else { ExportFormat::Csv });
        if to_stdout {
            let mut out = BufWriter::new(io::stdout().lock());
            let written = self.write(context, format, &mut out).await?;
            out.flush()?;
            written.tell(context, "standard output");
            return Ok(());
        }
        let name = self.file.display().to_string();
        let bad = |e: io::Error| Failure::failed(format!("{name} cannot be written: {e}"));
        let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder).map_err(bad)?;
        let mut out = BufWriter::new(file);
        let written = tokio::select! {
            written = self.write(context, format, &mut out) => written?,
            () = crate::commands::backup::stopped() => return Err(Failure::interrupted().hint("no file was made")),
        };
        let file = out.into_inner().map_err(|e| bad(e.into_error()))?;
        file.as_file().sync_all().map_err(bad)?;
        file.persist_noclobber(&self.file).map_err(|e| bad(e.error))?;
        written.tell(context, &name);
        Ok(())
    }

    async fn write(
        &self,
        context: &Context,
        format: ExportFormat,
        out: &mut impl Write,
    ) -> Result<Written, Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let mut query = ConversionQuery {
            since,
            until,
            campaign: self.campaign.clone(),
            network: self.network.clone(),
            status: self.status.clone(),
            limit: Some(PAGE),
            ..ConversionQuery::default()
        };
        let mut written = Written::default();
        let mut csv = csv::Writer::from_writer(Vec::new());
        if format == ExportFormat::Csv {
            csv.write_record(OURS).map_err(Failure::failed)?;
        }
        loop {
            let page = client.conversions(&query).await.map_err(|e| {
                Failure::from(e).hint_if_missing("tfx campaign list and tfx network list tell what there is")
            })?;
            for conversion in &page.items {
                let cells = cells(conversion, &page.labels).ok_or_else(not_shown)?;
                written.add(conversion);
                match format {
                    ExportFormat::Csv => {
                        csv.write_record(cells.map(|cell| guarded(&cell))).map_err(Failure::failed)?;
                    }
                    ExportFormat::Jsonl => {
                        let object: Map<String, Value> =
                            OURS.iter().map(|name| (*name).to_owned()).zip(cells.map(Value::from)).collect();
                        writeln!(out, "{}", Value::Object(object))?;
                    }
                }
            }
            csv.flush()?;
            out.write_all(csv.get_ref())?;
            csv = csv::Writer::from_writer(Vec::new());
            context.out.left_out(&page.left_out);
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(written);
            }
        }
    }
}

/// The token may not see money.
pub(crate) fn not_shown() -> Failure {
    Failure::new(FailureKind::Denied, "this token does not see what conversions bring")
        .hint("a token with the scope read:money does")
}

/// What stands in a row, in the order of [`OURS`]; none where money is not shown.
fn cells(c: &Conversion, labels: &Labels) -> Option<[String; OURS.len()]> {
    let revenue = c.revenue?;
    let network = labels.get(c.network.as_str()).cloned().unwrap_or_else(|| c.network.to_string());
    Some([
        network,
        c.click_id.to_string(),
        c.transaction_id.clone().unwrap_or_default(),
        c.status.to_string(),
        revenue.amount.to_string(),
        revenue.currency.to_string(),
        c.created_at.to_string(),
    ])
}

/// What was written.
#[derive(Default)]
struct Written {
    conversions: u64,
    sums: BTreeMap<Currency, Total>,
}

impl Written {
    fn add(&mut self, c: &Conversion) {
        self.conversions += 1;
        if let Some(money) = c.revenue {
            *self.sums.entry(money.currency).or_default() += money.amount;
        }
    }

    fn tell(&self, context: &Context, name: &str) {
        let Self { conversions, sums: brought } = self;
        let of = if brought.is_empty() { String::new() } else { format!(" of {}", sums(brought)) };
        let many = if *conversions == 1 { "" } else { "s" };
        context.out.note(format!("{conversions} conversion{many}{of} in {name}"));
    }
}
