//! `tfx erase`: removes a person from everything the installation keeps, with a receipt.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Format, Listing},
    prompt,
};
use clap::{ArgGroup, Args};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tfx_api::{
    ApiError, Client,
    erasure::{ErasureReceipt, ErasureRequest},
};
use tfx_domain::id::{ClickId, VisitorId};
use tokio::time::sleep;

/// Pause between looks at how far it is.
const EVERY: Duration = Duration::from_millis(250);
/// How long a service that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Erase a person, for good.
///
/// Clicks are removed; of conversions, of lines of the postback log and of reports only what tells of the person: money and
/// its sums stay. Parked postbacks and what sources were still to be told of the person go too. Services may run. What was
/// done after the command began is not touched. docs/operations.md says what is lost, and what cannot be erased.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("whom").required(true),
    after_help = "Examples:\n  \
        tfx erase --click 01KBB6X7T40000000000000000 --dry-run\n  \
        tfx erase --visitor 0123456789abcdef0123456789abcdef --receipt erased.json\n  \
        tfx erase --ip 203.0.113.9 --dry-run\n  \
        tfx erase --again --yes"
)]
pub(crate) struct Erase {
    /// Everything of a visitor.
    #[arg(long, value_name = "ID", group = "whom")]
    visitor: Option<VisitorId>,
    /// Everything of whoever this click is of.
    #[arg(long, value_name = "ID", group = "whom")]
    click: Option<ClickId>,
    /// All clicks from an address, whoever's they are, and what became of them.
    #[arg(long, value_name = "ADDRESS", group = "whom", value_parser = address)]
    ip: Option<IpAddr>,
    /// With --ip: also where addresses are kept cut short (IP_STORAGE=truncated), and everybody of the same range goes too.
    #[arg(long, requires = "ip")]
    whole_range: bool,
    /// Everybody who was erased and may have come back: out of topics that were read again, or an old journal.
    #[arg(long, group = "whom")]
    again: bool,
    /// Only say how much there is.
    #[arg(long)]
    dry_run: bool,
    /// Where the receipt is written, as JSON; a file that is there stays.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl Erase {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("erasing a person needs a yes: give --yes")
                .hint("--dry-run says how much there is"));
        }
        let client = context.client()?;
        let mut request = ErasureRequest {
            visitor: self.visitor.map(|id| id.to_string()),
            click: self.click.map(|id| id.to_string()),
            ip: self.ip.map(|ip| ip.to_string()),
            whole_range: self.whole_range,
            again: self.again,
            dry_run: true,
        };
        if asks {
            let found = ended(&client, &request).await?;
            refused(&found)?;
            rows(context, &found)?;
            self.of_range(context, &found);
            if found.range.is_some() && !self.whole_range {
                return Err(Failure::new(
                    Kind::Conflict,
                    "the address is stored as many others are, and nothing was erased",
                )
                .hint("--whole-range erases all of the range; --visitor or --click names a person alone"));
            }
            if !prompt::confirm(&question(&found), false)? {
                context.out.note("nothing was erased");
                return Ok(());
            }
        }
        let file = self.receipt.as_deref().map(new_file).transpose()?;
        request.dry_run = self.dry_run;
        let receipt = ended(&client, &request).await;
        if let (Err(_), Some(path)) = (&receipt, &self.receipt) {
            // It says nothing.
            let _ = std::fs::remove_file(path);
        }
        let receipt = receipt?;
        if let (Some(mut file), Some(path)) = (file, &self.receipt) {
            let text = serde_json::to_string_pretty(&receipt).map_err(Failure::failed)?;
            let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
            written.map_err(|e| Failure::failed(format!("{} cannot be written: {e}", path.display())))?;
        }
        refused(&receipt)?;
        print(context, &receipt)?;
        self.of_range(context, &receipt);
        context.out.note(match receipt.total() {
            _ if receipt.dry_run => "nothing was erased".to_owned(),
            0 => "nothing more was found".to_owned(),
            1 => "1 row was erased".to_owned(),
            rows => format!("{rows} rows were erased"),
        });
        if let Some(path) = &self.receipt {
            context.out.note(format!("the receipt is in {}", path.display()));
        }
        if receipt.missing.is_empty() {
            return Ok(());
        }
        let what = receipt.missing.join("; ");
        let said = if receipt.dry_run { "not all could be looked at" } else { "not all could be erased" };
        Err(Failure::failed(format!("{said}: {what}"))
            .hint("the same command again, when that is mended, erases the rest"))
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "is no address, such as 203.0.113.9 or 2001:db8::1".to_owned())
}

