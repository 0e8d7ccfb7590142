//! Where addresses are: databases in MaxMind format, read into memory and read anew when their files change.
//!
//! They are held in memory rather than mapped: a mapped file that somebody truncates kills the process, and a replaced
//! one must not be seen in part. A database that cannot be read leaves the one before in use, or the facts unknown.

mod record;
mod watch;

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, Reader};
use quick_cache::sync::Cache;
use record::Record;
use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tfx_domain::routing::Geo;
use tfx_settings::GeoSettings;

/// Databases there may be.
const SLOTS: usize = 4;
/// Distinct records remembered.
const REMEMBERED: usize = 20_000;

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
}

/// A configured database.
#[derive(Clone)]
struct Database {
    setting: &'static str,
    path: PathBuf,
    /// The last that could be read.
    reader: Option<Arc<Reader<Vec<u8>>>>,
    /// The file when it was last tried; none: it could not even be looked at.
    tried: Option<Stamp>,
    /// Why the file as it is now is not used.
    problem: Option<String>,
}

/// All of them, with the records found so far.
struct Databases {
    all: Vec<Database>,
    /// Places in each database's data → what stands there, all put together. Many addresses share one record.
    found: Cache<[u32; SLOTS], Arc<Geo>>,
}

/// Where addresses are.
pub(crate) struct GeoReader {
    current: ArcSwap<Databases>,
    unknown: Arc<Geo>,
}

/// How the databases are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeoState {
    /// None is configured.
    None,
    /// All are read; what they are.
    Ready(String),
    /// Something is wrong with these.
    Problems(String),
}

impl GeoReader {
    /// Reads the configured databases. One that cannot be read is told in the log and in [`GeoReader::state`].
    pub(crate) fn open(settings: &GeoSettings) -> Self {
        let configured = [
            ("GEOIP_CITY_DB", &settings.city),
            ("GEOIP_COUNTRY_DB", &settings.country),
            ("GEOIP_ASN_DB", &settings.asn),
            ("GEOIP_CONNECTION_DB", &settings.connection),
        ];
        let named = configured.into_iter().filter_map(|(setting, path)| Some((setting, path.clone()?)));
        let all = named.map(|(setting, path)| Database::open(setting, path)).collect();
        Self { current: ArcSwap::from_pointee(Databases::of(all)), unknown: Arc::default() }
    }

    /// What is known of an address.
    pub(crate) fn lookup(&self, ip: IpAddr) -> Arc<Geo> {
        let databases = self.current.load();
        if databases.all.is_empty() { Arc::clone(&self.unknown) } else { databases.lookup(ip, &self.unknown) }
    }

    /// How the databases are.
    pub(crate) fn state(&self) -> GeoState {
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
            format!("{} {kind}", d.setting)
        };
        GeoState::Ready(databases.all.iter().map(about).collect::<Vec<_>>().join(", "))
    }
}

impl Database {
    fn open(setting: &'static str, path: PathBuf) -> Self {
        let mut database = Self { setting, path, reader: None, tried: None, problem: None };
        database.read(false);
        database
    }

    /// Reads the file as it is now. `verify` looks at every record, which takes a while.
    fn read(&mut self, verify: bool) {
        self.tried = Stamp::of(&self.path).ok();
        let read = || -> Result<Reader<Vec<u8>>, GeoError> {
            let reader = Reader::from_source(std::fs::read(&self.path)?)?;
            if verify {
                reader.verify()?;
            }
            Ok(reader)
        };
        let (setting, path) = (self.setting, self.path.display());
        match read() {
            Ok(reader) => {
                tracing::info!(setting, %path, kind = reader.metadata().database_type, "geo database read");
                self.reader = Some(Arc::new(reader));
                self.problem = None;
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
