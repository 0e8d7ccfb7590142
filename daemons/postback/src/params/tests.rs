//! Every format that networks send, and what is answered to what is none.

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json; charset=utf-8";
const PARTS: &str = "multipart/form-data; boundary=XX";

async fn said(query: &str, content_type: &str, body: &[u8]) -> RequestFacts {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers
            .insert("content-type", http::HeaderValue::from_bytes(content_type.as_bytes()).expect("value"));
    }
    read(Some(query), &headers, &Bytes::copy_from_slice(body)).await
}

fn shown(said: &RequestFacts) -> String {
    said.params.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("|")
}

#[tokio::test]
async fn every_format_becomes_pairs() {
    let table: &[(&str, &str, &[u8], &str)] = &[
        ("a=1&b=two+words%21", "", b"", "a=1|b=two words!"),
        ("a=%zz&b=%ff&c", "", b"", "a=%zz|b=%FF|c="),
        ("&&=x&a=1", "", b"", "a=1"),
        ("a=1", FORM, b"a=2&b=3", "a=1|a=2|b=3"),
        ("a=1", "application/x-www-form-urlencoded; charset=windows-1251", b"b=%e9&c=\xe8", "a=1|b=%E9|c=%E8"),
        ("", "", b"a=1", "a=1"),
        ("", "text/plain", b"a=1", "a=1"),
        ("", "\u{1f4a9}", b"x=1", "x=1"),
        ("a=1", "text/xml", b"  ", "a=1"),
        ("a=1", JSON, b"  ", "a=1"),
        (
            "",
            JSON,
            br#"{"s":"x\u00e9","n":12.50,"i":12345678901234567890123,"t":true,"z":null}"#,
            "s=xé|n=12.50|i=12345678901234567890123|t=true",
        ),
        // As deep as networks nest.
        (
            "",
            JSON,
            br#"{"data":{"purchase":{"price":{"value":5.5}},"items":[{"price":1},{"price":2}]}}"#,
            "data.purchase.price.value=5.5|data.items.0.price=1|data.items.1.price=2",
        ),
        ("", "application/vnd.api+json", br#"{"a":1,"a":2}"#, "a=1|a=2"),
        ("", "text/json", br#"{"a":1}"#, "a=1"),
        ("", JSON, b"\xef\xbb\xbf{\"a\":1}", "a=1"),
        ("", JSON, br#" [ {"a":1} ] "#, "a=1"),
        ("", JSON, br#"{"n":1.25e1,"m":-5E-2,"k":1e3,"l":1e400}"#, "n=12.5|m=-0.05|k=1000|l=1e400"),
        // What `curl -d '{…}'` and others send.
        ("", FORM, br#"{"a":1,"b":"x&y=z"}"#, "a=1|b=x&y=z"),
        ("", FORM, br#"[{"a":1}]"#, "a=1"),
        ("", FORM, br#"{"a":"b"}="#, "a=b"),
        ("", FORM, b"%7B%22a%22%3A+%221%252%22%7D=", "a=1%2"),
        ("", FORM, b"{a}=1&[b]=2", "{a}=1|[b]=2"),
        ("", "", br#" {"a":1}"#, "a=1"),
        ("", "application/octet-stream", br#"{"a":1}"#, "a=1"),
        (
            "q=1",
            PARTS,
            b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XX\r\nContent-Disposition: form-data; \
              name=\"b\"\r\nContent-Type: text/plain\r\n\r\ntwo & \xe9\r\n--XX--\r\n",
            "q=1|a=1|b=two & %E9",
        ),
        ("", "multipart/form-data; boundary=\"XX\"", b"--XX\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--XX--", "a="),
    ];
    for (query, content_type, body, want) in table {
        let got = said(query, content_type, body).await;
        assert_eq!((shown(&got).as_str(), got.problem), (*want, None), "{query} {content_type} {body:?}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_told_from_texts() {
    let body = br#"{"payout":{"a":1,"b":[2]},"txid":["x"],"status":"{}","note":"[1]","z":null,"half":"\ud83dB","ok":"\ud83d\ude00"}"#;
    let got = said("sub=[1]", "", body).await;
    let names: Vec<&str> = got.unreadable.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["payout", "payout.b", "txid", "half"]);
    assert!(got.unreadable[3].why.contains("lone surrogate"));
    assert_eq!(shown(&got), "sub=[1]|payout.a=1|payout.b.0=2|txid.0=x|status={}|note=[1]|ok=😀");
    let file =
        b"--XX\r\nContent-Disposition: form-data; name=\"txid\"; filename=\"a.txt\"\r\n\r\nT\r\n--XX--\r\n";
    let got = said("", PARTS, file).await;
    assert_eq!((got.unreadable.len(), got.unreadable[0].name.as_str(), got.params.len()), (1, "txid", 0));
    // A template may have words for it; else it is no fact.
    let got = said("", JSON, br#"{"txid":true,"a":{"b":false},"c":"true"}"#).await;
    let names: Vec<&str> = got.unreadable.iter().map(|u| u.name.as_str()).collect();
    assert_eq!((names, shown(&got).as_str()), (vec!["txid", "a", "a.b"], "txid=true|a.b=false|c=true"));
    // Half of a character in a name: it could be any of those that are looked for.
    for (body, name) in [
        (r#"{"tx\ud83did":"A"}"#, r"tx\ud83did"),
        (r#"{"a":{"\uDC00":1}}"#, r"a.\uDC00"),
        (r#"{"\ud83d\ud83d":1,"b":2}"#, r"\ud83d\ud83d"),
    ] {
        let (status, refusal) = said("", JSON, body.as_bytes()).await.problem.expect("refused");
        assert_eq!((status, refusal.parameter.as_str()), (400, name));
        assert!(refusal.message.contains("lone surrogate"));
    }
    // Deeper than a template can name: there, and no fact.
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    let got = said("", JSON, deep.as_bytes()).await;
    assert_eq!((got.params.len(), got.unreadable.len(), got.problem), (0, 8, None));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name_and_the_query_is_kept() {
    let deep = "[".repeat(200_000);
    let table: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        (JSON, b"{".to_vec(), 400, "is not JSON"),
        (JSON, b"[]".to_vec(), 400, "is a list of 0"),
        (JSON, br#"[{"a":1},{"a":2}]"#.to_vec(), 400, "is a list of 2; send one object"),
        (JSON, b"[1]".to_vec(), 400, "is a list of what is no object"),
        (JSON, b"1".to_vec(), 400, "is JSON but no object"),
        (JSON, b"\"x\"".to_vec(), 400, "is JSON but no object"),
        (JSON, b"{\"a\":}".to_vec(), 400, "is not JSON"),
        (JSON, b"{}{}".to_vec(), 400, "is not JSON"),
        (JSON, deep.into_bytes(), 400, "is not JSON"),
        (JSON, b"{\"a\":\"\xff\"}".to_vec(), 400, "is not UTF-8"),
        (FORM, br#"{"a":1"#.to_vec(), 400, "is not JSON"),
        ("text/xml", b"<a>2</a>".to_vec(), 415, "has the content type 'text/xml'"),
        ("application/octet-stream", b"a=1".to_vec(), 415, "application/octet-stream"),
        ("multipart/form-data", b"--XX\r\n".to_vec(), 415, "multipart/form-data"),
        (
            PARTS,
            b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1".to_vec(),
            400,
            "is not a multipart form",
        ),
        (PARTS, b"a=1".to_vec(), 400, "is not a multipart form"),
    ];
    for (content_type, body, status, message) in table {
        let got = said("q=1", content_type, &body).await;
        assert_eq!(got.params.first(), Some(&("q".to_owned(), "1".to_owned())), "{content_type}");
        let (code, refusal) = got.problem.unwrap_or_else(|| panic!("{content_type} {body:.20?}: read"));
        assert_eq!(
            (code, refusal.parameter.as_str()),
            (status, "body"),
            "{content_type} {}",
            refusal.message
        );
        assert!(refusal.message.contains(message), "{content_type}: {}", refusal.message);
    }
    let mut zipped = HeaderMap::new();
    zipped.insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let got = read(None, &zipped, &Bytes::from_static(b"\x1f\x8b")).await;
    assert!(got.problem.is_some_and(|(status, r)| status == 415 && r.message.contains("gzip")));
}

#[tokio::test]
async fn parameters_are_bounded() {
    assert!(said(&"a=1&".repeat(MAX_PARAMS + 1), "", b"").await.problem.is_some());
    assert!(said(&"a=1&".repeat(MAX_PARAMS), "", b"").await.problem.is_none());
    let values = |n: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(n - 1));
    assert!(said("", JSON, values(MAX_VALUES).as_bytes()).await.problem.is_none());
    let got = said("", JSON, values(100_000).as_bytes()).await;
    assert!(got.problem.is_some() && got.params.len() == MAX_VALUES + 1);
    let part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
    let got = said("", PARTS, format!("{}--XX--\r\n", part.repeat(3000)).as_bytes()).await;
    assert!(got.problem.is_some() && got.params.len() == MAX_PARAMS + 1);
}
