use std::io::{self, Cursor, Seek, SeekFrom};

use super::*;

fn record(text: &[u8]) -> Vec<u8> {
    [MAGIC, &u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat()
}

/// Numbers as a machine writes them.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn bytes(self, number: u64, size: usize) -> Vec<u8> {
        match self {
            Self::Little => number.to_le_bytes()[..size].to_vec(),
            Self::Big => number.to_be_bytes()[8 - size..].to_vec(),
        }
    }
}

/// Where in the bytes of [`elf`] the table of sections is, and how long an entry is.
const ELF_TABLE: usize = 64;
const ELF_ENTRY: usize = 64;

/// A 64-bit ELF file of those sections, for a machine of that number.
fn elf_of(order: Order, machine: u64, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let places: Vec<usize> = sections
        .iter()
        .map(|(name, _)| {
            let place = names.len();
            names.extend(name.bytes().chain([0]));
            place
        })
        .collect();
    let count = sections.len() + 2;
    let mut file = b"\x7fELF\x02".to_vec();
    file.push(if matches!(order, Order::Big) { 2 } else { 1 });
    file.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // A program; its machine, the version of the format, where it begins, and where its tables are.
    for (number, size) in [(2, 2), (machine, 2), (1, 4), (0, 8), (0, 8), (ELF_TABLE as u64, 8), (0, 4), (64, 2)] {
        file.extend(order.bytes(number, size));
    }
    for number in [0, 0, ELF_ENTRY, count, count - 1] {
        file.extend(order.bytes(number as u64, 2));
    }
    let mut at = ELF_TABLE + count * ELF_ENTRY;
    let mut entry = |file: &mut Vec<u8>, name: usize, kind: u64, length: usize| {
        let fields =
            [(name, 4), (kind as usize, 4), (0, 8), (0, 8), (at, 8), (length, 8), (0, 4), (0, 4), (1, 8), (0, 8)];
        fields.iter().for_each(|(number, size)| file.extend(order.bytes(*number as u64, *size)));
        at += length;
    };
    entry(&mut file, 0, 0, 0);
    for ((_, data), name) in sections.iter().zip(&places) {
        entry(&mut file, *name, 1, data.len());
    }
    entry(&mut file, 0, 3, names.len());
    sections.iter().for_each(|(_, data)| file.extend(*data));
    file.extend(names);
    file
}

fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    elf_of(Order::Little, 62, sections)
}

/// A 64-bit Mach-O file for ARM, of one segment.
fn macho(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let size = 72 + 80 * sections.len();
    let mut file = Vec::new();
    let mut put = |numbers: &[u32]| numbers.iter().for_each(|number| file.extend(number.to_le_bytes()));
    put(&[0xfeed_facf, 0x0100_000c, 0, 2, 1, u32::try_from(size).unwrap(), 0, 0]);
    put(&[0x19, u32::try_from(size).unwrap()]);
    let name = |name: &str| {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(16, 0);
        bytes
    };
    file.extend(name("__DATA"));
    file.extend([0; 32]);
    for number in [7_u32, 7, u32::try_from(sections.len()).unwrap(), 0] {
        file.extend(number.to_le_bytes());
    }
    let mut at = 32 + size;
    for (section, data) in sections {
        file.extend([name(section), name("__DATA")].concat());
        file.extend([0; 8]);
        file.extend((data.len() as u64).to_le_bytes());
        file.extend(u32::try_from(at).unwrap().to_le_bytes());
        file.extend([0; 28]);
        at += data.len();
    }
    sections.iter().for_each(|(_, data)| file.extend(*data));
    file
}

/// A 64-bit PE file.
fn pe(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..2].copy_from_slice(b"MZ");
    file[60] = 64;
    file.extend(b"PE\0\0\x64\x86");
    file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    file.extend([0; 12]);
    file.extend([112, 0, 0x22, 0, 0x0b, 0x02]);
    file.extend([0; 110]);
    let mut at = file.len() + 40 * sections.len();
    for (name, data) in sections {
        let mut name = name.as_bytes().to_vec();
        name.resize(8, 0);
        file.extend(name);
        for number in [data.len(), 4096, data.len(), at, 0, 0, 0, 0] {
            file.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        at += data.len();
    }
    sections.iter().for_each(|(_, data)| file.extend(*data));
    file
}

