//! `POST /postbacks/sign`: a postback as a network would send it, with its secret, signed where the network signs. Whoever may
//! ask may read the secret; the key is told to nobody.

use crate::{
    app::App,
    compressed::with_secret,
    failure::Failure,
    input::{Body, Query},
    postback_test::asked,
    reply::json,
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use std::{collections::BTreeMap, sync::Arc};
use tfx_api::postbacks::PostbackRequest;
use tfx_domain::{
    entity::{Kind, NetworkSpec, Secret, SignatureFormat, SignedPart, SignedPlace, Status, TemplateSpec},
    postback::{Request, Unsigned, sign, unreadable_key, verify, written_time},
    problem::Problems,
    query,
};
use tfx_ports::{
    clock,
    config::{ConfigStore, Record, RecordQuery},
    page::PageRequest,
};

/// The parameter that carries the secret.
const SECRET: &str = "secret";

pub(crate) async fn make(
    State(app): State<Arc<App>>,
    asks: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    let (network, template, test) = asked(&app, asks, input).await?;
    let network = network.typed::<NetworkSpec>()?.spec;
    let template = template.map(|found| found.typed::<TemplateSpec>()).transpose()?.map(|found| found.spec);
    let path =
        test.template.as_ref().and(template.as_ref()).map(|t| format!("/{}", t.slug)).unwrap_or_default();
    let template = template.filter(|t| test.template.is_some() || t.status == Status::Active);
    let (given, params): (Vec<_>, Vec<_>) =
        test.params.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case(SECRET));
    let own = network.postback_secret.as_ref().map(|Secret(secret)| secret.clone());
    let secret = given.into_iter().map(|(_, secret)| secret).next().or(own);
    let secret = secret.map(|secret| (SECRET.to_owned(), secret));
    let base = format!("{}/postback/{}{path}", app.settings.addresses.postback_url, network.slug);
    let request = match template.as_ref().and_then(|t| t.signature.as_ref()) {
        None => PostbackRequest {
            method: "GET".to_owned(),
            url: with_query(&base, &encoded(&secret.into_iter().chain(params).collect::<Vec<_>>())),
            headers: BTreeMap::new(),
            body: String::new(),
            signed: false,
        },
        Some(format) => signed(&base, format, &network, secret, params)
            .map_err(|unsigned| Problems::one("network", unsigned.to_string()))?,
    };
    Ok(with_secret(json(StatusCode::OK, &request)))
}

