//! Which trace a call belongs to, as W3C Trace Context has it: carried on, or begun here.
//!
//! A trace never fails a call: what cannot be read is as good as none. One that is begun here costs
//! nothing until somebody asks for it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::CallId;

/// The header that names a trace and the caller's part in it.
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What more is dropped of a `tracestate`.
pub(crate) const MAX_STATE: usize = 512;
pub(crate) const MAX_STATE_MEMBERS: usize = 32;

/// The trace of a call: what a handler hands on to what it calls in its turn.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[derive(Default)] struct Greeter;
/// # #[hecate_service(name = "hecate-greeter")]
/// # impl Greeter {
/// /// Tells under which trace this call is known.
/// #[capability(version = 1)]
/// async fn whereabouts(&self, call: &Call<Self>) -> Result<()> {
///     let trace = call.trace();
///     println!("trace {}, for the next: {}", trace.trace_id(), trace.traceparent());
///     Ok(())
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    trace_id: TraceId,
    /// This call's own part of the trace.
    span: u64,
    sampled: bool,
    state: Option<Box<str>>,
}

/// Names a trace: 32 hexadecimal digits, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Trace {
    /// The trace of a call; the same whenever it is asked for.
    pub(crate) fn of(call: CallId, caller: Option<&CallerTrace>) -> Self {
        let span = derived(call.number(), 2);
        match caller {
            Some(caller) => {
                Self { trace_id: TraceId(caller.trace_id), span, sampled: caller.sampled, state: caller.state.clone() }
            }
            None => Self { trace_id: root(call.number(), 0), span, sampled: false, state: None },
        }
    }

    /// A trace of its own, for a call that no other caused.
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { trace_id: root(number, 3), span: derived(number, 5), sampled: false, state: None }
    }

    /// What one that is called in this process is told of it.
    pub(crate) fn to_callee(&self) -> Arc<CallerTrace> {
        let TraceId(trace_id) = self.trace_id;
        Arc::new(CallerTrace { trace_id, sampled: self.sampled, state: self.state.clone() })
    }

    /// Names the whole trace, of which this call is a part.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The header `traceparent` for what this call causes: the same trace, with this call as parent.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{:016x}-{:02x}", self.trace_id, self.span, u8::from(self.sampled))
    }

    /// The header `tracestate` as it came, to be handed on with [`traceparent`](Self::traceparent).
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether the caller records this trace; one that is begun here is not recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

/// Bits that are the same for each `number` and `part` of this process, and no others' guess.
fn derived(number: u64, part: u64) -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    // Not all zero, which would be no id.
    SEED.hash_one((number, part)) | 1
}

fn root(number: u64, part: u64) -> TraceId {
    TraceId(u128::from(derived(number, part)) << 64 | u128::from(derived(number, part + 1)))
}

/// What a caller said of its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallerTrace {
    trace_id: u128,
    sampled: bool,
    state: Option<Box<str>>,
}

impl CallerTrace {
    /// What the headers say; nothing where they say it wrongly, or twice.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Arc<Self>> {
        Self::read(headers).map(Arc::new)
    }

    /// What a `traceparent` says that came alone.
    #[cfg(feature = "macula")]
    pub(crate) fn of_text(parent: &str) -> Option<Arc<Self>> {
        let (trace_id, sampled) = parse(parent.as_bytes())?;
        Some(Arc::new(Self { trace_id, sampled, state: None }))
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let parent = headers.get(&TRACEPARENT)?;
        if headers.get_all(&TRACEPARENT).iter().nth(1).is_some() {
            return None;
        }
        let (trace_id, sampled) = parse(parent.as_bytes())?;
        Some(Self { trace_id, sampled, state: state(headers) })
    }
}

/// Trace and flag of a `traceparent`. Of versions to come the first four fields are read, as the
/// standard asks.
fn parse(text: &[u8]) -> Option<(u128, bool)> {
    let (fields, rest) = text.split_at_checked(55)?;
    let dashes = [2, 35, 52].iter().all(|at| fields[*at] == b'-');
    let version = hex(&fields[..2])?;
    let ends = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.first().is_none_or(|next| *next == b'-'),
    };
    let (trace_id, parent, flags) = (hex(&fields[3..35])?, hex(&fields[36..52])?, hex(&fields[53..])?);
    (dashes && ends && trace_id != 0 && parent != 0).then_some((trace_id, flags & 1 == 1))
}

