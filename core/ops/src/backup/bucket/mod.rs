//! A bucket of S3 or of a server that speaks its language, for callers that wait: objects are put where nothing is, read, listed
//! and deleted. What a set or an archive is, nobody knows here.

mod at;
mod http;
mod lane;
mod read;
mod trouble;
mod upload;
mod uploads;

pub use at::ObjectUrl;
pub(super) use read::Object;
pub(super) use upload::Upload;

use self::{http::Connector, lane::Lane, trouble::Trouble};
use super::place::PARTIAL;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    BackoffConfig, CopyOptions, GetOptions, ObjectMeta, ObjectStore, PutMode, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3CopyIfNotExists},
    client::{HttpClient, HttpConnector},
    path::Path,
};
use std::{fmt, io, sync::Arc, time::Duration};
use tfx_ports::entropy;

/// Requests that a server did not answer are sent again for so long.
const RETRIED: Duration = Duration::from_secs(60);
const RETRIES: usize = 5;

/// What is said of a server that may put an archive in the place of another.
const UNGUARDED: &str = "the server does not hold objects against being overwritten (it passes over If-None-Match), and a backup \
    takes the place of nothing: use a version of it that knows conditional writes, or back up into a folder";

/// Where the server is, and who asks.
pub struct Access {
    /// The URL of the server; none: Amazon's in the region.
    pub endpoint: Option<String>,
    /// The region that is signed for.
    pub region: String,
    /// The name of the key.
    pub key_id: String,
    /// The key.
    pub secret: String,
    /// What belongs to a key that is valid for some time only.
    pub token: Option<String>,
}

/// A bucket.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    name: String,
    /// `https://server/bucket`.
    url: String,
    region: String,
    credential: AwsCredential,
    store: AmazonS3,
    http: HttpClient,
    lane: Lane,
}

/// An object, as a list has it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Its whole name.
    pub(super) key: String,
    pub(super) bytes: u64,
    /// When it came, in seconds since 1970.
    pub(super) changed: i64,
}

impl Bucket {
    /// Knows how to ask for it, and asks for nothing.
    ///
    /// # Errors
    /// The settings make no client.
    pub fn new(name: &str, access: Access) -> io::Result<Self> {
        let Access { endpoint, region, key_id, secret, token } = access;
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_region(&region)
            .with_access_key_id(&key_id)
            .with_secret_access_key(&secret)
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRIED });
        if let Some(token) = &token {
            builder = builder.with_token(token);
        }
        let http = Connector.connect(&object_store::ClientOptions::new()).map_err(io::Error::other)?;
        let store = builder.with_http_connector(Connector).build().map_err(io::Error::other)?;
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            url: format!("{endpoint}/{name}"),
            region,
            credential: AwsCredential { key_id, secret_key: secret, token },
            store,
            http,
            lane: Lane::begin()?,
        })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is, for people.
    fn server(&self) -> &str {
        &self.0.url
    }

    /// Does what is asked of the server, and waits for it.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> io::Result<T> {
        self.0.lane.wait(work)?.map_err(|trouble| trouble.told(self))
    }

    /// Every object whose name begins so, and a `/`; none: all.
    pub(super) fn list(&self, prefix: &str) -> io::Result<Vec<Listed>> {
        let (bucket, prefix) = (self.clone(), Path::from(prefix));
        self.wait(async move {
            let all = bucket.0.store.list(Some(&prefix)).map_ok(|found: ObjectMeta| Listed {
                key: found.location.as_ref().to_owned(),
                bytes: found.size,
                changed: found.last_modified.timestamp(),
            });
            Ok(all.try_collect().await?)
        })
    }

    /// Puts a small object where nothing is, if the server heeds that ([`Self::guarded`]).
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]; others as the server says.
    pub fn create(&self, key: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(key, bytes, PutMode::Create)
    }

    /// Puts an empty object where nothing is, and sees that the server keeps it so: one that does not know the condition passes
    /// it over without a word.
    pub(super) fn claim(&self, key: &str) -> io::Result<()> {
        self.create(key, Vec::new())?;
        match self.create(key, Vec::new()) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            again => {
                let _ = self.delete(vec![key.to_owned()]);
                again.and(Err(io::Error::new(io::ErrorKind::Unsupported, UNGUARDED)))
            }
        }
    }

    /// Sees that the server keeps what is there, beside a name under which nothing is yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`]: it would be overwritten; others as the server says, of a bucket that is not there too.
    pub fn guarded(&self, key: &str) -> io::Result<()> {
        let probe = format!("{key}.{:08x}.{PARTIAL}", entropy::random_u128() >> 96);
        self.claim(&probe).and_then(|()| self.delete(vec![probe]))
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// The server cannot be asked, or does not say.
    pub fn holds(&self, key: &str) -> io::Result<bool> {
        match self.object(key) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Puts a small object, whatever is there.
    pub(super) fn mark(&self, key: &str) -> io::Result<()> {
        self.put(key, Vec::new(), PutMode::Overwrite)
    }

    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> io::Result<()> {
        let (bucket, key) = (self.clone(), Path::from(key));
        self.wait(async move {
            bucket.0.store.put_opts(&key, PutPayload::from(bytes), mode.into()).await?;
            Ok(())
        })
    }

    /// An object that can be read.
    pub(super) fn object(&self, key: &str) -> io::Result<Object> {
        let (bucket, path) = (self.clone(), Path::from(key));
        let found = self.wait(async move {
            let asked = GetOptions { head: true, ..GetOptions::default() };
            Ok(bucket.0.store.get_opts(&path, asked).await?.meta)
        })?;
        Ok(Object::new(self.clone(), found))
    }

    /// Copies an object on the server to where nothing is.
    pub(super) fn copy(&self, from: &str, to: &str) -> io::Result<()> {
        let (bucket, from, to) = (self.clone(), Path::from(from), Path::from(to));
        self.wait(async move {
            let how = CopyOptions { mode: object_store::CopyMode::Create, ..CopyOptions::default() };
            Ok(bucket.0.store.copy_opts(&from, &to, how).await?)
        })
    }

    /// Deletes objects; one that is not there is deleted already.
    pub(super) fn delete(&self, keys: Vec<String>) -> io::Result<()> {
        let bucket = self.clone();
        self.wait(async move {
            let paths = futures_util::stream::iter(keys.into_iter().map(|key| Ok(Path::from(key))));
            let deleted = bucket.0.store.delete_stream(paths.boxed());
            let gone = deleted.map(|one| match one {
                Err(object_store::Error::NotFound { .. }) | Ok(_) => Ok(()),
                Err(e) => Err(e),
            });
            Ok(gone.try_collect().await?)
        })
    }
}

impl fmt::Debug for Bucket {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.url).finish()
    }
}
