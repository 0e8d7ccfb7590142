//! Buckets for backups, by the names that every tool for S3 reads.

use crate::{Secret, SettingsSource, source::Reader, vars};
use tfx_domain::problem::Problems;

/// How a bucket is reached; read by the commands that are given `s3://…` alone.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// `AWS_ENDPOINT_URL`, without a final slash; none: Amazon's.
    pub endpoint: Option<String>,
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// `AWS_SESSION_TOKEN`.
    pub token: Option<Secret>,
}

impl BucketSettings {
    /// Reads them.
    ///
    /// # Errors
    /// As [`crate::Settings::read`]; and a key that is missing.
    pub fn read(source: &SettingsSource) -> Result<Self, Problems> {
        let mut r = Reader::new(source);
        let settings = Self::of(&mut r);
        for (var, missing) in [
            (&vars::AWS_ACCESS_KEY_ID, settings.key_id.is_empty()),
            (&vars::AWS_SECRET_ACCESS_KEY, settings.secret.expose().is_empty()),
        ] {
            if missing {
                r.problem(var, "is needed for s3://…: it is read from the environment, .env or the profile");
            }
        }
        r.finish(settings)
    }

    fn of(r: &mut Reader<'_>) -> Self {
        let region = r.text(&vars::AWS_REGION).unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !region.bytes().all(plain) {
            r.problem(&vars::AWS_REGION, format!("is '{region}'; allowed is the name of a region"));
        }
        let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        let key_id = r.text(&vars::AWS_ACCESS_KEY_ID).unwrap_or_default();
        let (secret, token) = (r.secret(&vars::AWS_SECRET_ACCESS_KEY), r.secret(&vars::AWS_SESSION_TOKEN));
        for (var, text) in [
            (&vars::AWS_ACCESS_KEY_ID, Some(key_id.as_str())),
            (&vars::AWS_SECRET_ACCESS_KEY, secret.as_ref().map(Secret::expose)),
            (&vars::AWS_SESSION_TOKEN, token.as_ref().map(Secret::expose)),
        ] {
            if !text.is_none_or(visible) {
                r.problem(var, "is '***'; allowed are visible characters of ASCII");
            }
        }
        Self {
            endpoint: endpoint(r),
            region,
            key_id,
            secret: secret.unwrap_or_else(|| Secret::from(String::new())),
            token,
        }
    }
}

fn endpoint(r: &mut Reader<'_>) -> Option<String> {
    let allow_http: bool = r.parse(&vars::AWS_ALLOW_HTTP);
    let text = r.text(&vars::AWS_ENDPOINT_URL)?;
    let url = text.strip_suffix('/').unwrap_or(&text);
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_/".contains(&b);
    if host.is_none_or(|host| host.is_empty() || !host.bytes().all(plain)) {
        let message = format!("is '{}'; allowed is {}", crate::shown(&text), vars::AWS_ENDPOINT_URL.unit);
        r.problem(&vars::AWS_ENDPOINT_URL, message);
        return None;
    }
    if url.starts_with("http://") && !allow_http {
        r.problem(
            &vars::AWS_ENDPOINT_URL,
            "is an http:// URL, and whoever is on the way could read the backup; AWS_ALLOW_HTTP=true allows it",
        );
    }
    Some(url.to_owned())
}
