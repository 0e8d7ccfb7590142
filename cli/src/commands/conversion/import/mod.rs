//! `tfx conversion import`: conversions of a file, each taken as what its network reports.

pub(crate) mod network;
mod read_as;
mod refused;
pub(crate) mod send;
mod state;
pub(crate) mod tally;

use crate::{
    commands::backup::stopped,
    complete,
    context::Context,
    exit::{Failure, Kind as FailureKind},
    output::Out,
    progress::RowMeter,
    prompt,
    rows::{Rows, mapping::Mapping},
};
use clap::{Args, ValueHint};
use indicatif::HumanBytes;
pub(crate) use read_as::ReadAs;
use refused::Refused;
use send::{Batch, Sender};
use state::{Before, State};
use std::path::{Path, PathBuf};
use tally::Tally;
use tfx_api::{
    Client,
    imports::{ImportRequest, ImportedRow},
};
use tfx_domain::{entity::Kind, event::PostbackResult};

/// So many rows are told of, of those that were refused, whose file has them all, and of the others.
const TOLD: u64 = 5;

/// Import conversions from a file: CSV with a header, or an object of JSON on each line.
///
/// Each row is taken as a postback of its network: read by the network's template, matched with its click, recorded under the
/// same keys, so that a row that comes again is a duplicate. It counts from its own time. Sources are told of nothing, unless
/// that is asked for. At a terminal it first shows what would become of the beginning of the file. Rows that are refused go,
/// as they stand there, into FILE.refused.csv, each with its line and the reason: what cannot be read, what no click is known of,
/// and what says otherwise than what stands and does not change it. Interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "Columns are found by the names of the network's template, else by click_id,\n\
    transaction_id, status, payout, currency, time, network and what postbacks call\n\
    them besides; --map says which is which where the file calls them otherwise.\n\
    A file that has all of these seven is an export of ours, whatever stands beside\n\
    them, and is read as it is, unless --map or --template says otherwise.\n\n\
    Examples:\n  \
    tfx conversion import may.csv --network adnet --dry-run\n  \
    tfx conversion import may.csv --network adnet --map click_id='Sub ID',time=At\n  \
    tfx conversion import export.csv --yes")]
pub(crate) struct Import {
    /// The file; - for standard input, which cannot be gone on with.
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Whose conversions they are, where no column says it.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// The template that reads them [default: the network's template 'default', if it has one].
    #[arg(long, value_name = "TEMPLATE", requires = "network")]
    template: Option<String>,
    #[command(flatten)]
    read: ReadAs,
    /// Only say what would become of each row.
    #[arg(long)]
    dry_run: bool,
    /// Have rows wait whose click is not known, as postbacks do; else they are refused.
    #[arg(long)]
    park: bool,
    /// Tell the sources of clicks what is imported.
    #[arg(long)]
    tell_sources: bool,
    /// Where refused rows go [default: FILE.refused.csv]; a file that is there stays.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    refused: Option<PathBuf>,
    /// From the beginning, though a part was imported: that counts once.
    #[arg(long)]
    restart: bool,
}