impl Erase {
    /// Says whose clicks go with his.
    fn of_range(&self, context: &Context, receipt: &ErasureReceipt) {
        let (Some(range), Some(ip)) = (&receipt.range, self.ip) else { return };
        let needs = if self.whole_range { "" } else { "; erasing them needs --whole-range" };
        context.out.note(format!(
            "warning: addresses are kept cut short (IP_STORAGE=truncated): {ip} is stored as all of {} is, and {} clicks are of \
             that range, of others too{needs}",
            network(ip, range.bits),
            range.clicks
        ));
    }
}

/// The range of addresses that have so many leading bits in common: `203.0.113.0/24`.
fn network(ip: IpAddr, bits: u8) -> String {
    let bits = u32::from(bits);
    let first = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::from((u32::from(ip) & mask).to_be_bytes())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::from((u128::from(ip) & mask).to_be_bytes())
        }
    };
    format!("{first}/{bits}")
}

/// A file that is not there, for nobody else to read.
fn new_file(path: &Path) -> Result<File, Failure> {
    if path.is_dir() {
        return Err(Failure::usage(format!("{} is a folder: --receipt names a new file", path.display())));
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Failure::new(Kind::Conflict, format!("{} is there already, and stays", path.display()))
                .hint("--receipt names a new file")
        }
        ErrorKind::NotFound => Failure::usage(format!("the folder of {} is not there", path.display())),
        _ => Failure::failed(format!("{} cannot be made: {e}", path.display())),
    })
}

fn question(found: &ErasureReceipt) -> String {
    let of = match found.visitors {
        0 | 1 => String::new(),
        many => format!(" of {many} visitors"),
    };
    format!("Erase {} rows{of} for good?", found.total())
}

/// Why nothing was done.
fn refused(receipt: &ErasureReceipt) -> Result<(), Failure> {
    let Some(refused) = &receipt.refused else { return Ok(()) };
    let kind = if refused.code == "not_found" { Kind::NotFound } else { Kind::Failed };
    let missing = receipt.missing.iter().map(|why| format!("; {why}")).collect::<String>();
    let mut failure = Failure::new(kind, format!("{}{missing}", refused.detail));
    failure.code = Some(refused.code.clone());
    Err(failure)
}

/// Begins it, and waits for its end.
async fn ended(client: &Client, request: &ErasureRequest) -> Result<ErasureReceipt, Failure> {
    let begun = client.erase(request).await?;
    let mut heard = Instant::now();
    loop {
        let status = match client.erasures().await {
            Ok(status) => status,
            // It goes on there, whether somebody looks or not.
            Err(ApiError::Unreachable { .. } | ApiError::Timeout { .. }) if heard.elapsed() < PATIENCE => {
                sleep(EVERY).await;
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        heard = Instant::now();
        let same = |receipt: &ErasureReceipt| receipt.id == begun.id && receipt.asked_at == begun.asked_at;
        if let Some(receipt) = status.last.filter(same) {
            return Ok(receipt);
        }
        if !status.running.as_ref().is_some_and(same) {
            let why = "api-service was started anew meanwhile, and erases no more";
            return Err(Failure::failed(why).hint("what was erased stays so; the same command goes on"));
        }
        sleep(EVERY).await;
    }
}

fn rows(context: &Context, receipt: &ErasureReceipt) -> Result<(), Failure> {
    let columns = vec![
        Column::text("store", "store"),
        Column::text("what", "what"),
        Column::text("how", "how"),
        Column::number("rows", "rows"),
    ];
    let row = |row: &tfx_api::erasure::ErasedRows| json!({ "store": row.store, "what": row.what, "how": row.how, "rows": row.rows });
    context.out.rows(&Listing { columns, rows: receipt.rows.iter().map(row).collect(), name: "what" })
}

fn print(context: &Context, receipt: &ErasureReceipt) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        let item = serde_json::to_value(receipt).map_err(Failure::failed)?;
        return context.out.item(&item, &[], "");
    }
    rows(context, receipt)?;
    for topic in &receipt.topics {
        let until = match topic.until {
            Some(until) => format!("until {} at least", crate::when::shown(&until.to_string())),
            None => "for ever, or as the brokers do not say".to_owned(),
        };
        context.out.note(format!("topic {} holds it {until}", topic.topic));
    }
    for what in &receipt.left {
        context.out.note(format!("not erased: {what}"));
    }
    Ok(())
}
