//! The records that `#[hecate_service]` keeps in a binary, read without running it and without trusting it.
//!
//! It is read in pieces, and no more of it than [`MOST_READ`], whatever its tables claim. This file names
//! nothing of the crate that it stands in, so that a fuzzer can take it as it is.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::ops::Range;

use object::read::archive::ArchiveFile;
use object::read::macho::{FatArch, MachOFatFile32, MachOFatFile64};
use object::{CompressionFormat, FileKind, Object, ObjectSection, ReadCache, ReadRef};

/// How much of a file is read in all, in bytes.
pub(crate) const MOST_READ: u64 = 256 * 1024 * 1024;
/// The largest section that is read, in bytes.
const LARGEST_SECTION: u64 = 16 * 1024 * 1024;
/// The largest record, in bytes: a manifest is smaller.
const LARGEST_RECORD: usize = 1024 * 1024;
/// How many records are read.
const MOST_RECORDS: usize = 1024;
/// What the SDK of binaries reads of a name at most.
const LONGEST_NAME: u64 = 4096;

/// What every record begins with; its length follows, as a little-endian u32.
const MAGIC: &[u8] = b"hecate-om\0\0\x01";

/// The sections of manifests, and of the names of services that the binary runs: as ELF and Mach-O have them,
/// and as PE cuts them.
const MANIFESTS: [&[u8]; 3] = [b"hecate_om", b"__hecate_om", b"hecate_o"];
const RUN: [&[u8]; 3] = [b"hecate_run", b"__hecate_run", b"hecate_r"];

/// What a binary keeps, each text once, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// The texts of manifests.
    pub(crate) manifests: Vec<String>,
    /// The names of the services that it runs.
    pub(crate) run: Vec<String>,
}

/// Why a file tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("is empty")]
    Empty,
    #[error("is no program: neither ELF, Mach-O nor PE, nor an archive of those")]
    NoBinary,
    #[error("is cut off or damaged: {0}")]
    Damaged(String),
    #[error("claims to be larger than is read of a file, {} MiB", MOST_READ / 1024 / 1024)]
    TooLarge,
    #[error("has a section `{section}` of {size} bytes; the largest that is read has {LARGEST_SECTION}")]
    LargeSection { section: String, size: u64 },
    #[error("has more than {MOST_RECORDS} records")]
    TooMany,
    #[error("has a section `{0}` that is compressed")]
    Compressed(String),
    #[error("has a damaged section `{section}`: at byte {at} {what}")]
    Record { section: String, at: usize, what: &'static str },
}

/// Reads what a binary keeps; nothing, when it keeps nothing.
///
/// # Errors
/// When it is no binary, when a part of it that is needed is missing, and when it is larger than anybody's.
pub(crate) fn records(input: impl Read + Seek) -> Result<Records, Unreadable> {
    let pieces = Pieces { cache: ReadCache::new(input), left: Cell::new(MOST_READ), is_exhausted: Cell::new(false) };
    let found = read(&pieces);
    // What did not fit was told as damage.
    if pieces.is_exhausted.get() && found.is_err() { Err(Unreadable::TooLarge) } else { found }
}

fn read<'a, R: ReadRef<'a>>(data: R) -> Result<Records, Unreadable> {
    if data.len() == Ok(0) {
        return Err(Unreadable::Empty);
    }
    let kind = FileKind::parse(data).map_err(|_| Unreadable::NoBinary)?;
    let mut found = Found::default();
    match kind {
        FileKind::Archive => {
            for member in ArchiveFile::parse(data).map_err(damaged)?.members() {
                let member = member.map_err(damaged)?.data(data).map_err(damaged)?;
                // Not all that is in a library is code, and what is in it is no library again.
                if FileKind::parse(member).is_ok_and(|kind| kind != FileKind::Archive) {
                    found.read(member)?;
                }
            }
        }
        FileKind::MachOFat32 => {
            let fat = MachOFatFile32::parse(data).map_err(damaged)?;
            fat.arches().iter().try_for_each(|part| found.read(part.data(data).map_err(damaged)?))?;
        }
        FileKind::MachOFat64 => {
            let fat = MachOFatFile64::parse(data).map_err(damaged)?;
            fat.arches().iter().try_for_each(|part| found.read(part.data(data).map_err(damaged)?))?;
        }
        _ => found.read(data)?,
    }
    Ok(found.records)
}