/// Lower case only, as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// A `tracestate` that is not longer than others must carry, in one piece.
fn state(headers: &HeaderMap) -> Option<Box<str>> {
    let lines: Option<Vec<&str>> =
        headers.get_all(&TRACESTATE).iter().map(|line| line.to_str().ok().map(str::trim)).collect();
    let whole = lines?.join(",");
    let members = whole.split(',').filter(|member| !member.trim().is_empty()).count();
    ((1..=MAX_STATE_MEMBERS).contains(&members) && whole.len() <= MAX_STATE).then(|| whole.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn read(parent: &str) -> Option<CallerTrace> {
        CallerTrace::of(&headers(&[("traceparent", parent)])).map(|read| (*read).clone())
    }

    #[test]
    fn a_trace_is_carried_on_with_a_span_of_its_own() {
        let caller = read(GOOD).unwrap();
        let call = CallId::next();
        let trace = Trace::of(call, Some(&caller));
        assert_eq!(trace.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(trace.is_sampled());
        let next = trace.traceparent();
        assert!(next.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && next.ends_with("-01"), "{next}");
        assert!(!next.contains("b7ad6b7169203331"), "{next}");
        assert_eq!(read(&next).unwrap(), caller);
        assert_eq!(Trace::of(call, Some(&caller)), trace, "it is the same however often it is asked for");
    }

    #[test]
    fn a_trace_that_begins_here_is_one_that_others_can_read() {
        let mut seen = std::collections::HashSet::new();
        for trace in (0..100).flat_map(|_| [Trace::of(CallId::next(), None), Trace::fresh()]) {
            let (trace_id, sampled) = parse(trace.traceparent().as_bytes()).unwrap();
            assert_eq!((format!("{trace_id:032x}"), sampled), (trace.trace_id().to_string(), false));
            assert!(seen.insert(trace_id));
        }
    }

    #[test]
    fn of_versions_to_come_the_first_fields_are_read() {
        let later = GOOD.replacen("00", "01", 1);
        assert!(read(&later).unwrap().sampled);
        assert!(read(&format!("{later}-and-more")).unwrap().sampled);
        assert!(!read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe").unwrap().sampled);
        assert_eq!(read(&format!("{later}.")), None);
    }

    #[test]
    fn what_is_malformed_is_as_good_as_none() {
        let mut bad: Vec<String> = vec![
            String::new(),
            "-".repeat(55),
            GOOD.to_uppercase(),
            format!("{GOOD}-"),
            format!("{GOOD}0"),
            format!(" {GOOD}"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            "0".repeat(55),
        ];
        bad.extend((0..GOOD.len()).map(|end| GOOD[..end].to_owned()));
        for at in 0..GOOD.len() {
            for wrong in ["g", "A", "+", " ", "_"] {
                let mut broken = GOOD.to_owned();
                broken.replace_range(at..=at, wrong);
                bad.push(broken);
            }
        }
        for parent in bad {
            assert_eq!(parse(parent.as_bytes()), None, "{parent:?}");
        }
        assert!(CallerTrace::of(&headers(&[("traceparent", GOOD), ("traceparent", GOOD)])).is_none());
        assert!(CallerTrace::of(&HeaderMap::new()).is_none());
        // No bytes at all make it fail.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            assert_eq!(parse(&bytes), None);
        }
    }

    #[test]
    fn a_state_is_carried_as_it_came_unless_it_is_too_much() {
        let with = |states: &[&str]| {
            let lines: Vec<_> =
                states.iter().map(|state| ("tracestate", *state)).chain([("traceparent", GOOD)]).collect();
            let caller = CallerTrace::of(&headers(&lines)).unwrap();
            Trace::of(CallId::next(), Some(&caller)).tracestate().map(str::to_owned)
        };
        assert_eq!(with(&["a=1,b=2"]).as_deref(), Some("a=1,b=2"));
        assert_eq!(with(&["a=1", " b=2"]).as_deref(), Some("a=1,b=2"));
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[""]), None);
        assert_eq!(with(&[&"x".repeat(512)]).map(|state| state.len()), Some(512));
        assert_eq!(with(&[&"x".repeat(513)]), None);
        assert!(with(&[&vec!["a=1"; 32].join(",")]).is_some());
        assert_eq!(with(&[&vec!["a=1"; 33].join(",")]), None);
        assert_eq!(with(&["a=\u{e9}"]), None);
    }
}
