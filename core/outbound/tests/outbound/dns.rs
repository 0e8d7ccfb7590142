//! A name server on this machine.

use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{RData, Record, RecordType},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// Answers by a table; `servfail.…` it cannot find out, nor, where there is a name `closed`, any that is not in it. What a name stands for may change from look-up to look-up.
pub(crate) struct Dns {
    pub(crate) at: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    task: JoinHandle<()>,
}

impl Dns {
    /// Each name with the addresses of its first look-up, of its second, and so on; the last ones stay.
    pub(crate) async fn new(names: &[(&str, &[&[&str]])]) -> Self {
        let table: HashMap<String, Vec<Vec<IpAddr>>> = names
            .iter()
            .map(|(name, turns)| {
                let turns = turns.iter().map(|t| t.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
                (format!("{name}."), turns)
            })
            .collect();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = answer(&buffer[..len], &table, &counts) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { at, asked, task }
    }

    /// How often the IPv4 addresses of a name were asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(&format!("{name}.")).copied().unwrap_or(0)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(
    question: &[u8],
    table: &HashMap<String, Vec<Vec<IpAddr>>>,
    asked: &Mutex<HashMap<String, usize>>,
) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?.clone();
    let name = query.name().to_string().to_lowercase();
    let mut response = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    response.metadata.recursion_available = true;
    response.metadata.recursion_desired = true;
    response.add_query(query.clone());
    // What it cannot find out, and would be told by others.
    if name.starts_with("servfail.") || !table.contains_key(&name) && table.contains_key("closed.") {
        response.metadata.response_code = ResponseCode::ServFail;
        return response.to_vec().ok();
    }
    let Some(turns) = table.get(&name) else {
        response.metadata.response_code = ResponseCode::NXDomain;
        return response.to_vec().ok();
    };
    let mut asked = asked.lock().unwrap();
    let count = asked.entry(name).or_default();
    let turn = *count;
    if query.query_type() == RecordType::A {
        *count += 1;
    }
    // A name that never has any gets no answer.
    let addresses = turns.get(turn).or(turns.last())?;
    for ip in addresses {
        let data = match ip {
            IpAddr::V4(ip) if query.query_type() == RecordType::A => RData::A((*ip).into()),
            IpAddr::V6(ip) if query.query_type() == RecordType::AAAA => RData::AAAA((*ip).into()),
            _ => continue,
        };
        // Nothing is to be remembered.
        response.add_answer(Record::from_rdata(query.name().clone(), 0, data));
    }
    response.to_vec().ok()
}
