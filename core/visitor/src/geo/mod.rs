//! Where addresses are: databases in MaxMind format, read into memory and read anew when their files change.
//!
//! They are held in memory rather than mapped: a mapped file that somebody truncates kills the process, and a replaced
//! one must not be seen in part. A database that cannot be read leaves the one before in use, or the facts unknown.
//!
//! Without a setting, the databases that lie in the data folder are used: `*.mmdb` in it or in its folder `geo`.

mod check;
mod record;
mod watch;

pub use check::KnownFacts;

use arc_swap::ArcSwap;
use check::{SampleFindings, look};
use maxminddb::{MaxMindDbError, Reader};
use quick_cache::sync::Cache;
use record::{Record, complete};
use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tfx_domain::routing::Geo;
use tfx_ports::files::read_plain;
use tfx_settings::GeoSettings;

/// Databases there may be.
const SLOTS: usize = 4;
/// Distinct records remembered.
const REMEMBERED: usize = 20_000;
/// What stands for the setting of a database that was found in the data folder.
const FOUND: &str = "TFX_DATA_DIR";

/// A file as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(Self { modified: meta.modified().ok(), bytes: meta.len() })
    }
}

/// Why a database is not used.
#[derive(Debug, thiserror::Error)]
enum GeoError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("is no usable database: {0}")]
    Broken(#[from] MaxMindDbError),
    #[error("is no usable database: it {0}")]
    Useless(String),
}

/// A database.
#[derive(Clone)]
struct Database {
    setting: &'static str,
    path: PathBuf,
    /// The last that could be read.
    reader: Option<Arc<Reader<Vec<u8>>>>,
    /// What that one knows.
    known: KnownFacts,
    /// The file when it was last tried; none: it could not even be looked at.
    tried: Option<Stamp>,
    /// Why the file as it is now is not used, or what is wrong with it.
    problem: Option<String>,
}

/// All of them, with the records found so far.
struct Databases {
    all: Vec<Database>,
    /// Places in each database's data → what stands there, all put together. Many addresses share one record.
    found: Cache<[u32; SLOTS], Arc<Geo>>,
}

/// Where addresses are.
pub struct GeoReader {
    current: ArcSwap<Databases>,
    unknown: Arc<Geo>,
    /// Where databases are looked for that no setting names.
    data_dir: PathBuf,
    /// Whether that is so: no setting names any.
    looked_for: bool,
}

/// How the databases are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeoState {
    /// There is none.
    None,
    /// All are read; what they are.
    Ready(String),
    /// Something is wrong with these.
    Problems(String),
}

impl GeoReader {
    /// Reads the configured databases, or those in the data folder. What is wrong with one is told in the log and in
    /// [`GeoReader::state`].
    pub fn open(settings: &GeoSettings, data_dir: &Path) -> Self {
        let configured = [
            ("GEOIP_CITY_DB", &settings.city),
            ("GEOIP_COUNTRY_DB", &settings.country),
            ("GEOIP_ASN_DB", &settings.asn),
            ("GEOIP_CONNECTION_DB", &settings.connection),
        ];
        let named = configured.into_iter().filter_map(|(setting, path)| Some((setting, path.clone()?)));
        let mut all: Vec<Database> = named.map(|(setting, path)| Database::open(setting, path)).collect();
        let looked_for = all.is_empty();
        if looked_for {
            all.extend(lying_in(data_dir).into_iter().map(|path| Database::open(FOUND, path)));
        }
        let current = ArcSwap::from_pointee(Databases::of(all));
        Self { current, unknown: Arc::default(), data_dir: data_dir.to_owned(), looked_for }
    }

    /// What is known of an address.
    pub fn lookup(&self, ip: IpAddr) -> Arc<Geo> {
        let databases = self.current.load();
        if databases.all.is_empty() { Arc::clone(&self.unknown) } else { databases.lookup(ip, &self.unknown) }
    }

    /// The facts that are known of some address.
    pub fn known(&self) -> KnownFacts {
        self.current.load().all.iter().fold(KnownFacts::default(), |known, d| known.or(d.known))
    }

