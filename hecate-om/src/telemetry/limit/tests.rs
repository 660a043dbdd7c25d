use tracing::callsite::Callsite;
use tracing::subscriber::Interest;

use super::*;

struct Site(Level);

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        unimplemented!("nobody asks")
    }
}

/// A place in the code that exists only here.
fn place(level: Level) -> &'static Metadata<'static> {
    // Not of size zero: two of those may have one address.
    let site: &'static Site = Box::leak(Box::new(Site(level)));
    let fields = tracing::field::FieldSet::new(&[], Identifier(site));
    let kind = tracing::metadata::Kind::EVENT;
    Box::leak(Box::new(Metadata::new("x", "x", site.0, Some("x.rs"), Some(7), None, fields, kind)))
}

fn written(limit: &Limit, place: &'static Metadata<'static>, times: u64, now: Instant) -> u64 {
    let judged = (0..times).map(|_| limit.judge(place, now));
    judged.filter(|verdict| !matches!(verdict, Verdict::Suppress { .. })).count() as u64
}

#[test]
fn a_place_writes_so_many_lines_and_tells_how_many_it_kept_back() {
    let (limit, begin) = (Limit::default(), Instant::now());
    let (noisy, other) = (place(Level::WARN), place(Level::WARN));
    assert_eq!(written(&limit, noisy, LINES, begin), LINES);
    assert_eq!(limit.judge(noisy, begin), Verdict::Suppress { is_first: true });
    assert_eq!(limit.judge(noisy, begin), Verdict::Suppress { is_first: false });
    assert_eq!(limit.judge(other, begin), Verdict::Write);
    let later = begin + WINDOW;
    let told = Suppressed { lines: 2, place: noisy, is_shared: false };
    assert_eq!(limit.judge(noisy, later), Verdict::WriteAfter(told));
    assert_eq!(written(&limit, noisy, 1000, later), LINES - 1);
}

#[test]
fn what_was_kept_back_is_told_although_nothing_follows() {
    let (limit, begin) = (Limit::default(), Instant::now());
    let noisy = place(Level::ERROR);
    written(&limit, noisy, LINES + 7, begin);
    assert_eq!(limit.due(begin + WINDOW / 2), (Vec::new(), Some(begin + WINDOW)));
    let told = Suppressed { lines: 7, place: noisy, is_shared: false };
    assert_eq!(limit.due(begin + WINDOW), (vec![told], None));
    written(&limit, noisy, LINES + 3, begin + WINDOW);
    assert_eq!(limit.rest(), [Suppressed { lines: 3, place: noisy, is_shared: false }]);
    assert_eq!(limit.rest(), []);
}

#[test]
fn what_somebody_asked_for_is_not_limited() {
    let (limit, now) = (Limit::default(), Instant::now());
    for level in [Level::DEBUG, Level::TRACE] {
        assert_eq!(written(&limit, place(level), 10_000, now), 10_000);
    }
    assert!(limit.lock().own.is_empty());
}

#[test]
fn places_beyond_the_bound_share_and_errors_are_apart() {
    let (limit, now) = (Limit::default(), Instant::now());
    for _ in 0..PLACES {
        assert_eq!(limit.judge(place(Level::INFO), now), Verdict::Write);
    }
    let shared: u64 = (0..LINES + 50).map(|_| written(&limit, place(Level::INFO), 1, now)).sum();
    assert_eq!(shared, LINES);
    assert_eq!(written(&limit, place(Level::ERROR), LINES, now), LINES);
    assert_eq!(limit.lock().own.len(), PLACES);
    let (told, _) = limit.due(now + WINDOW);
    assert!(matches!(told.as_slice(), [Suppressed { lines: 50, is_shared: true, .. }]), "{told:?}");
}
