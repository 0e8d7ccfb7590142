//! A collector of traces on this machine: which steps came, of which trace.

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message as _;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A step, with the service that told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// `service.name`.
    pub service: String,
    /// The step itself.
    pub span: Span,
}

impl Told {
    /// What the step says of itself under a name; empty: nothing.
    pub fn fact(&self, name: &str) -> String {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == name);
        found.and_then(|attribute| text(attribute.value.as_ref()?)).unwrap_or_default()
    }
}

/// A collector.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    told: Arc<Mutex<Vec<Told>>>,
    /// All that came, as it came.
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// Listens from now on: its port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(&self) -> io::Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let all = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(all.clone().serve(stream));
            }
        });
        Ok(port)
    }

    /// The steps that came.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All bytes that came.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut read, mut part) = (Vec::new(), [0; 16_384]);
        loop {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read.extend_from_slice(&part[..n]),
            }
            let Some(body) = body(&read) else { continue };
            self.take(&body);
            self.raw.lock().unwrap_or_else(PoisonError::into_inner).append(&mut read);
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &[u8]) {
        let Ok(request) = ExportTraceServiceRequest::decode(body) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.resource_spans {
            let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
            let service = attributes.iter().find(|a| a.key == "service.name");
            let service = service.and_then(|a| text(a.value.as_ref()?)).unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            told.extend(spans.map(|span| Told { service: service.clone(), span }));
        }
    }
}

fn text(value: &opentelemetry_proto::tonic::common::v1::AnyValue) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// The body of a request that is there whole.
fn body(read: &[u8]) -> Option<Vec<u8>> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.trim().parse().ok())?;
    (read.len() - end >= length).then(|| read[end..end + length].to_vec())
}