impl Import {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        let is_stdin = self.file == Path::new("-");
        if asks && (is_stdin || !prompt::possible()) {
            return Err(Failure::usage("importing needs a yes: give --yes")
                .hint("--dry-run says what would become of each row"));
        }
        let (mut rows, mut mapping) = self.read.open(&self.file, self.template.as_deref(), context.out)?;
        let client = context.client()?;
        if let (false, Some(network)) = (mapping.ours, &self.network) {
            mapping.template = network::template(&client, network, self.template.as_deref()).await?;
        }
        let has_network = self.read.check(&rows, &mapping, true, context.out)?;
        if !has_network && self.network.is_none() {
            return Err(Failure::usage("whose conversions are these? No column says it")
                .hint("--network NETWORK; tfx network list tells which there are"));
        }
        let asked = ImportRequest {
            network: self.network.clone(),
            template: self.template.clone(),
            ours: mapping.ours,
            park: self.park,
            tell_sources: self.tell_sources,
            dry_run: self.dry_run,
            file: name_for_audit(&self.file),
            rows: Vec::new(),
        };
        let keeps = !is_stdin && !self.dry_run;
        let mut job = Job::new(&self, context, &client, asked, keeps)?;
        if let Some(state) = job.under_way() {
            context.out.note(format!("goes on at line {}", state.at.line));
            rows.go_on(&self.file, state.at)?;
        }
        let length = job.under_way().and_then(|state| state.refused);
        let mut refused = match self.dry_run && self.refused.is_none() {
            true => None,
            false => {
                let stands_in = if is_stdin { Path::new("conversions") } else { &self.file };
                Some(Refused::new(self.refused.as_deref(), stands_in, &rows, length)?)
            }
        };
        if asks && !job.agreed(&mut rows, &mut mapping).await? {
            context.out.note("nothing was imported");
            return Ok(());
        }
        let ended = job.all(&mut rows, &mut mapping, refused.as_mut()).await;
        mapping.tell_unguarded(context.out);
        job.over(ended, refused.as_ref())
    }

    /// What of the options says what becomes of rows.
    fn options(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        said.extend(self.network.iter().map(|n| format!("--network {n}")));
        said.extend(self.template.iter().map(|t| format!("--template {t}")));
        said.extend(self.read.map.iter().map(|map| format!("--map {map}")));
        said.extend(
            self.read.timezone.iter().filter_map(|zone| Some(format!("--timezone {}", zone.iana_name()?))),
        );
        said.extend(self.park.then(|| "--park".to_owned()));
        said.extend(self.tell_sources.then(|| "--tell-sources".to_owned()));
        said.extend(self.refused.iter().map(|path| format!("--refused {}", path.display())));
        if said.is_empty() { "none".to_owned() } else { said.join(" ") }
    }
}

fn name_for_audit(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.chars().take(200).collect()
}

/// An import under way.
struct Job<'a> {
    file: &'a Path,
    out: Out,
    sender: Sender<'a>,
    asked: ImportRequest,
    /// How far it is, where that is kept, and what stands before that in the file.
    state: Option<(State, Before)>,
    tally: Tally,
    /// How many rows were told of: taken ones, refused ones.
    told: [u64; 2],
}

impl<'a> Job<'a> {
    fn new(
        import: &'a Import,
        context: &Context,
        client: &'a Client,
        asked: ImportRequest,
        keeps: bool,
    ) -> Result<Self, Failure> {
        let (file, mut state) = (import.file.as_path(), None);
        if keeps {
            let (new, mut before) = (State::new(file, import.options())?, Before::new(file)?);
            let kept = if import.restart { None } else { State::kept(file, &new, &mut before)? };
            state = Some((kept.unwrap_or(new), before));
        }
        let tally = state.as_ref().map(|(state, _)| state.tally.clone()).unwrap_or_default();
        let sender = Sender::new(client, context.out);
        Ok(Self { file, out: context.out, sender, asked, state, tally, told: [0; 2] })
    }

    /// How far it is, if a part was taken already.
    fn under_way(&self) -> Option<&State> {
        self.state.as_ref().map(|(state, _)| state).filter(|state| state.at.line > 0)
    }

    /// Shows what would become of the rows that come first, and asks.
    async fn agreed(&mut self, rows: &mut Rows, mapping: &mut Mapping) -> Result<bool, Failure> {
        let begins = rows.place();
        let first = send::next(rows, mapping, |_| true)?;
        let (mut tally, mut n) = (Tally::default(), 0);
        if let Some(Batch { rows: first, .. }) = &first {
            let asked = ImportRequest { dry_run: true, ..self.asked.clone() };
            for (row, became) in first.iter().zip(self.sender.send(&asked, first).await?) {
                n += 1;
                self.tell(row.0.line, &became);
                tally.add(&became);
            }
        }
        self.told = [0; 2];
        let size = rows.size.map_or_else(String::new, |size| format!(" of {}", HumanBytes(size)));
        rows.go_on(self.file, begins)?;
        mapping.begins_again();
        tally.print(self.out)?;
        let which = if n == 1 { "the first row".to_owned() } else { format!("the first {n} rows") };
        self.out.note(format!("this would become of {which}"));
        prompt::confirm(&format!("import {}{size}?", self.file.display()), false)
    }