/// A library of those members.
fn archive(members: &[&[u8]]) -> Vec<u8> {
    let mut file = b"!<arch>\n".to_vec();
    for member in members {
        file.extend(format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "a.o/", 0, 0, 0, 644, member.len()).bytes());
        file.extend(*member);
        file.resize(file.len().next_multiple_of(2), b'\n');
    }
    file
}

fn found(file: &[u8]) -> (Vec<String>, Vec<String>) {
    let records = records(Cursor::new(file)).unwrap();
    (records.manifests, records.run)
}

fn refused(file: &[u8]) -> Unreadable {
    records(Cursor::new(file)).unwrap_err()
}

/// One of each kind, which keep the same.
fn all_kinds() -> Vec<(&'static str, Vec<u8>)> {
    let kept = [record(b"one"), vec![0; 5], record(b"two"), vec![0; 9]].concat();
    let run = record(b"name");
    let sections: [(&str, &[u8]); 3] = [(".text", b"code"), ("hecate_om", &kept), ("hecate_run", &run)];
    let apple: [(&str, &[u8]); 2] = [("__hecate_om", &kept), ("__hecate_run", &run)];
    let thin = macho(&apple);
    let mut fat: Vec<u8> = [0xcafe_babe_u32, 1, 0x0100_000c, 0, 32, u32::try_from(thin.len()).unwrap(), 0, 0]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    fat.extend(&thin);
    vec![
        ("ELF", elf(&sections)),
        ("ELF for ARM", elf_of(Order::Little, 183, &sections)),
        ("ELF for S/390", elf_of(Order::Big, 22, &sections)),
        ("ELF for a machine that nobody knows", elf_of(Order::Little, 0xfeed, &sections)),
        ("Mach-O", thin),
        ("Mach-O of several", fat),
        ("PE", pe(&[("hecate_o", &kept), ("hecate_r", &run)])),
        ("a library", archive(&[b"no object", &elf(&sections), &elf(&sections)])),
    ]
}

#[test]
fn what_a_binary_keeps_is_read_whichever_system_it_is_for() {
    for (kind, file) in all_kinds() {
        let (manifests, run) = found(&file);
        assert_eq!((manifests, run), (vec!["one".to_owned(), "two".to_owned()], vec!["name".to_owned()]), "{kind}");
    }
}

/// Whoever names a section nearly so keeps something else in it.
#[test]
fn a_section_of_nearly_that_name_is_another_one() {
    let kept = record(b"one");
    let near = ["hecate_om2", ".hecate_om", "hecate_omit", "hecate", "hecate_running", "xhecate_run", "HECATE_OM"];
    let sections: Vec<(&str, &[u8])> = near.iter().map(|name| (*name, &kept[..])).collect();
    assert_eq!(records(Cursor::new(elf(&sections))).unwrap(), Records::default());
}

#[test]
fn a_binary_that_keeps_nothing_tells_nothing() {
    assert_eq!(records(Cursor::new(elf(&[(".text", b"code")]))).unwrap(), Records::default());
    assert_eq!(records(Cursor::new(elf(&[("hecate_om", &[0; 64])]))).unwrap(), Records::default());
    assert_eq!(records(Cursor::new(archive(&[b"no object"]))).unwrap(), Records::default());
}

#[test]
fn what_is_no_program_is_told() {
    assert_eq!(refused(b""), Unreadable::Empty);
    for text in [&b"#!/bin/sh\necho hello\n"[..], b"x", b"\x7fEL", b"PK\x03\x04 and more of that", &[0; 4096]] {
        assert_eq!(refused(text), Unreadable::NoBinary, "{text:?}");
    }
}

#[test]
fn a_record_that_is_damaged_is_told_with_its_place() {
    let long = [MAGIC, &u32::MAX.to_le_bytes()[..], b"x"].concat();
    for (data, at, what) in [
        (b"garbage".to_vec(), 0, "there is something else than a record"),
        ([record(b"one"), b"x".to_vec()].concat(), 19, "there is something else than a record"),
        (record(b"one")[..17].to_vec(), 0, "a record is cut off"),
        (MAGIC.to_vec(), 0, "a record is cut off"),
        (long, 0, "a record claims to be larger than any manifest"),
        (record(b"\xff\xfe"), 0, "a record is no UTF-8"),
    ] {
        let told = refused(&elf(&[("hecate_om", &data)]));
        assert_eq!(told, Unreadable::Record { section: "hecate_om".to_owned(), at, what });
    }
    let many: Vec<u8> = (0..=MOST_RECORDS).flat_map(|number| record(number.to_string().as_bytes())).collect();
    assert_eq!(refused(&elf(&[("hecate_run", &many)])), Unreadable::TooMany);
}