fn damaged(error: object::Error) -> Unreadable {
    Unreadable::Damaged(error.to_string())
}

/// What was found so far.
#[derive(Default)]
struct Found {
    records: Records,
    known: BTreeSet<String>,
}

impl Found {
    fn read<'a, R: ReadRef<'a>>(&mut self, data: R) -> Result<(), Unreadable> {
        let file = match object::File::parse(data) {
            Ok(file) => file,
            // A kind that is known, and that nobody can run.
            Err(error) if error.to_string() == "Unsupported file format" => return Err(Unreadable::NoBinary),
            Err(error) => return Err(damaged(error)),
        };
        for section in file.sections() {
            let Ok(name) = section.name_bytes() else { continue };
            let is_run = RUN.contains(&name);
            if !is_run && !MANIFESTS.contains(&name) {
                continue;
            }
            let name = String::from_utf8_lossy(name).into_owned();
            let stored = section.compressed_file_range().map_err(damaged)?;
            if stored.format != CompressionFormat::None {
                return Err(Unreadable::Compressed(name));
            }
            let size = section.size().max(stored.compressed_size);
            if size > LARGEST_SECTION {
                return Err(Unreadable::LargeSection { section: name, size });
            }
            self.take(&name, section.data().map_err(damaged)?, is_run)?;
        }
        Ok(())
    }

    /// The records of a section; linkers pad between them.
    fn take(&mut self, section: &str, data: &[u8], is_run: bool) -> Result<(), Unreadable> {
        let wrong = |at, what| Unreadable::Record { section: section.to_owned(), at, what };
        let mut at = 0;
        while let Some(padding) = data[at..].iter().position(|byte| *byte != 0) {
            at += padding;
            let rest =
                data[at..].strip_prefix(MAGIC).ok_or_else(|| wrong(at, "there is something else than a record"))?;
            let (length, rest) = rest.split_first_chunk().ok_or_else(|| wrong(at, "a record is cut off"))?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > LARGEST_RECORD {
                return Err(wrong(at, "a record claims to be larger than any manifest"));
            }
            let text = rest.get(..length).ok_or_else(|| wrong(at, "a record is cut off"))?;
            let text = std::str::from_utf8(text).map_err(|_| wrong(at, "a record is no UTF-8"))?;
            self.add(text, is_run)?;
            at += MAGIC.len() + size_of::<u32>() + length;
        }
        Ok(())
    }

    fn add(&mut self, text: &str, is_run: bool) -> Result<(), Unreadable> {
        // The parts of a fat binary keep the same, and so may two objects of one library.
        let is_new = self.known.insert(format!("{}{text}", u8::from(is_run)));
        let of_kind = if is_run { &mut self.records.run } else { &mut self.records.manifests };
        if is_new {
            if of_kind.len() == MOST_RECORDS {
                return Err(Unreadable::TooMany);
            }
            of_kind.push(text.to_owned());
        }
        Ok(())
    }
}

/// A file in pieces, each read when it is asked for, and no more than so many bytes of all.
struct Pieces<R: Read + Seek> {
    cache: ReadCache<R>,
    left: Cell<u64>,
    is_exhausted: Cell<bool>,
}

impl<R: Read + Seek> Pieces<R> {
    fn charge(&self, size: u64) -> Result<(), ()> {
        match self.left.get().checked_sub(size) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.is_exhausted.set(true);
                Err(())
            }
        }
    }
}

impl<'a, R: Read + Seek> ReadRef<'a> for &'a Pieces<R> {
    fn len(self) -> Result<u64, ()> {
        (&self.cache).len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        // What lies behind the end is damage, however large.
        let end = offset.checked_add(size).ok_or(())?;
        if end > self.len()? {
            return Err(());
        }
        self.charge(size)?;
        (&self.cache).read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.charge(range.end.saturating_sub(range.start).min(LONGEST_NAME))?;
        (&self.cache).read_bytes_at_until(range, delimiter)
    }
}

// Where the fuzzer finds them, too.
#[cfg(test)]
#[path = "binary/tests.rs"]
mod tests;
