//! The little that is read of an X.509 certificate: whose it is, and from when to when.
//!
//! Nothing is trusted by it. A crate that reads all of X.509 would be eight more to build for three
//! fields whose place is fixed.

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::telemetry::text::visible;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Whose it is, such as `O=Acme, CN=hecate-echo`.
    pub(super) subject: String,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// The longest subject that is shown, in bytes.
const MAX_SUBJECT: usize = 200;

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// Texts whose bytes are those of UTF-8, in what is in use.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];

/// Parts of a subject that have short names; all are below `2.5.4`.
const PARTS: [(u8, &str); 7] = [(3, "CN"), (5, "serialNumber"), (6, "C"), (7, "L"), (8, "ST"), (10, "O"), (11, "OU")];

impl Certificate {
    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    /// What the file is instead; nothing of its content is told but its label.
    pub(super) fn from_pem(file: &[u8]) -> Result<Self, String> {
        match label(file) {
            None => return Err("is no PEM file".to_owned()),
            Some("CERTIFICATE") => {}
            Some(other) => return Err(format!("has the label {other:?}, not \"CERTIFICATE\"")),
        }
        let der = CertificateDer::from_pem_slice(file).map_err(|_| "is no whole PEM file")?;
        Self::from_der(&der).ok_or_else(|| "holds no X.509 certificate".to_owned())
    }

    /// Reads a certificate, or the file of one.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of_any(bytes: &[u8]) -> Result<Self, String> {
        Self::from_der(bytes).map_or_else(|| Self::from_pem(bytes), Ok)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut fields, _) = element(certificate, SEQUENCE)?;
        // A certificate of the first version does not say so.
        if let Some((_, rest)) = element(fields, VERSION) {
            fields = rest;
        }
        let (_serial, fields) = element(fields, INTEGER)?;
        let (_algorithm, fields) = element(fields, SEQUENCE)?;
        let (_issuer, fields) = element(fields, SEQUENCE)?;
        let (validity, fields) = element(fields, SEQUENCE)?;
        let (subject, _) = element(fields, SEQUENCE)?;
        let (from, validity) = time(validity)?;
        let (until, _) = time(validity)?;
        Some(Self { subject: name(subject)?, from, until })
    }
}

/// What the first section of a PEM file is called. A file may hold anything, so only what looks like a
/// label is shown.
fn label(file: &[u8]) -> Option<&str> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut lines = file.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.trim_ascii().strip_prefix(BEGIN)?.strip_suffix(b"-----"))?;
    let is_label =
        line.len() <= 64 && line.iter().all(|byte| byte.is_ascii_uppercase() || b" 0123456789".contains(byte));
    if is_label { std::str::from_utf8(line).ok() } else { Some("(no label)") }
}

/// What is in the element at the beginning of `der`, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any_element(der)?;
    (found == tag).then_some((content, rest))
}

fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` or, with all of the year, the other form.
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (tag, content, rest) = any_element(der)?;
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let all = match tag {
        UTC_TIME if digits.len() == 12 => {
            let century = if digits.as_bytes()[0] < b'5' { "20" } else { "19" };
            format!("{century}{digits}")
        }
        GENERALIZED_TIME if digits.len() == 14 => digits.to_owned(),
        _ => return None,
    };
    if !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &all[from..to];
    let (date, clock) = (
        format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)),
        format!("{}:{}:{}", part(8, 10), part(10, 12), part(12, 14)),
    );
    Some((humantime::parse_rfc3339(&format!("{date}T{clock}Z")).ok()?, rest))
}

/// The parts of a name that have short names.
fn name(mut parts: &[u8]) -> Option<String> {
    let mut shown = String::new();
    while !parts.is_empty() {
        let (mut set, rest) = element(parts, SET)?;
        parts = rest;
        while !set.is_empty() {
            let (pair, rest) = element(set, SEQUENCE)?;
            set = rest;
            let (kind, value) = element(pair, OBJECT_IDENTIFIER)?;
            let (tag, text, _) = any_element(value)?;
            let short = match kind {
                [0x55, 0x04, part] => PARTS.iter().find(|(known, _)| known == part).map(|(_, short)| *short),
                _ => None,
            };
            if let Some(short) = short.filter(|_| TEXTS.contains(&tag)) {
                let comma = if shown.is_empty() { "" } else { ", " };
                // Whoever made the certificate chose the text, and a line end in it would forge a line of health.
                let text = String::from_utf8_lossy(text);
                shown.push_str(&format!("{comma}{short}={}", visible(&text)));
            }
        }
    }
    if shown.is_empty() {
        shown.push_str("(no name)");
    }
    shown.truncate(shown.floor_char_boundary(MAX_SUBJECT));
    Some(shown)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of `O=Acme, Inc., CN=hecate-echo`, from 2026-01-01 to 2026-04-01, made with OpenSSL.
    pub(in crate::identity) const ECHO: &str = include_str!("fixtures/echo.pem");
    /// Of the third version, with more parts of a name.
    const THIRD: &str = include_str!("fixtures/third.pem");
    /// With a year after 2049, which is written in another way.
    const FAR: &str = include_str!("fixtures/far.pem");

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn subject_and_dates_are_those_that_openssl_shows() {
        let echo = Certificate::from_pem(ECHO.as_bytes()).unwrap();
        assert_eq!(echo.subject, "O=Acme, Inc., CN=hecate-echo");
        assert_eq!((echo.from, echo.until), (at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z")));
        let far = Certificate::from_pem(FAR.as_bytes()).unwrap();
        assert_eq!((&*far.subject, far.until), ("CN=for ever", at("2070-12-31T23:59:59Z")));
        let third = Certificate::from_pem(THIRD.as_bytes()).unwrap();
        assert_eq!(third.subject, "C=BE, O=Acme, OU=Mesh, CN=hecate-echo");
        assert_eq!(third.until.duration_since(third.from).unwrap().as_secs(), 90 * 24 * 3600);
    }

    #[test]
    fn a_subject_stays_on_its_line() {
        let der = CertificateDer::from_pem_slice(ECHO.as_bytes()).unwrap();
        let at = der.windows(11).rposition(|window| window == b"hecate-echo").unwrap();
        let mut changed = der.to_vec();
        changed[at..at + 3].copy_from_slice(b"\n[+");
        let subject = Certificate::from_der(&changed).unwrap().subject;
        assert_eq!(subject, "O=Acme, Inc., CN=\\n[+ate-echo");
    }

    #[test]
    fn what_is_no_certificate_is_told_as_what_it_is() {
        let said = |text: &str| Certificate::from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(said(""), "is no PEM file");
        assert_eq!(said("certificate"), "is no PEM file");
        assert_eq!(
            said(&ECHO.replace("CERTIFICATE", "EC PRIVATE KEY")),
            "has the label \"EC PRIVATE KEY\", not \"CERTIFICATE\""
        );
        assert_eq!(said("-----BEGIN a secret-----\n"), "has the label \"(no label)\", not \"CERTIFICATE\"");
        assert_eq!(said(&ECHO[..200]), "is no whole PEM file");
        assert_eq!(
            said("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
            "holds no X.509 certificate"
        );
    }

    #[test]
    fn no_cut_or_changed_certificate_is_a_reason_to_panic() {
        let der = CertificateDer::from_pem_slice(ECHO.as_bytes()).unwrap();
        for length in 0..der.len() {
            assert_eq!(Certificate::from_der(&der[..length]), None, "{length}");
        }
        for place in 0..der.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = der.to_vec();
                changed[place] ^= change;
                if let Some(read) = Certificate::from_der(&changed) {
                    assert!(read.subject.len() <= MAX_SUBJECT);
                }
            }
        }
    }
}
