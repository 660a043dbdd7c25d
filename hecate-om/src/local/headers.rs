//! What the head of a local call tells besides its address: how it came about, how long its caller waits,
//! which service is meant, and what shows that the caller may call.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::capability::CapabilityError;
use crate::capability::trace::CallerTrace;
use crate::guard::access::Standing;
use crate::guard::warrant::Token;
use crate::node_id::decode_hex;

/// How many calls led to this one: `3`.
pub(crate) static HOPS: HeaderName = HeaderName::from_static("hecate-hops");
/// How many milliseconds the caller still waits.
pub(crate) static TIME_LEFT: HeaderName = HeaderName::from_static("hecate-time-left-ms");
/// The org whose capability is meant.
pub(crate) static ORG: HeaderName = HeaderName::from_static("hecate-org");
/// The id of the realm whose capability is meant, as 64 hex digits.
pub(crate) static REALM: HeaderName = HeaderName::from_static("hecate-realm");

/// What a caller said of its call; nothing, as a rule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) hops: u8,
    pub(super) time_left: Option<Duration>,
    /// Where the caller has one.
    pub(super) trace: Option<Arc<CallerTrace>>,
    org: Option<&'a str>,
    realm: Option<[u8; 32]>,
}

impl Said<'_> {
    /// Whether the caller goes elsewhere where another service answers.
    pub(super) fn names_a_service(&self) -> bool {
        self.org.is_some() || self.realm.is_some()
    }

    /// Whether the service that stands there is meant.
    pub(super) fn means(&self, standing: &Standing) -> bool {
        let own_realm = standing.realm.as_ref().map(|realm| realm.id);
        self.org.is_none_or(|org| org == standing.org) && self.realm.is_none_or(|realm| own_realm == Some(realm))
    }
}

/// What the headers say.
///
/// # Errors
/// `invalid_request`, naming the header that is there twice or has another form.
pub(super) fn read(headers: &HeaderMap) -> Result<Said<'_>, CapabilityError> {
    // To look at a few names once is less than to hash five.
    let few = headers.keys_len() <= 8;
    // Their first letters tell nearly all others apart; what is left is found out below.
    let may_be_read =
        |name: &HeaderName| matches!(name.as_str().as_bytes(), [b'h', b'e', ..] | [b't', b'r', b'a', b'c', ..]);
    if few && !headers.keys().any(may_be_read) {
        return Ok(Said::default());
    }
    read_each(headers)
}

#[cold]
fn read_each(headers: &HeaderMap) -> Result<Said<'_>, CapabilityError> {
    let hops = one(headers, &HOPS, "a number", number)?.unwrap_or(0);
    let org = one(headers, &ORG, "the name of an org", |value| value.to_str().ok().filter(|org| !org.is_empty()))?;
    let realm = one(headers, &REALM, "64 hex digits", |value| {
        decode_hex(value.to_str().ok()?).and_then(|bytes| bytes.try_into().ok())
    })?;
    Ok(Said {
        // More than fit are too many in any case.
        hops: u8::try_from(hops).unwrap_or(u8::MAX),
        time_left: one(headers, &TIME_LEFT, "a number of milliseconds", number)?.map(Duration::from_millis),
        trace: CallerTrace::of(headers),
        org,
        realm,
    })
}

/// What a header says, if it is there, once and in its form.
fn one<'a, T>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    form: &str,
    read: impl FnOnce(&'a HeaderValue) -> Option<T>,
) -> Result<Option<T>, CapabilityError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CapabilityError::invalid_request(format!("the header `{name}` is there twice")));
    }
    let wrong = || CapabilityError::invalid_request(format!("the header `{name}` is not {form}"));
    read(value).map(Some).ok_or_else(wrong)
}

/// Digits and nothing else; what is too large is as large as can be.
fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        digits.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

/// The token of `Authorization: Bearer <token>`. Any other credentials are none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| Token::new(token.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mesh::{CryptoProfile, Realm};

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn what_is_said_is_read_however_many_headers_there_are() {
        assert_eq!(read(&headers(&[("host", "localhost")])).unwrap(), Said::default());
        let realm = "0f".repeat(32);
        let mut lines = vec![
            ("hecate-hops", "3"),
            ("hecate-time-left-ms", "1500"),
            ("hecate-org", "acme"),
            ("hecate-realm", realm.as_str()),
        ];
        for other in ["x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g"] {
            let map = headers(&lines);
            let said = read(&map).unwrap();
            assert_eq!((said.hops, said.time_left), (3, Some(Duration::from_millis(1500))), "{other}");
            assert_eq!((said.org, said.realm), (Some("acme"), Some([15; 32])), "{other}");
            lines.push((other, ""));
        }
        let map = headers(&[("hecate-hops", "300"), ("hecate-time-left-ms", &"9".repeat(40))]);
        let said = read(&map).unwrap();
        assert_eq!((said.hops, said.time_left), (u8::MAX, Some(Duration::from_millis(u64::MAX))));
    }

    #[test]
    fn what_is_malformed_is_named() {
        let cases = [
            ("hecate-hops", ["", "+1", "-1", "1.0", " ", "one", "0x1", "1 2"].as_slice()),
            ("hecate-time-left-ms", &["", "+1", "-1", "1s", "1e3"]),
            ("hecate-org", &["", "\u{e9}"]),
            ("hecate-realm", &["", "0f", "hecate.local", &"0g".repeat(32), &"0f".repeat(33)]),
        ];
        for (name, values) in cases {
            for value in values {
                let error = read(&headers(&[(name, value)])).unwrap_err();
                assert_eq!(error.code(), "invalid_request", "{name}: {value}");
                assert!(error.message().contains(&format!("`{name}`")), "{name}: {value}: {error}");
            }
            let twice = read(&headers(&[(name, "1"), (name, "1")])).unwrap_err();
            assert!(twice.message().contains(&format!("`{name}` is there twice")), "{twice}");
        }
    }

    #[test]
    fn a_call_means_this_service_unless_it_names_another() {
        let realm = |id| Realm { id: [id; 32], name: None, key: Vec::new() };
        let standing = |realm| Standing { org: "acme".to_owned(), realm, profile: CryptoProfile::PqPure };
        let said = |org, realm: Option<u8>| Said { org, realm: realm.map(|id| [id; 32]), ..Said::default() };
        let (known, unknown) = (standing(Some(realm(1))), standing(None));
        for (said, means_known, means_unknown) in [
            (said(None, None), true, true),
            (said(Some("acme"), None), true, true),
            (said(Some("acme"), Some(1)), true, false),
            (said(None, Some(1)), true, false),
            (said(Some("Acme"), Some(1)), false, false),
            (said(Some("acme"), Some(2)), false, false),
        ] {
            assert_eq!((said.means(&known), said.means(&unknown)), (means_known, means_unknown), "{said:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        let found = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
            bearer(&headers(&lines)).map(|token| format!("{token:?}"))
        };
        let token = Some("Token(*** 3 bytes)".to_owned());
        assert_eq!(found(&["Bearer a.b"]), token);
        assert_eq!(found(&["bearer  a.b "]), token);
        for other in [&[][..], &["Bearer"], &["Basic a.b"], &["a.b"], &["Bearer a.b", "Bearer a.b"]] {
            assert_eq!(found(other), None, "{other:?}");
        }
    }
}
