//! A small writer of databases in MaxMind format: IPv4 networks, each with a record of texts and maps of texts.

use serde_json::Value;
use std::net::Ipv4Addr;

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The bytes of a database. Where networks overlap, the later one counts.
pub(crate) fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    described(kind, &serde_json::json!({ "en": "made by a test" }), networks)
}

/// The same with another description; those of the public npm packages have none.
pub(crate) fn described(kind: &str, description: &Value, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut tree: Vec<[Child; 2]> = vec![[Child::Nothing; 2]];
    for (network, record) in networks {
        let place = data.len();
        encode(record, &mut data);
        insert(&mut tree, network, place);
    }
    let nodes = u32::try_from(tree.len()).expect("few nodes");
    let mut out = Vec::new();
    for child in tree.iter().flatten() {
        // After the tree come 16 zero bytes, then the data.
        let number = match child {
            Child::Nothing => nodes,
            Child::Node(n) => u32::try_from(*n).expect("few nodes"),
            Child::Data(place) => nodes + 16 + u32::try_from(*place).expect("little data"),
        };
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(MARKER);
    let about = serde_json::json!({
        "node_count": nodes, "record_size": 32, "ip_version": 4, "database_type": kind, "languages": ["en"],
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_700_000_000,
        "description": description,
    });
    encode(&about, &mut out);
    out
}

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Data(usize),
}

fn insert(tree: &mut Vec<[Child; 2]>, network: &str, place: usize) {
    let (address, bits) = network.split_once('/').expect("a network");
    let address = u32::from(address.parse::<Ipv4Addr>().expect("an address"));
    let bits: u32 = bits.parse().expect("bits");
    let mut node = 0;
    for bit in 0..bits {
        let side = (address >> (31 - bit) & 1) as usize;
        if bit + 1 == bits {
            tree[node][side] = Child::Data(place);
            return;
        }
        node = match tree[node][side] {
            Child::Node(next) => next,
            other => {
                // A larger network is split.
                tree.push([other; 2]);
                tree[node][side] = Child::Node(tree.len() - 1);
                tree.len() - 1
            }
        };
    }
}

/// Text, list and map, each with its type and size before it; numbers by the type their field has.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            head(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(11, items.len(), out);
            items.iter().for_each(|i| encode(i, out));
        }
        Value::Object(fields) => {
            head(7, fields.len(), out);
            for (name, value) in fields {
                encode(&Value::from(name.as_str()), out);
                match value.as_u64() {
                    Some(number) => encode_number(name, number, out),
                    None => encode(value, out),
                }
            }
        }
        other => panic!("{other} has no place in a test's database"),
    }
}

fn encode_number(field: &str, number: u64, out: &mut Vec<u8>) {
    // u16, u32 and u64.
    let (kind, size) = match field {
        "build_epoch" => (9, 8),
        "node_count" | "autonomous_system_number" => (6, 4),
        _ => (5, 2),
    };
    head(kind, size, out);
    out.extend_from_slice(&number.to_be_bytes()[8 - size..]);
}

fn head(kind: u8, size: usize, out: &mut Vec<u8>) {
    let short = u8::try_from(size.min(29)).expect("short");
    // Kinds above 7 are written as 0 with the rest in the next byte.
    if kind > 7 {
        out.extend_from_slice(&[short, kind - 7]);
    } else {
        out.push(kind << 5 | short);
    }
    if size >= 29 {
        out.push(u8::try_from(size - 29).expect("below 285"));
    }
}
