//! Streams over a real socket, byte by byte: what a caller writes and reads is spelled out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::capability::{ReplyStream, RequestStream};

const TELL: usize = 0;
const HEAR: usize = 1;
const CHAT: usize = 2;

static STREAMS: [CapabilityInfo; 3] = [
    CapabilityInfo::new("lab.tell", 1, "Tells.", 2_000).kind(Kind::ServerStream),
    CapabilityInfo::new("lab.hear", 1, "Hears.", 2_000).kind(Kind::ClientStream).limits(crate::Limits::new(
        64,
        1 << 20,
        8,
        (600, 10_000),
        (6_000, 10_000),
    )),
    CapabilityInfo::new("lab.chat", 1, "Chats.", 2_000).kind(Kind::Bidi),
];
static STREAMING: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &STREAMS, identity, 8470, "{}")
};

#[derive(Deserialize, Serialize, JsonSchema)]
struct Text {
    text: String,
}

fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

/// What is seen of the handlers from outside.
#[derive(Default)]
struct Seen {
    made: AtomicUsize,
    dropped: AtomicBool,
    heard: std::sync::Mutex<Vec<String>>,
}

struct Dropped(Arc<Seen>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::SeqCst);
    }
}

async fn tell(seen: Arc<Seen>, how: String) -> Result<ReplyStream<Text>, CapabilityError> {
    let refused = || CapabilityError::refused("enough", "that is enough").with_details(json!({"made": 1}));
    match how.as_str() {
        "refuse" => return Err(refused()),
        "many" => {
            let large = "x".repeat(1000);
            return Ok(ReplyStream::iter(std::iter::repeat_with(move || {
                seen.made.fetch_add(1, Ordering::SeqCst);
                text(large.clone())
            })));
        }
        _ => {}
    }
    Ok(ReplyStream::produce(async move |sink| {
        let _dropped = Dropped(Arc::clone(&seen));
        for number in 0..3 {
            sink.send(text(number.to_string())).await;
            seen.made.fetch_add(1, Ordering::SeqCst);
            match (how.as_str(), number) {
                ("fail", 0) => return Err(refused().retryable(Some(Duration::from_secs(7)))),
                ("panic", 0) => {
                    // Not in the same breath as the item before.
                    tokio::task::yield_now().await;
                    panic!("late")
                }
                ("wait", 0) => std::future::pending().await,
                ("slowly", _) => tokio::time::sleep(Duration::from_millis(900)).await,
                _ => {}
            }
        }
        Ok(())
    }))
}

async fn hear(seen: Arc<Seen>, mut texts: RequestStream<Text>) -> Result<Text, CapabilityError> {
    let _dropped = Dropped(Arc::clone(&seen));
    let mut all = Vec::new();
    while let Some(told) = texts.next().await {
        match told {
            Ok(Text { text }) if text == "enough" => break,
            Ok(Text { text }) => {
                seen.heard.lock().unwrap().push(text.clone());
                all.push(text);
            }
            Err(error) => {
                seen.heard.lock().unwrap().push(error.to_string());
                return Err(error);
            }
        }
    }
    Ok(text(all.join(" ")))
}

async fn chat(mut texts: RequestStream<Text>) -> Result<ReplyStream<Text>, CapabilityError> {
    Ok(ReplyStream::produce(async move |sink| {
        while let Some(told) = texts.next().await {
            sink.send(text(told?.text.to_uppercase())).await;
        }
        Ok::<_, CapabilityError>(())
    }))
}

struct Streaming {
    served: Served,
    seen: Arc<Seen>,
}

impl Streaming {
    fn new() -> Self {
        let seen = Arc::<Seen>::default();
        let mut handlers = Handlers::<Seen>::new();
        handlers.server_stream(|seen, _call, request: Text| tell(seen, request.text));
        handlers.client_stream(|seen, _call, texts| hear(seen, texts));
        handlers.bidi(|_seen, _call, texts| chat(texts));
        let bound = handlers.bind(&seen, &Calls::none_of(&STREAMING));
        Self { served: Served::of(&STREAMING, bound), seen }
    }