    fn tell(&mut self, line: u64, became: &ImportedRow) {
        // A second report of the same, and a word that is to be ignored, are as they should be.
        let is_plain = matches!(
            became.result,
            PostbackResult::Duplicate | PostbackResult::Ignored | PostbackResult::Parked
        ) && !became.is_refused();
        let told = &mut self.told[usize::from(became.is_refused())];
        if !became.reason.is_empty() && !is_plain && *told < TOLD {
            *told += 1;
            self.out.note(format!("line {line}: {}: {}", became.result.as_str(), became.reason));
        }
    }

    /// Imports everything that is left.
    async fn all(
        &mut self,
        rows: &mut Rows,
        mapping: &mut Mapping,
        mut refused: Option<&mut Refused>,
    ) -> Result<(), Failure> {
        let mut meter = RowMeter::new(self.out.quiet, rows.place().offset, rows.size);
        let mut done = 0;
        let stop = stopped();
        tokio::pin!(stop);
        let ended = loop {
            let batch = match send::next(rows, mapping, |_| true) {
                Ok(Some(batch)) => batch,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            };
            let sent = tokio::select! {
                sent = self.sender.send(&self.asked, &batch.rows) => sent,
                () = &mut stop => Err(Failure::interrupted()),
            };
            let taken = sent.and_then(|became| self.took(&batch, &became, refused.as_deref_mut()));
            if let Err(failure) = taken {
                break Err(failure);
            }
            done += batch.rows.len() as u64;
            meter.at(done, batch.end.offset, rows.size);
        };
        meter.end();
        ended
    }

    /// Notes what became of a batch.
    fn took(
        &mut self,
        batch: &Batch,
        became: &[ImportedRow],
        refused: Option<&mut Refused>,
    ) -> Result<(), Failure> {
        let mut length = None;
        if let Some(refused) = refused {
            for ((row, _), became) in batch.rows.iter().zip(became).filter(|(_, b)| b.is_refused()) {
                refused.add(row, &became.reason)?;
            }
            length = refused.sync()?;
        }
        for ((row, _), became) in batch.rows.iter().zip(became) {
            self.tell(row.line, became);
            self.tally.add(became);
        }
        if let Some((state, before)) = &mut self.state {
            state.at = batch.end;
            state.before = Some(before.hash(batch.end)?);
            state.tally.clone_from(&self.tally);
            state.refused = length;
            state.keep(self.file)?;
        }
        Ok(())
    }

    /// Says what became of it all.
    fn over(self, ended: Result<(), Failure>, refused: Option<&Refused>) -> Result<(), Failure> {
        if let Err(failure) = ended {
            if self.tally.rows() > 0 {
                self.tally.print(self.out)?;
            }
            let Some(state) = self.under_way() else {
                return Err(failure);
            };
            let hint = match failure.kind {
                FailureKind::Usage => {
                    "what stands before was imported; mended, --restart imports the file again, and counts nothing twice"
                        .to_owned()
                }
                _ => format!("the same command goes on at line {}", state.at.line),
            };
            return Err(failure.hint(hint));
        }
        if self.state.is_some() {
            State::forget(self.file);
        }
        self.tally.print(self.out)?;
        let (rows, not_taken) = (self.tally.rows(), self.tally.refused());
        if self.asked.dry_run {
            self.out.note(
                "nothing was imported; a row that repeats one more than 1,000 rows before is told as new",
            );
        }
        if not_taken == 0 {
            return Ok(());
        }
        let were = if self.asked.dry_run { "would be" } else { "were" };
        let failure = Failure::failed(format!("{not_taken} of {rows} rows {were} refused"));
        Err(match refused {
            Some(refused) => {
                let path = refused.path.display();
                failure.hint(format!(
                    "{path} has them, each with the reason; mended there, it is imported as any file"
                ))
            }
            None => failure.hint("--refused FILE keeps them, each with the reason"),
        })
    }
}
