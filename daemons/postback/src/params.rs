//! The parameters of a postback: query, then body, as pairs in their order. The first of a name counts.
//!
//! Bodies: a form, a multipart form, a JSON object (`json`). What a body is, its content type says; where that says
//! nothing, or says form and the body is plainly JSON, the body does. A body that cannot be read is refused with the name
//! of its content type: passed over in silence it would be another sale.
//!
//! Nothing here fails on strange bytes: broken percent-encoding stays as it is, and so do bytes that are no UTF-8
//! (`tfx_domain::query`).

mod json;

use bytes::Bytes;
use http::{HeaderMap, header};
use std::{borrow::Cow, convert::Infallible};
use tfx_domain::{
    postback::{Refusal, Unreadable},
    query,
};

/// Most parameters of a query or form.
const MAX_PARAMS: usize = 1000;
/// Most values of a JSON body; orders of shops have many.
const MAX_VALUES: usize = 5000;

/// Parameters in their order.
pub(crate) type Params = Vec<(String, String)>;

/// What a request says.
#[derive(Debug, Default)]
pub(crate) struct RequestFacts {
    pub(crate) params: Params,
    /// How many of them are of the query; behind those are the ones of the body.
    pub(crate) of_query: usize,
    /// Names of a body whose values are no texts.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Those of a JSON body that are numbers with a point.
    pub(crate) numbers: Params,
    /// Status and the part that is wrong. What was readable is kept for the log.
    pub(crate) problem: Option<(u16, Refusal)>,
}

impl RequestFacts {
    fn refuse(&mut self, status: u16, parameter: &str, message: impl Into<String>) {
        let refusal = Refusal { parameter: parameter.to_owned(), message: message.into() };
        self.problem.get_or_insert((status, refusal));
    }
}

/// All parameters of a request.
pub(crate) async fn read(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> RequestFacts {
    let params = pairs(query.unwrap_or("").as_bytes());
    let mut said = RequestFacts { of_query: params.len(), params, ..RequestFacts::default() };
    let mut most = MAX_PARAMS;
    match format_of(headers, body) {
        Ok(Format::None) => {}
        Ok(Format::Form) => said.params.extend(pairs(body)),
        Ok(Format::Multipart(boundary)) => multipart(body, boundary, &mut said).await,
        Ok(Format::Json(text)) => {
            most = MAX_VALUES;
            if let Err(why) = json::read(&text, most, &mut said) {
                said.refuse(400, "body", why);
            }
        }
        Err(why) => said.refuse(415, "body", why),
    }
    let n = said.params.len();
    if n > most {
        said.refuse(400, "parameters", format!("are {n}; allowed are {most}"));
    }
    said
}

/// The first value of a name.
pub(crate) fn first<'p>(params: &'p [(String, String)], name: &str) -> Option<&'p str> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

enum Format<'b> {
    None,
    Form,
    Multipart(String),
    Json(Cow<'b, [u8]>),
}

/// What the body is, or why it cannot be read.
fn format_of<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Format<'b>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Format::None);
    }
    let text = |name| headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_owned());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or_default();
    if !matches!(encoding.to_ascii_lowercase().as_str(), "" | "identity") {
        let encoding = shown(&encoding);
        return Err(format!("is encoded as '{encoding}' (Content-Encoding); send it as it is"));
    }
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        e if e.ends_with("/json") || e.ends_with("+json") => Ok(Format::Json(Cow::Borrowed(body))),
        "multipart/form-data" => match multer::parse_boundary(&content_type) {
            Ok(boundary) => Ok(Format::Multipart(boundary)),
            Err(e) => Err(format!("has the content type '{}': {e}", shown(&content_type))),
        },
        "application/x-www-form-urlencoded" | "text/plain" | "" => {
            Ok(json::under_a_form(body).map_or(Format::Form, Format::Json))
        }
        // Not a content type at all says as much as none.
        e if !e.contains('/') => Ok(json::under_a_form(body).map_or(Format::Form, Format::Json)),
        _ => match json::under_a_form(body) {
            Some(text) => Ok(Format::Json(text)),
            None => Err(format!(
                "has the content type '{}', which is not read; send a query, a form \
                 (application/x-www-form-urlencoded, multipart/form-data) or JSON (application/json)",
                shown(&content_type)
            )),
        },
    }
}

/// A header as it may stand in a message.
fn shown(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The pairs of a query or a form.
pub(crate) fn pairs(encoded: &[u8]) -> Params {
    query::pairs(encoded)
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// The fields of a multipart form. A file is no text.
async fn multipart(body: &Bytes, boundary: String, said: &mut RequestFacts) {
    let whole = futures_util::stream::iter([Ok::<_, Infallible>(body.clone())]);
    let mut parts = multer::Multipart::new(whole, boundary);
    loop {
        let part = match parts.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => return,
            Err(e) => return said.refuse(400, "body", format!("is not a multipart form: {e}")),
        };
        // One more than allowed is enough to refuse them.
        if said.params.len() > MAX_PARAMS || said.unreadable.len() > MAX_PARAMS {
            return said.refuse(400, "parameters", format!("are more than the {MAX_PARAMS} allowed"));
        }
        let Some(name) = part.name().filter(|n| !n.is_empty()).map(str::to_owned) else { continue };
        if part.file_name().is_some() {
            said.unreadable.push(Unreadable { name, why: "is a file; allowed is a text or a number" });
            continue;
        }
        match part.bytes().await {
            Ok(value) => said.params.push((name, query::kept(Cow::Borrowed(&value)).into_owned())),
            Err(e) => return said.refuse(400, "body", format!("is not a multipart form: {e}")),
        }
    }
}

#[cfg(test)]
mod tests;
