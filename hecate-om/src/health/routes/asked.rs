//! What a request asks for besides its path. What is not known is ignored: probes add what they like.

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap};

/// The media type of the draft.
pub(super) const DRAFT: &str = "application/health+json";

/// What the part of an address after its `?` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// `verbose`: as text for people.
    pub(super) verbose: bool,
    /// `degraded=200` or `degraded=503`.
    pub(super) degraded: Option<StatusCode>,
}

impl Query {
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut asked = Self::default();
        for part in query.unwrap_or_default().split('&') {
            match part.split_once('=').unwrap_or((part, "")) {
                ("verbose", _) => asked.verbose = true,
                ("degraded", "200") => asked.degraded = Some(StatusCode::OK),
                ("degraded", "503") => asked.degraded = Some(StatusCode::SERVICE_UNAVAILABLE),
                _ => {}
            }
        }
        asked
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    Draft,
}

impl Form {
    pub(super) fn of(query: Query, headers: &HeaderMap) -> Self {
        if query.verbose {
            return Form::Text;
        }
        let wanted = |of_type| wish(headers, of_type);
        // Only who names the draft knows it; `*/*` is for the form that was here first.
        match wanted(DRAFT) {
            Some(wish) if wish > 0.0 && wanted("application/json").is_none_or(|json| json <= wish) => Form::Draft,
            _ => Form::Json,
        }
    }
}

/// How much a type is wanted, from 0 to 1, if it is named.
fn wish(headers: &HeaderMap, of_type: &str) -> Option<f32> {
    let lists = headers.get_all(ACCEPT).into_iter().filter_map(|list| list.to_str().ok());
    let wishes = lists.flat_map(|list| list.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().filter(|named| named.eq_ignore_ascii_case(of_type))?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // What is no number is no wish.
        Some(quality.map_or(1.0, |text| text.parse().ok().filter(|wish| (0.0..=1.0).contains(wish)).unwrap_or(0.0)))
    });
    wishes.reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_query_says_what_is_known_and_nothing_else() {
        let nothing = Query::default();
        assert_eq!(Query::of(None), nothing);
        assert_eq!(Query::of(Some("")), nothing);
        assert_eq!(Query::of(Some("x=1&&=&verbos&degraded=204&degraded&%00")), nothing);
        assert_eq!(Query::of(Some("verbose")), Query { verbose: true, ..nothing });
        assert_eq!(Query::of(Some("a=b&verbose=1")), Query { verbose: true, ..nothing });
        assert_eq!(Query::of(Some("degraded=200")).degraded, Some(StatusCode::OK));
        assert_eq!(Query::of(Some("degraded=503&x")).degraded, Some(StatusCode::SERVICE_UNAVAILABLE));
    }

    #[test]
    fn the_draft_is_for_those_who_want_it() {
        for (accept, form) in [
            ("application/health+json", Form::Draft),
            ("Application/Health+JSON", Form::Draft),
            ("text/html, application/health+json;q=0.1", Form::Draft),
            ("application/health+json; v=1 ; q=0.9, application/json;q=0.9", Form::Draft),
            ("application/health+json;q=0.5, application/json", Form::Json),
            ("application/health+json;q=0", Form::Json),
            ("application/health+json;q=0.000", Form::Json),
            ("application/health+json;q=much", Form::Json),
            ("application/health+json;q=NaN", Form::Json),
            ("application/health+jsonp", Form::Json),
            ("application/json", Form::Json),
            ("*/*", Form::Json),
            ("", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::of(Query::default(), &headers), form, "{accept}");
            assert_eq!(Form::of(Query { verbose: true, degraded: None }, &headers), Form::Text, "{accept}");
        }
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("application/json;q=0.1"));
        headers.append(ACCEPT, HeaderValue::from_static("application/health+json;q=0.2"));
        assert_eq!(Form::of(Query::default(), &headers), Form::Draft, "on two lines");
    }
}
