//! Where backups lie, as a person names it: a path, or a place in a bucket.

use crate::{context::Context, exit::Failure};
use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser, ValueParserFactory};
use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};
use tfx_ops::backup::{Access, Bucket, ObjectUrl, set::Sets};

/// A path, or a place in a bucket.
#[derive(Debug, Clone)]
pub(crate) enum Where {
    /// A file or a folder.
    Path(PathBuf),
    /// `s3://BUCKET/…`.
    Bucket(ObjectUrl),
}

impl Where {
    fn read(text: OsString) -> Result<Self, &'static str> {
        match text.to_str() {
            Some(text) if ObjectUrl::is_meant(text) => Ok(Self::Bucket(text.parse()?)),
            _ => Ok(Self::Path(text.into())),
        }
    }

    /// The path, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Bucket(_) => None,
        }
    }

    /// The last part of it.
    pub(crate) fn name(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Bucket(url) => Path::new(&url.key),
        }
    }

    /// The sets that lie there.
    ///
    /// # Errors
    /// Settings of buckets that are missing or cannot be used.
    pub(crate) fn sets(&self, context: &Context) -> Result<Sets, Failure> {
        Ok(match self {
            Self::Path(dir) => Sets::folder(dir),
            Self::Bucket(url) => Sets::bucket(bucket(context, url)?, &url.key),
        })
    }

    /// Where what is copied may lie meanwhile.
    pub(crate) fn scratch(&self) -> PathBuf {
        match self {
            Self::Path(dir) => dir.clone(),
            Self::Bucket(_) => env::temp_dir(),
        }
    }
}

/// The bucket of a place in it.
///
/// # Errors
/// Settings that are missing or cannot be used.
pub(crate) fn bucket(context: &Context, url: &ObjectUrl) -> Result<Bucket, Failure> {
    let settings = context.bucket()?;
    let access = Access {
        endpoint: settings.endpoint,
        region: settings.region,
        key_id: settings.key_id,
        secret: settings.secret.expose().to_owned(),
        token: settings.token.map(|token| token.expose().to_owned()),
    };
    Bucket::new(&url.bucket, access).map_err(|e| Failure::failed(format!("{url}: {e}")))
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Bucket(url) => url.fmt(f),
        }
    }
}

impl ValueParserFactory for Where {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        OsStringValueParser::new().try_map(Self::read).into()
    }
}
