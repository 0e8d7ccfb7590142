//! What `object_store` does not ask for: which uploads have not come to their end, and the end of one on the condition that
//! nothing is there.

use super::{Bucket, trouble::Trouble};
use http::Method;
use object_store::{
    aws::AwsAuthorizer,
    client::{HttpRequest, HttpRequestBody},
    multipart::{MultipartStore, PartId},
    path::Path,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::{io, time::Duration};
use tfx_domain::Timestamp;

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Tries of a request that was not answered, or by a server that was not able to.
const TRIES: u32 = 4;

/// An upload that has not come to its end.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::backup) struct Unended {
    /// The object that was to be.
    pub(in crate::backup) key: String,
    upload_id: String,
    /// When it was begun.
    pub(in crate::backup) initiated: Timestamp,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    upload: Vec<Unended>,
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
}

impl Bucket {
    /// Uploads of objects whose names begin so, and a `/`, that have not come to their end.
    pub(in crate::backup) fn unended(&self, prefix: &str) -> io::Result<Vec<Unended>> {
        let (bucket, prefix) = (self.clone(), prefix.to_owned());
        self.wait(async move {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let slash = if prefix.is_empty() { "" } else { "%2F" };
                let query = format!("uploads=&prefix={}{slash}{after}", escaped(&prefix));
                let text = bucket.asked(Method::GET, "", &query, String::new(), false).await?;
                let answer: Answer = quick_xml::de::from_str(&text)
                    .map_err(|e| Trouble::Other(format!("the list of uploads cannot be read: {e}")))?;
                found.extend(answer.upload);
                match (answer.is_truncated, answer.next_key_marker, answer.next_upload_id_marker) {
                    (true, Some(key), Some(id)) => {
                        after = format!("&key-marker={}&upload-id-marker={}", escaped(&key), escaped(&id));
                    }
                    _ => return Ok(found),
                }
            }
        })
    }

    /// Ends one: what was sent of it goes away.
    pub(in crate::backup) fn end(&self, upload: &Unended) -> io::Result<()> {
        let (bucket, upload) = (self.clone(), upload.clone());
        self.wait(async move {
            let ended = bucket.0.store.abort_multipart(&Path::from(upload.key), &upload.upload_id).await;
            match ended {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
                Err(e) => Err(e.into()),
            }
        })
    }

    /// Makes an object of what was sent, unless something is there.
    pub(super) async fn complete(&self, key: &Path, id: &str, parts: &[PartId]) -> Result<(), Trouble> {
        let part = |(at, part): (usize, &PartId)| {
            let tag = quick_xml::escape::escape(&part.content_id);
            format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", at + 1)
        };
        let parts: String = parts.iter().enumerate().map(part).collect();
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
        );
        let query = format!("uploadId={}", escaped(id));
        let text = self.asked(Method::POST, &format!("/{key}"), &query, body, true).await?;
        // The answer begins before the work is done: an error may come in it.
        if text.contains("<Error>") { Err(Trouble::of_answer(200, &text)) } else { Ok(()) }
    }

    /// Asks, signed, and gives the text of a good answer.
    async fn asked(
        &self,
        method: Method,
        path: &str,
        query: &str,
        body: String,
        where_nothing_is: bool,
    ) -> Result<String, Trouble> {
        let mut pause = Duration::from_millis(200);
        for tried in 1.. {
            let mut request = HttpRequest::new(HttpRequestBody::from(body.clone()));
            *request.method_mut() = method.clone();
            let uri = format!("{}{path}?{query}", self.0.url).parse();
            *request.uri_mut() = uri.map_err(|e| Trouble::Other(format!("{}: {e}", self.0.url)))?;
            if where_nothing_is {
                request
                    .headers_mut()
                    .insert(http::header::IF_NONE_MATCH, http::HeaderValue::from_static("*"));
            }
            AwsAuthorizer::new(&self.0.credential, "s3", &self.0.region).try_authorize(&mut request, None)?;
            let trouble = match self.0.http.execute(request).await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    match answer.into_body().bytes().await {
                        Ok(text) => {
                            let text = String::from_utf8_lossy(&text).into_owned();
                            if status < 300 {
                                return Ok(text);
                            }
                            Trouble::of_answer(status, &text)
                        }
                        Err(e) => e.into(),
                    }
                }
                Err(e) => e.into(),
            };
            if tried == TRIES || !trouble.may_pass() {
                return Err(trouble);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Trouble::Other("it was not asked".to_owned()))
    }
}

fn escaped(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, PLAIN)
}
