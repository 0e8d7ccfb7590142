//! What is around an archive: nothing, gzip (as mongodump does it) or zstd. Which one it is, its first bytes tell.

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use serde::Serialize;
use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tfx_ports::backup::ArchiveSink;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_LEVEL: i32 = 3;
const BUFFER: usize = 1 << 17;

/// What is around an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// Nothing.
    #[default]
    None,
    /// As `mongodump --gzip` has it.
    Gzip,
    /// Smaller and faster; the official tool wants it unpacked first.
    Zstd,
}

impl Packing {
    /// What a file's name says of it.
    pub fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What a file's name ends in.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    fn of_bytes(begin: &[u8]) -> Self {
        match begin {
            begin if begin.starts_with(&GZIP) => Self::Gzip,
            begin if begin.starts_with(&ZSTD) => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Where packed bytes end up.
pub(super) trait Device: Write + Send {
    /// Makes them durable, as far as it can.
    fn settle(&mut self) -> io::Result<()>;
}

impl Device for Box<dyn Device> {
    fn settle(&mut self) -> io::Result<()> {
        self.as_mut().settle()
    }
}

/// Packs an archive on its way to a device.
pub(super) struct Packed<D: Device>(Packer<D>);

#[expect(clippy::large_enum_variant, reason = "there is one of them")]
enum Packer<D: Device> {
    Plain(Counted<D>),
    Gzip(GzEncoder<Counted<D>>),
    Zstd(Box<zstd::Encoder<'static, Counted<D>>>),
}

impl<D: Device> Packed<D> {
    /// `written` counts what comes to the device.
    pub(super) fn new(device: D, packing: Packing, written: Arc<AtomicU64>) -> io::Result<Self> {
        let device = Counted { device, written };
        Ok(Self(match packing {
            Packing::None => Packer::Plain(device),
            Packing::Gzip => Packer::Gzip(GzEncoder::new(device, Compression::default())),
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(device, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(Box::new(encoder))
            }
        }))
    }
}

impl<D: Device> Write for Packed<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packer::Plain(to) => to.write(bytes),
            Packer::Gzip(to) => to.write(bytes),
            Packer::Zstd(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Packer::Plain(to) => to.flush(),
            Packer::Gzip(to) => to.flush(),
            Packer::Zstd(to) => to.flush(),
        }
    }
}

impl<D: Device> ArchiveSink for Packed<D> {
    fn end(self: Box<Self>) -> io::Result<()> {
        let mut device = match self.0 {
            Packer::Plain(to) => to,
            Packer::Gzip(to) => to.finish()?,
            Packer::Zstd(to) => to.finish()?,
        };
        device.flush()?;
        device.device.settle()
    }
}

struct Counted<D> {
    device: D,
    written: Arc<AtomicU64>,
}

impl<D: Write> Write for Counted<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.device.write(bytes)?;
        self.written.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.device.flush()
    }
}

/// What is inside, and what it was packed with.
pub(super) fn unpacked(from: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, Packing)> {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let packing = Packing::of_bytes(from.fill_buf()?);
    let inside: Box<dyn Read + Send> = match packing {
        Packing::None => Box::new(from),
        Packing::Gzip => Box::new(Unpacked { inside: MultiGzDecoder::new(from), of: "gzip" }),
        Packing::Zstd => Box::new(Unpacked { inside: zstd::Decoder::with_buffer(from)?, of: "zstd" }),
    };
    Ok((inside, packing))
}

/// Tells what the compression finds wrong from what the device does.
struct Unpacked<R> {
    inside: R,
    of: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inside.read(into).map_err(|e| {
            // What a compression finds has one of these kinds; a device has others.
            let found =
                matches!(e.kind(), ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::InvalidInput);
            let kept = e.raw_os_error().is_some() || !found;
            if kept { e } else { io::Error::new(ErrorKind::InvalidData, format!("{}: {e}", self.of)) }
        })
    }
}