    /// Where databases are looked for that no setting names.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// How the databases are.
    pub fn state(&self) -> GeoState {
        let databases = self.current.load();
        if databases.all.is_empty() {
            return GeoState::None;
        }
        let problem =
            |d: &Database| Some(format!("{} {} {}", d.setting, d.path.display(), d.problem.as_deref()?));
        let problems: Vec<String> = databases.all.iter().filter_map(problem).collect();
        if !problems.is_empty() {
            return GeoState::Problems(problems.join("; "));
        }
        let about = |d: &Database| {
            let kind = d.reader.as_ref().map_or("", |r| r.metadata().database_type.as_str());
            match d.setting {
                FOUND => format!("{} {kind}", d.path.display()),
                setting => format!("{setting} {kind}"),
            }
        };
        GeoState::Ready(databases.all.iter().map(about).collect::<Vec<_>>().join(", "))
    }
}

/// The databases in the data folder, those with most to say first: one of cities, then one of countries.
fn lying_in(data_dir: &Path) -> Vec<PathBuf> {
    let files = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|e| e == "mmdb") && path.is_file();
    let mut found: Vec<PathBuf> =
        files(data_dir.to_owned()).chain(files(data_dir.join("geo"))).filter(is_database).collect();
    found.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        (!name.contains("city"), !name.contains("country"), path.clone())
    });
    found.truncate(SLOTS);
    found
}

impl Database {
    fn open(setting: &'static str, path: PathBuf) -> Self {
        let known = KnownFacts::default();
        let mut database = Self { setting, path, reader: None, known, tried: None, problem: None };
        database.read();
        database
    }

    /// Reads the file as it is now.
    fn read(&mut self) {
        self.tried = Stamp::of(&self.path).ok();
        let (setting, path) = (self.setting, self.path.display());
        let read = || -> Result<(Reader<Vec<u8>>, SampleFindings), GeoError> {
            let reader = Reader::from_source(read_plain(&self.path, u64::MAX)?)?;
            match look(&reader, setting) {
                SampleFindings { useless: true, problem, .. } => {
                    Err(GeoError::Useless(problem.unwrap_or_default()))
                }
                found => Ok((reader, found)),
            }
        };
        match read() {
            Ok((reader, found)) => {
                let kind = reader.metadata().database_type.as_str();
                tracing::info!(setting, %path, kind, knows = found.known.names().join(" "), "geo database read");
                if let Some(problem) = &found.problem {
                    tracing::warn!(setting, %path, problem, "geo database is read, but something is wrong with it");
                }
                self.reader = Some(Arc::new(reader));
                self.known = found.known;
                self.problem = found.problem;
            }
            Err(error) => {
                let in_use = self.reader.is_some();
                tracing::warn!(setting, %path, %error, in_use, "geo database not read; in_use tells of the one before");
                let then = if in_use { "; the one before is used" } else { "; its facts are unknown" };
                self.problem = Some(format!("{error}{then}"));
            }
        }
    }
}

impl Databases {
    fn of(all: Vec<Database>) -> Self {
        Self { all, found: Cache::new(REMEMBERED) }
    }

    fn lookup(&self, ip: IpAddr, unknown: &Arc<Geo>) -> Arc<Geo> {
        let mut places = [0; SLOTS];
        for (place, database) in places.iter_mut().zip(&self.all) {
            *place = database.reader.as_ref().and_then(|r| find(r, ip)).map_or(0, |(place, _)| place);
        }
        if places == [0; SLOTS] {
            return Arc::clone(unknown);
        }
        if let Some(geo) = self.found.get(&places) {
            return geo;
        }
        let mut geo = Geo::default();
        for database in &self.all {
            // What cannot be decoded is unknown.
            if let Some((_, Some(record))) = database
                .reader
                .as_ref()
                .and_then(|r| find(r, ip))
                .map(|(p, found)| (p, found.decode::<Record>().ok().flatten()))
            {
                record.fill(&mut geo);
            }
        }
        complete(&mut geo);
        let geo = Arc::new(geo);
        self.found.insert(places, Arc::clone(&geo));
        geo
    }
}

/// The record of an address: its place, counted from 1.
fn find(reader: &Reader<Vec<u8>>, ip: IpAddr) -> Option<(u32, maxminddb::LookupResult<'_, Vec<u8>>)> {
    let found = reader.lookup(ip).ok()?;
    let place = u32::try_from(found.offset()?).ok()?.checked_add(1)?;
    Some((place, found))
}