/// What postback-service would read of a postback that is sent as [`make`] makes it, and the names of what is not read.
pub(crate) fn as_read(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    params: Vec<(String, String)>,
) -> Result<(Vec<(String, String)>, Vec<String>), Unsigned> {
    let Some(format) = template.and_then(|t| t.signature.as_ref()) else {
        let slug = template.map_or("default", |t| t.slug.as_str());
        return match &network.signing_key {
            None => Ok((params, Vec::new())),
            Some(_) => Err(Unsigned::NoFormat(format!("{}/{slug}", network.slug))),
        };
    };
    // Both sides have the same URL.
    let sent = signed("", format, network, None, params)?;
    let pairs =
        |text: &str| query::pairs(text.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let query = sent.url.trim_start_matches('?');
    let mut params: Vec<(String, String)> = pairs(query);
    let (of_query, of_body): (usize, Vec<_>) = (params.len(), pairs(&sent.body));
    params.extend(of_body);
    let header = |name: &str| sent.headers.get(name).cloned().into_iter().collect();
    let body = Some(sent.body.as_bytes());
    let request = Request { url: "", query, body, params: &params, of_query, header: &header };
    verify(format, network, &request, clock::now())?;
    let which = request.which_are_signed(format);
    let is_own =
        |name: &str| matches!(&format.place, SignedPlace::Param(own) if name.eq_ignore_ascii_case(own));
    let (mut read, mut left_out) = (Vec::new(), Vec::new());
    for (param, is_signed) in params.into_iter().zip(which) {
        match is_signed {
            true => read.push(param),
            false if is_own(&param.0) => {}
            false => left_out.push(param.0),
        }
    }
    Ok((read, left_out))
}

/// Whether templates and the key of their network do not fit, once one of them was saved.
pub(crate) async fn warnings(config: &dyn ConfigStore, saved: &Record) -> Result<Vec<String>, Failure> {
    let (network, templates) = match saved.kind {
        Kind::Network => {
            let parent = Some(saved.id.clone());
            let (statuses, page) = (vec![Status::Active], PageRequest::first(1_000));
            let all = config.list(&RecordQuery { kind: Kind::Template, parent, statuses, page }).await?;
            (saved.typed::<NetworkSpec>()?.spec, all.items)
        }
        Kind::Template => match config.get(Kind::Network, &saved.parent).await? {
            Some(network) => (network.typed::<NetworkSpec>()?.spec, vec![saved.clone()]),
            None => return Ok(Vec::new()),
        },
        _ => return Ok(Vec::new()),
    };
    let mut warnings = Vec::new();
    for template in templates {
        let template = template.typed::<TemplateSpec>()?.spec;
        let told = unreadable_key(&network, &template).filter(|_| template.status == Status::Active);
        warnings.extend(
            told.map(|(why, mends)| format!("template {}/{}: {why}: {mends}", network.slug, template.slug)),
        );
    }
    Ok(warnings)
}

fn signed(
    base: &str,
    format: &SignatureFormat,
    network: &NetworkSpec,
    secret: Option<(String, String)>,
    mut params: Vec<(String, String)>,
) -> Result<PostbackRequest, Unsigned> {
    let now = clock::now();
    // Headers of parts: `t=…,v1=…`.
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let put = |headers: &mut BTreeMap<String, Vec<String>>, place: &SignedPlace, value: String| match place {
        SignedPlace::Param(name) => Some((name.clone(), value)),
        SignedPlace::Header(name, part) => {
            let value = part.as_ref().map_or(value.clone(), |part| format!("{part}={value}"));
            headers.entry(name.to_ascii_lowercase()).or_default().push(value);
            None
        }
    };
    if let Some(time) = &format.time {
        params.extend(put(&mut headers, &time.place, written_time(time.unit, now)));
    }
    for part in format.signed.parts() {
        if let SignedPart::Header(name) = part {
            let is_there = headers.contains_key(&name.to_ascii_lowercase());
            let id = (!is_there).then(|| format!("test_{}", now.as_microsecond()));
            headers.entry(name.to_ascii_lowercase()).or_default().extend(id);
        }
    }
    let in_body = format.covers_body() && !format.covers_query();
    let of_query: Vec<_> =
        secret.into_iter().chain(if in_body { Vec::new() } else { params.clone() }).collect();
    let mut query = encoded(&of_query);
    let body = if in_body { encoded(&params) } else { String::new() };
    let written = {
        let all: Vec<_> = of_query.iter().cloned().chain(if in_body { params } else { Vec::new() }).collect();
        let header = |name: &str| headers.get(name).map(|parts| parts.join(",")).into_iter().collect();
        let request = Request {
            url: base,
            query: &query,
            body: Some(body.as_bytes()),
            params: &all,
            of_query: of_query.len(),
            header: &header,
        };
        sign(format, network, &request)?
    };
    if let Some((name, value)) = put(&mut headers, &format.place, written) {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&encoded(&[(name, value)]));
    }
    let content_type =
        in_body.then(|| ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    Ok(PostbackRequest {
        method: if in_body { "POST" } else { "GET" }.to_owned(),
        url: with_query(base, &query),
        headers: headers.into_iter().map(|(n, parts)| (n, parts.join(","))).chain(content_type).collect(),
        body,
        signed: true,
    })
}

fn with_query(base: &str, query: &str) -> String {
    if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }
}

fn encoded(params: &[(String, String)]) -> String {
    let pairs = params.iter().map(|(n, v)| format!("{}={}", query::encode(n), query::encode(v)));
    pairs.collect::<Vec<_>>().join("&")
}