#[test]
fn a_section_that_claims_what_no_binary_has_is_refused_before_it_is_read() {
    let kept = record(b"one");
    let with_size = |size: u64, place: u64| {
        let mut file = elf(&[("hecate_om", &kept)]);
        let entry = ELF_TABLE + ELF_ENTRY;
        file[entry + 24..entry + 32].copy_from_slice(&place.to_le_bytes());
        file[entry + 32..entry + 40].copy_from_slice(&size.to_le_bytes());
        file
    };
    let told = refused(&with_size(LARGEST_SECTION + 1, 0));
    assert!(matches!(told, Unreadable::LargeSection { size, .. } if size == LARGEST_SECTION + 1), "{told}");
    assert!(matches!(refused(&with_size(19, u64::MAX - 4)), Unreadable::Damaged(_)));
    assert!(matches!(refused(&with_size(4096, 0)), Unreadable::Damaged(_)), "behind the end");

    let mut packed = elf(&[("hecate_om", &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])]);
    packed[ELF_TABLE + ELF_ENTRY + 9] = 0x08;
    assert_eq!(refused(&packed), Unreadable::Compressed("hecate_om".to_owned()));
}

/// As large as it claims, and nothing but zeros behind its beginning.
struct Sparse {
    begin: Vec<u8>,
    size: u64,
    at: u64,
    read: u64,
}

impl Read for &mut Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        for (place, byte) in buffer[..left].iter_mut().enumerate() {
            let at = usize::try_from(self.at).unwrap() + place;
            *byte = self.begin.get(at).copied().unwrap_or(0);
        }
        self.at += left as u64;
        self.read += left as u64;
        Ok(left)
    }
}

impl Seek for &mut Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.size.checked_add_signed(by).unwrap(),
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

#[test]
fn of_a_file_of_gigabytes_only_what_is_needed_is_read() {
    let kept = record(b"one");
    let mut large = Sparse { begin: elf(&[("hecate_om", &kept)]), size: 10 << 30, at: 0, read: 0 };
    assert_eq!(records(&mut large).unwrap().manifests, ["one"]);
    assert!(large.read < 64 * 1024, "{} bytes", large.read);
}

#[test]
fn tables_that_claim_gigabytes_end_the_reading() {
    // The number of sections stands in the first of them when there are too many for the header.
    let mut begin = elf(&[("hecate_om", b"")]);
    begin[60..62].copy_from_slice(&[0, 0]);
    begin[ELF_TABLE + 32..ELF_TABLE + 40].copy_from_slice(&(5_u64 << 20).to_le_bytes());
    let mut large = Sparse { begin, size: 10 << 30, at: 0, read: 0 };
    assert_eq!(records(&mut large), Err(Unreadable::TooLarge));
    assert!(large.read <= MOST_READ, "{} bytes", large.read);
}

/// A small generator of numbers (SplitMix64), so that a failure can be had again.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn whatever_is_cut_or_changed_there_is_an_answer() {
    for (kind, file) in all_kinds() {
        for end in 0..file.len() {
            // Some of what is cut is padding.
            let _ = records(Cursor::new(&file[..end]));
        }
        let mut seed = 7;
        for _ in 0..5000 {
            let mut changed = file.clone();
            for _ in 0..=next(&mut seed) % 4 {
                let place = usize::try_from(next(&mut seed)).unwrap() % changed.len().min(1024);
                changed[place] = u8::try_from(next(&mut seed) % 256).unwrap();
            }
            if let Ok(found) = records(Cursor::new(&changed)) {
                assert!(found.manifests.len() <= MOST_RECORDS, "{kind}");
            }
        }
    }
}

#[test]
fn every_program_of_the_corpus_is_answered() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpora/program");
    let mut tried = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        // Seen when the test fails.
        println!("{}", path.display());
        if let Err(error) = records(Cursor::new(std::fs::read(&path).unwrap())) {
            assert!(!error.to_string().contains(char::is_control));
        }
        tried += 1;
    }
    assert!(tried >= 8, "the corpus is small");
}
