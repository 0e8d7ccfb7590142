//! A browser, as far as a tracking link needs one.

use crate::place::Place;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// A telephone.
pub(crate) const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 \
    (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1";

/// Follows a tracking link, as a person with a telephone; gives the click id from the redirect's `s=`.
pub(crate) fn click(place: &Place, path: &str) -> String {
    let answer = get(place, path, PHONE);
    let location = answer.lines().find_map(|l| l.strip_prefix("location: ")).unwrap_or_default();
    location.split(['?', '&']).find_map(|p| p.strip_prefix("s=")).unwrap_or_default().to_owned()
}

/// Asks traffic-service for a path; gives the answer's head.
pub(crate) fn get(place: &Place, path: &str, user_agent: &str) -> String {
    get_from(place, path, user_agent, "192.0.2.7")
}

/// The same, from an address.
pub(crate) fn get_from(place: &Place, path: &str, user_agent: &str, address: &str) -> String {
    let mut stream = TcpStream::connect(place.traffic()).expect("traffic-service");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: t.example\r\nUser-Agent: {user_agent}\r\nX-Forwarded-For: {address}\r\n\
         Accept-Language: en-US\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