    async fn connect(&self) -> Wire {
        Wire { stream: UnixStream::connect(&self.served.socket).await.unwrap(), come: Vec::new() }
    }

    /// Asks `lab.tell`, with these header lines.
    async fn ask(&self, how: &str, lines: &str) -> Wire {
        let mut wire = self.connect().await;
        let body = serde_json::to_string(&text(how)).unwrap();
        wire.send(&format!("{}{lines}content-length: {}\r\n\r\n{body}", head("tell"), body.len())).await;
        wire
    }

    async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let seen = &self.seen;
        within(what, async {
            while !holds(seen) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn idle(&self) {
        within("no call is left", async {
            while self.served.dispatch.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

fn head(capability: &str) -> String {
    format!("POST /capabilities/lab.{capability}/v1 HTTP/1.1\r\nhost: x\r\n")
}

async fn within<T>(what: &str, done: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), done).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A caller's end of a connection.
struct Wire {
    stream: UnixStream,
    come: Vec<u8>,
}

impl Wire {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// A piece of a body.
    async fn chunk(&mut self, text: &str) {
        self.send(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Reads up to the end that is given.
    async fn take(&mut self, end: &str) -> String {
        within(end, async {
            loop {
                let found = self.come.windows(end.len()).position(|window| window == end.as_bytes());
                if let Some(at) = found {
                    let rest = self.come.split_off(at + end.len());
                    let taken = std::mem::replace(&mut self.come, rest);
                    return String::from_utf8(taken).unwrap();
                }
                let read = self.stream.read_buf(&mut self.come).await.unwrap();
                assert!(read > 0, "it ended before {end:?}: {}", String::from_utf8_lossy(&self.come));
            }
        })
        .await
    }

    /// The status, and the head in lower case.
    async fn head(&mut self) -> (u16, String) {
        let head = self.take("\r\n\r\n").await.to_lowercase();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
    }

    /// One piece of a chunked body; none at its end.
    async fn piece(&mut self) -> Option<String> {
        let size = self.take("\r\n").await;
        let piece = self.take("\r\n").await;
        (size != "0\r\n").then(|| piece.strip_suffix("\r\n").unwrap().to_owned())
    }

    /// The rest of a chunked body.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        while let Some(piece) = self.piece().await {
            rest.push_str(&piece);
        }
        rest
    }

    /// The body of an answer that says how long it is.
    async fn problem(&mut self, head: &str) -> Value {
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        while self.come.len() < length {
            assert!(within("a body", self.stream.read_buf(&mut self.come)).await.unwrap() > 0);
        }
        let rest = self.come.split_off(length);
        serde_json::from_slice(&std::mem::replace(&mut self.come, rest)).unwrap()
    }

    async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A connection that is cut may also be reset.
        let _ = within("it is closed", self.stream.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn replies_come_as_lines_and_the_connection_goes_on() {
    let lab = Streaming::new();
    let mut wire = lab.ask("all", "").await;
    for _ in 0..2 {
        let (status, head) = wire.head().await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/x-ndjson\r\n") && head.contains("chunked"), "{head}");
        assert_eq!(wire.rest().await, "{\"text\":\"0\"}\n{\"text\":\"1\"}\n{\"text\":\"2\"}\n");
        wire.send(&format!("{}content-length: 14\r\n\r\n{{\"text\":\"all\"}}", self::head("tell"))).await;
    }
    assert_eq!(lab.served.calls(TELL, Outcome::Ok), 2);
}

#[tokio::test]
async fn replies_come_as_events_where_they_are_asked_for() {
    let lab = Streaming::new();
    let mut wire = lab.ask("all", "accept: text/html, Text/Event-Stream;q=0.5, */*\r\n").await;
    let (status, head) = wire.head().await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    let events = wire.rest().await;
    let wanted =
        "data: {\"text\":\"0\"}\n\ndata: {\"text\":\"1\"}\n\ndata: {\"text\":\"2\"}\n\nevent: end\ndata: {}\n\n";
    assert_eq!(events, wanted);

    let mut wire = lab.ask("fail", "accept: text/event-stream\r\n").await;
    wire.head().await;
    let events = wire.rest().await;
    let (item, error) = events.split_once("\n\n").unwrap();
    assert_eq!(item, "data: {\"text\":\"0\"}");
    let problem = error.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    let problem: Value = serde_json::from_str(problem).unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"], &problem["retry_after_ms"]),
        (&json!("enough"), &json!(422), &json!(7000))
    );

    for (accept, is_events) in [
        ("*/*", false),
        ("application/json", false),
        ("text/event-stream;q=0", false),
        ("application/x-ndjson, text/event-stream", false),
        ("text/event-stream, application/x-ndjson", true),
    ] {
        let mut wire = lab.ask("all", &format!("accept: {accept}\r\n")).await;
        assert_eq!(wire.head().await.1.contains("text/event-stream"), is_events, "{accept}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_first_item_has_its_status() {
    let lab = Streaming::new();
    for accept in ["", "accept: text/event-stream\r\n"] {
        let mut wire = lab.ask("refuse", accept).await;
        let (status, head) = wire.head().await;
        assert_eq!(status, 422);
        assert!(head.contains("application/problem+json"), "{head}");
        let problem = wire.problem(&head).await;
        assert_eq!((&problem["code"], &problem["details"]), (&json!("enough"), &json!({"made": 1})));
        assert!(problem["call_id"].is_string());
    }
    assert_eq!(lab.served.calls(TELL, Outcome::Refused), 2);
}

#[tokio::test]
async fn an_error_is_the_last_line_and_the_connection_goes_on() {
    let lab = Streaming::new();
    for (how, code, retry) in
        [("fail", "enough", json!(7000)), ("panic", "internal", Value::Null), ("wait", "timeout", Value::Null)]
    {
        let mut wire = lab.ask(how, "").await;
        assert_eq!(wire.head().await.0, 200);
        let body = wire.rest().await;
        let (item, last) = body.split_once('\n').unwrap();
        assert_eq!(item, "{\"text\":\"0\"}");
        let last: Value = serde_json::from_str(last).unwrap();
        let error = &last["_hecate"]["error"];
        assert_eq!((&error["code"], &error["retry_after_ms"]), (&json!(code), &retry), "{last}");
        assert_eq!(error["retryable"], json!(how == "fail"));
        assert!(error["call_id"].is_string() && error["message"].is_string(), "{last}");
        // In good order: the next call has this connection, too.
        wire.send(&format!("{}content-length: 14\r\n\r\n{{\"text\":\"all\"}}", self::head("tell"))).await;
        assert_eq!(wire.head().await.0, 200);
    }
}

#[tokio::test]
async fn an_item_is_written_when_it_is_made_and_a_slow_stream_is_not_cut() {
    let lab = Streaming::new();
    let mut wire = lab.ask("slowly", "").await;
    wire.head().await;
    assert_eq!(wire.piece().await.unwrap(), "{\"text\":\"0\"}\n");
    assert_eq!(lab.seen.made.load(Ordering::SeqCst), 1, "the next is not made yet");
    assert_eq!(wire.rest().await, "{\"text\":\"1\"}\n{\"text\":\"2\"}\n");
    // Longer in all than the timeout, which bounds each wait.
    assert_eq!(lab.served.calls(TELL, Outcome::Ok), 1);
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_the_producer_and_then_loses_its_stream() {
    let lab = Streaming::new();
    let mut wire = lab.ask("many", "").await;
    lab.until("something was made", |seen| seen.made.load(Ordering::SeqCst) > 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let made = lab.seen.made.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(lab.seen.made.load(Ordering::SeqCst), made, "nothing is made that nobody takes");
    // What the sockets and hyper keep, with much room: no more than a megabyte.
    assert!(made < 1000, "{made}");
    lab.idle().await;
    assert_eq!(lab.served.calls(TELL, Outcome::Timeout), 1);
    // Who comes back later is told.
    wire.head().await;
    let body = wire.rest().await;
    assert!(body.lines().last().unwrap().contains("\"timeout\""));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_stream_at_once() {
    let lab = Streaming::new();
    for half_closed in [false, true] {
        lab.seen.dropped.store(false, Ordering::SeqCst);
        let mut wire = lab.ask("wait", "").await;
        wire.head().await;
        wire.piece().await.unwrap();
        if half_closed {
            wire.stream.shutdown().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!lab.seen.dropped.load(Ordering::SeqCst), "it still reads");
        }
        let begun = std::time::Instant::now();
        drop(wire);
        lab.until("its producer is dropped", |seen| seen.dropped.load(Ordering::SeqCst)).await;
        assert!(begun.elapsed() < Duration::from_millis(1500), "not by the timeout: {:?}", begun.elapsed());
        lab.idle().await;
    }
    assert_eq!(lab.served.calls(TELL, Outcome::Timeout), 0);
}

#[tokio::test]
async fn requests_are_read_line_by_line() {
    let lab = Streaming::new();
    let mut wire = lab.connect().await;
    wire.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("hear"))).await;
    wire.chunk("{\"text\":").await;
    wire.chunk("\"a\"}\n\n \r\n{\"text\":\"b\"}\r\n{\"te").await;
    lab.until("two were heard", |seen| *seen.heard.lock().unwrap() == ["a", "b"]).await;
    wire.chunk("xt\":\"c\"}").await;
    wire.send("0\r\n\r\n").await;
    let (status, head) = wire.head().await;
    assert_eq!((status, wire.problem(&head).await), (200, json!({"text": "a b c"})));

    // On the same connection, and with a body of a known length.
    let body = "{\"text\":\"d\"}\n{\"text\":\"e\"}\n";
    wire.send(&format!("{}content-length: {}\r\n\r\n{body}", self::head("hear"), body.len())).await;
    let (status, head) = wire.head().await;
    assert_eq!((status, wire.problem(&head).await), (200, json!({"text": "d e"})));
    wire.send(&format!("{}content-length: 0\r\n\r\n", self::head("hear"))).await;
    let (status, head) = wire.head().await;
    assert_eq!((status, wire.problem(&head).await), (200, json!({"text": ""})));
    assert_eq!(lab.served.calls(HEAR, Outcome::Ok), 3);
}

#[tokio::test]
async fn a_request_that_is_too_large_or_no_request_is_the_last() {
    let lab = Streaming::new();
    let item = |bytes: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11));
    for (sent, status, code) in [
        (item(64), 200, None),
        (item(65), 413, Some("payload_too_large")),
        ("x".repeat(100_000), 413, Some("payload_too_large")),
        ("{\"text\":1}".to_owned(), 400, Some("invalid_request")),
        ("[]".to_owned(), 400, Some("invalid_request")),
    ] {
        let mut wire = lab.connect().await;
        wire.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("hear"))).await;
        wire.chunk(&format!("{}\n{sent}\n", item(20))).await;
        wire.chunk(&format!("{}\n", item(20))).await;
        wire.send("0\r\n\r\n").await;
        let (found, head) = wire.head().await;
        assert_eq!(found, status, "{sent:.80}");
        let told = wire.problem(&head).await;
        assert_eq!(told["code"].as_str(), code, "{told}");
    }
}

#[tokio::test]
async fn a_handler_that_has_seen_enough_answers_before_the_end() {
    let lab = Streaming::new();
    let mut wire = lab.connect().await;
    wire.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("hear"))).await;
    wire.chunk("{\"text\":\"a\"}\n{\"text\":\"enough\"}\n").await;
    let (status, head) = wire.head().await;
    assert_eq!((status, wire.problem(&head).await), (200, json!({"text": "a"})));
    // What it sends yet is not looked at, and does not cost it the connection.
    wire.chunk("{\"text\":\"b\"}\n").await;
    wire.send("0\r\n\r\n").await;
    wire.send(&format!("{}content-length: 0\r\n\r\n", self::head("hear"))).await;
    assert_eq!(wire.head().await.0, 200);
    assert_eq!(*lab.seen.heard.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn requests_that_break_off_are_an_error_for_the_handler() {
    let lab = Streaming::new();
    for framing in ["transfer-encoding: chunked\r\n\r\n14\r\n", "content-length: 1000\r\n\r\n"] {
        lab.seen.heard.lock().unwrap().clear();
        let mut wire = lab.connect().await;
        wire.send(&format!("{}{framing}{{\"text\":\"a\"}}\n{{\"te", head("hear"))).await;
        lab.until("one was heard", |seen| seen.heard.lock().unwrap().len() == 1).await;
        drop(wire);
        lab.until("the end was heard", |seen| seen.heard.lock().unwrap().len() == 2).await;
        let heard = lab.seen.heard.lock().unwrap()[1].clone();
        assert!(heard.starts_with("invalid_request: the stream of requests ended early"), "{heard}");
        lab.idle().await;
    }
}

#[tokio::test]
async fn who_sends_nothing_is_not_waited_for_longer_than_the_timeout_and_slow_ones_are() {
    let lab = Streaming::new();
    let mut wire = lab.connect().await;
    wire.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("hear"))).await;
    for _ in 0..4 {
        wire.chunk("{\"text\":\"a\"}\n").await;
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    assert!(!lab.seen.dropped.load(Ordering::SeqCst), "longer in all than the timeout");
    let (status, head) = wire.head().await;
    assert_eq!((status, wire.problem(&head).await["code"].clone()), (504, json!("timeout")));
}

#[tokio::test]
async fn both_directions_go_on_side_by_side() {
    let lab = Streaming::new();
    let mut wire = lab.connect().await;
    wire.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("chat"))).await;
    assert_eq!(wire.head().await.0, 200);
    for round in ["a", "b", "c"] {
        wire.chunk(&format!("{{\"text\":\"{round}\"}}\n")).await;
        assert_eq!(wire.piece().await.unwrap(), format!("{{\"text\":\"{}\"}}\n", round.to_uppercase()));
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.rest().await, "");
    // And again on the same connection.
    wire.send(&format!("{}content-length: 12\r\n\r\n{{\"text\":\"z\"}}", head("chat"))).await;
    wire.head().await;
    assert_eq!(wire.rest().await, "{\"text\":\"Z\"}\n");
    assert_eq!(lab.served.calls(CHAT, Outcome::Ok), 2);
}

#[tokio::test]
async fn who_asks_whether_to_send_is_told_when_the_handler_reads() {
    let lab = Streaming::new();
    let mut wire = lab.connect().await;
    let expecting = format!("{}expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n", head("hear"));
    wire.send(&expecting).await;
    assert_eq!(wire.head().await.0, 100);
    wire.chunk("{\"text\":\"a\"}\n").await;
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.head().await.0, 200);

    lab.served.dispatch.drain();
    let mut wire = lab.connect().await;
    wire.send(&expecting).await;
    let (status, head) = wire.head().await;
    assert_eq!(status, 503);
    assert_eq!(wire.problem(&head).await["code"], json!("draining"));
    wire.closed().await;
}

#[tokio::test]
async fn the_end_of_a_drain_ends_streams_with_a_word() {
    let lab = Streaming::new();
    let mut telling = lab.ask("wait", "").await;
    telling.head().await;
    telling.piece().await.unwrap();
    let mut hearing = lab.connect().await;
    hearing.send(&format!("{}transfer-encoding: chunked\r\n\r\n", head("hear"))).await;
    hearing.chunk("{\"text\":\"a\"}\n").await;
    lab.until("one was heard", |seen| seen.heard.lock().unwrap().len() == 1).await;
    lab.served.dispatch.drain();
    lab.served.dispatch.end_streams();
    let last: Value = serde_json::from_str(&telling.rest().await).unwrap();
    let error = &last["_hecate"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("draining"), &json!(true)));
    let (status, head) = hearing.head().await;
    assert_eq!((status, hearing.problem(&head).await["code"].clone()), (503, json!("draining")));
    within("nothing is left", lab.served.dispatch.drained()).await;
}
