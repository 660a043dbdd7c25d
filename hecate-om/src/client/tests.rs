//! Calls to this process and this box, against services that do as they are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use super::calling::{Cause, Seal, sealed};
use super::*;
use crate::capability::{Call, Capability, CapabilityError, CapabilityInfo, ErrorCode, Handlers, Refusal, Trace, Via};
use crate::config::mesh::Resolve;
use crate::dispatch::Dispatch;
use crate::folder::ServicePaths;
use crate::node_id::NodeId;
use crate::service::{IdentitySpec, ServiceInfo, Use, Uses};

mod streams;

struct Lab;

#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

const SAY: Capability<Lab, Text, Text> = Capability::new("hecate-lab", "lab.say", 1);
const SAY_AGAIN: Capability<Lab, Text, Text> = SAY.idempotent();

static CAPABILITIES: [CapabilityInfo; 1] = [CapabilityInfo::new("lab.say", 1, "Says it.", 30_000)];
static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    let info =
        ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &CAPABILITIES, identity, 1, "{}");
    info.uses(&[Use::Capability { reference: "acme/rag.query", version: 1 }])
};

impl Uses<Lab> for Lab {}

/// Where a call begins, in place of a context.
struct Root(Arc<Calls>);

impl sealed::Sealed for Root {}

impl Parent for Root {
    type Service = Lab;

    fn calls(&self, _: Seal) -> &Arc<Calls> {
        &self.0
    }

    fn cause(&self, _: Seal) -> Cause {
        Cause { hops: 0, deadline: None, trace: Trace::fresh() }
    }
}

/// A box of its own.
fn new_box() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn settings(folder: &Path) -> CallSettings {
    CallSettings {
        org: INFO.name.to_owned(),
        peers: BTreeMap::new(),
        resolve: Resolve::Nearest,
        realm: None,
        runtime_dir: folder.to_owned(),
    }
}

fn calls(folder: &Path) -> Arc<Calls> {
    Calls::new(&INFO, settings(folder))
}

/// A service with one handler.
fn open<F, Fut>(calls: &Arc<Calls>, run: F) -> Arc<Dispatch>
where
    F: Fn(Call<Lab>, Text) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Text, CapabilityError>> + Send + 'static,
{
    let mut handlers = Handlers::<Lab>::new();
    handlers.unary(move |_lab, call, request: Text| run(call, request));
    let dispatch = Dispatch::new(&INFO);
    dispatch.open(handlers.bind(&Arc::new(Lab), calls));
    dispatch
}

async fn tell(call: Call<Lab>, request: Text) -> Result<Text, CapabilityError> {
    match request.text.as_str() {
        "whence" => Ok(text(&format!("{:?} {} {}", call.caller(), call.via(), call.hops()))),
        "trace" => Ok(text(&call.trace().trace_id().to_string())),
        "refuse" => Err(CapabilityError::refused("no_name", "nobody").retryable(Some(Duration::from_secs(7)))),
        "patience" => Ok(text(&call.time_left().as_secs().to_string())),
        "wait" => std::future::pending().await,
        // Until nobody may call any more.
        "on" => SAY.call(&call, text("on")).await.map_err(Refusal::into_error),
        said => Ok(text(said)),
    }
}

#[tokio::test]
async fn a_service_of_this_process_is_called_in_place() {
    let folder = new_box();
    let calls = calls(folder.path());
    let root = Root(Arc::clone(&calls));
    let lonely = SAY.call(&root, text("hi")).await.unwrap_err();
    assert!(matches!(lonely, CallError::NotOnMesh { .. }), "{lonely}");

    let registration = calls.offer(open(&calls, tell));
    let said = SAY.call(&root, text("whence")).detailed().await.unwrap();
    assert_eq!(said.reply.text, "Service { name: \"hecate-lab\" } process 0");
    assert_eq!((said.via, said.provider, said.attempts.len()), (Via::Process, None, 0));

    let refused = SAY.call(&root, text("refuse")).await.unwrap_err();
    let error = refused.refusal().unwrap();
    assert_eq!((error.code(), error.message()), ("no_name", "nobody"));
    assert_eq!((error.is_retryable(), error.retry_after()), (true, Some(Duration::from_secs(7))));
    assert_eq!(refused.attempts().len(), 1);
    assert_eq!(refused.attempts()[0].outcome, "no_name: nobody");

    drop(registration);
    assert!(SAY.call(&root, text("hi")).await.is_err(), "who is not registered is not there");
}

#[tokio::test]
async fn another_org_realm_version_or_box_is_another_service() {
    let folder = new_box();
    let provider = Calls::new(&INFO, CallSettings { realm: Some([1; 32]), ..settings(folder.path()) });
    let _registration = provider.offer(open(&provider, tell));
    let reaches = async |calls: CallSettings, capability: Capability<Lab, Text, Text>| {
        let root = Root(Calls::new(&INFO, calls));
        capability.call(&root, text("hi")).await.is_ok()
    };
    let realm = |realm| CallSettings { realm, ..settings(folder.path()) };
    assert!(reaches(realm(Some([1; 32])), SAY).await);
    assert!(reaches(realm(None), SAY).await);
    assert!(!reaches(realm(Some([2; 32])), SAY).await);
    assert!(!reaches(CallSettings { org: "acme".to_owned(), ..realm(None) }, SAY).await);
    assert!(!reaches(CallSettings { resolve: Resolve::Mesh, ..realm(None) }, SAY).await);
    assert!(!reaches(settings(new_box().path()), SAY).await);
    assert!(!reaches(realm(None), Capability::new("hecate-lab", "lab.say", 2)).await);
    // A peer's org is what the configuration says.
    let elsewhere = Capability::new("hecate-other", "lab.say", 1);
    assert!(!reaches(realm(None), elsewhere).await);
    let peers = BTreeMap::from([("hecate-other".to_owned(), "hecate-lab".to_owned())]);
    assert!(reaches(CallSettings { peers, ..realm(None) }, elsewhere).await);
}

#[tokio::test]
async fn several_of_one_service_take_turns_and_one_that_drains_is_passed_over() {
    async fn answer_as(number: usize) -> Result<Text, CapabilityError> {
        Ok(text(&number.to_string()))
    }
    let folder = new_box();
    let calls = calls(folder.path());
    let (first, second) = (open(&calls, |_, _| answer_as(0)), open(&calls, |_, _| answer_as(1)));
    let _registrations = [calls.offer(Arc::clone(&first)), calls.offer(second)];
    let root = Root(calls);
    let mut answered = [0_usize; 2];
    for _ in 0..100 {
        let said = SAY.call(&root, text("hi")).await.unwrap();
        answered[said.text.parse::<usize>().unwrap()] += 1;
    }
    // Other tests of this process may turn the wheel, too.
    assert!(answered.iter().all(|count| (20..=80).contains(count)), "{answered:?}");

    first.drain();
    let mut passed = 0;
    for _ in 0..100 {
        let said = SAY.call(&root, text("hi")).detailed().await.unwrap();
        assert_eq!(said.reply.text, "1");
        passed += said.attempts.len();
        assert!(said.attempts.iter().all(|attempt| attempt.outcome.starts_with("draining: ")), "{:?}", said.attempts);
    }
    assert!(passed > 0, "it was asked, and passed over");
}

#[tokio::test]
async fn a_circle_of_calls_ends_at_sixteen_hops() {
    let folder = new_box();
    let calls = calls(folder.path());
    let _registration = calls.offer(open(&calls, tell));
    let error = SAY.call(&Root(calls), text("on")).await.unwrap_err();
    assert_eq!(error.code(), Some("too_many_hops"));
    let told = error.to_string();
    assert!(told.contains("`hecate-lab/lab.say@1` would be the call number 18 of a chain"), "{told}");
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_call_inherits_what_caused_it() {
    async fn relay(call: Call<Lab>, request: Text) -> Result<Text, CapabilityError> {
        if call.hops() > 0 {
            return tell(call, request).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let own = call.trace().trace_id().to_string();
        let told = SAY.call(&call, request).await.map_err(Refusal::into_error)?;
        Ok(text(&told.text.replace(&own, "the same trace")))
    }
    let folder = new_box();
    let calls = calls(folder.path());
    let _registration = calls.offer(open(&calls, relay));
    let root = Root(calls);
    let ask = async |what: &str, timeout| SAY.call(&root, text(what)).timeout(timeout).await.map(|said| said.text);
    let ten = Duration::from_secs(10);
    assert_eq!(ask("whence", ten).await.unwrap(), "Service { name: \"hecate-lab\" } process 1");
    assert_eq!(ask("trace", ten).await.unwrap(), "the same trace");
    assert_eq!(ask("patience", ten).await.unwrap(), "9");
    assert_eq!(ask("patience", Duration::MAX).await.unwrap(), "29", "thirty seconds are the default");
}

#[tokio::test(start_paused = true)]
async fn one_deadline_ends_the_whole_call() {
    let folder = new_box();
    let calls = calls(folder.path());
    let _registration = calls.offer(open(&calls, tell));
    let root = Root(calls);
    let begun = Instant::now();
    let error = SAY.call(&root, text("wait")).timeout(Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_millis(2050), "{:?}", begun.elapsed());
    let told = error.to_string();
    assert!(told.starts_with("`hecate-lab/lab.say@1` did not answer within 2s; tried in this process: "), "{told}");
    // To make it again may do it twice, so the caller's caller is not told to.
    let passed_on = error.into_error();
    assert_eq!((passed_on.code(), passed_on.is_retryable()), ("unavailable", false));
}

#[tokio::test]
async fn what_is_not_declared_is_refused_before_anything_is_sent() {
    let folder = new_box();
    let root = Root(calls(folder.path()));
    let other = Reference::new("acme/rag.drop", 1).unwrap();
    let error = other.call::<Text, Text>(&root, text("hi")).await.unwrap_err();
    assert_eq!(error.code(), Some("undeclared"));
    assert_eq!(
        error.to_string(),
        "`hecate-lab` does not declare that it uses `acme/rag.drop@1`; \
         help: add `uses(\"acme/rag.drop\" = 1)` to its `#[hecate_service(...)]`"
    );
    let declared = Reference::new("acme/rag.query", 1).unwrap();
    let error = declared.call::<Text, Text>(&root, text("hi")).await.unwrap_err();
    assert!(matches!(error, CallError::NotOnMesh { .. }), "{error}");
}

#[test]
fn what_a_callee_did_not_take_is_unavailable_to_the_caller() {
    for (code, seen) in [
        (ErrorCode::Draining, "unavailable"),
        (ErrorCode::Overloaded, "unavailable"),
        (ErrorCode::Timeout, "timeout"),
        (ErrorCode::InvalidRequest, "invalid_request"),
        (ErrorCode::Service("no_name".into()), "no_name"),
    ] {
        let error = CapabilityError::new(code, "why").retryable(Some(Duration::from_secs(3)));
        let seen_by_caller = CallError::Refused(error).into_error();
        assert_eq!((seen_by_caller.code(), seen_by_caller.message()), (seen, "why"));
        assert_eq!(seen_by_caller.retry_after(), Some(Duration::from_secs(3)));
    }
}

/// A neighbour that answers by rote, and counts.
struct Neighbour {
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Neighbour {
    /// Answers each request with the next of `answers`, the last for ever; an empty one closes the
    /// connection in place of an answer.
    fn at(folder: &Path, service: &str, answers: &[&str]) -> Self {
        let socket = ServicePaths::new(folder, service).api_socket();
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let neighbour = Self { connections: Arc::default(), heads: Arc::default() };
        let (connections, heads) = (Arc::clone(&neighbour.connections), Arc::clone(&neighbour.heads));
        let answers: Arc<Vec<String>> = Arc::new(answers.iter().map(|&answer| answer.to_owned()).collect());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(speak(stream, Arc::clone(&heads), Arc::clone(&answers)));
            }
        });
        neighbour
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn speak(mut stream: UnixStream, heads: Arc<Mutex<Vec<String>>>, answers: Arc<Vec<String>>) {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let Ok(length @ 1..) = stream.read(&mut piece).await else { return };
        read.extend_from_slice(&piece[..length]);
        let all = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let announced =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() < announced.unwrap_or(0) {
            continue;
        }
        read.clear();
        let answer = {
            let mut heads = heads.lock().unwrap();
            heads.push(head.to_lowercase());
            answers[(heads.len() - 1).min(answers.len() - 1)].clone()
        };
        if answer.is_empty() {
            return;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer.contains("connection: close") {
            return;
        }
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn said(what: &str) -> String {
    http("200 OK", &format!("{{\"text\":\"{what}\"}}"))
}

fn problem(status: u16, code: &str, call: &str) -> String {
    let body = format!(
        "{{\"type\":\"urn:hecate:error:{code}\",\"status\":{status},\"detail\":\"why\",\"code\":\"{code}\",\"retryable\":true{call}}}"
    );
    http(&format!("{status} X"), &body)
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call() {
    let folder = new_box();
    let neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&said("hi")]);
    let settings = CallSettings { realm: Some([15; 32]), ..settings(folder.path()) };
    let root = Root(Calls::new(&INFO, settings));
    for _ in 0..10 {
        let said = SAY.call(&root, text("hi")).token(*b"a.b").detailed().await.unwrap();
        assert_eq!((said.reply.text.as_str(), said.via), ("hi", Via::Box));
    }
    assert_eq!((neighbour.connections(), neighbour.heads().len()), (1, 10));
    let head = &neighbour.heads()[0];
    assert!(head.starts_with("post /capabilities/lab.say/v1 http/1.1"), "{head}");
    let realm = "0f".repeat(32);
    let lines =
        ["hecate-hops: 0", "hecate-org: hecate-lab", &format!("hecate-realm: {realm}"), "authorization: bearer a.b"];
    assert!(lines.iter().all(|line| head.lines().any(|told| told == *line)), "{head}");
    assert!(head.contains("traceparent: 00-") && head.contains("hecate-time-left-ms: 29"), "{head}");
    // At once there are as many as calls.
    let many = (0..5).map(|_| SAY.call(&root, text("hi")).into_future());
    let mut running: Vec<_> = many.collect();
    for call in &mut running {
        let _ = std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await;
    }
    for call in running {
        call.await.unwrap();
    }
    assert!(neighbour.connections() <= 5, "{}", neighbour.connections());
}

#[tokio::test]
async fn a_connection_that_died_is_replaced_and_a_request_that_may_have_been_taken_is_not_sent_again() {
    let folder = new_box();
    let closes = http("200 OK\r\nconnection: close", "{\"text\":\"bye\"}");
    let neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&closes, &said("again"), ""]);
    let root = Root(calls(folder.path()));
    assert_eq!(SAY.call(&root, text("hi")).await.unwrap().text, "bye");
    assert_eq!(SAY.call(&root, text("hi")).await.unwrap().text, "again");
    assert_eq!(neighbour.connections(), 2);
    let lost = SAY.call(&root, text("hi")).await.unwrap_err();
    assert!(matches!(lost, CallError::Broken(_)), "{lost:?}");
    let why = std::error::Error::source(&lost).unwrap().to_string();
    assert!(why.contains("the call may have been done or not; tried on this box: "), "{why}");
    assert_eq!((neighbour.heads().len(), lost.attempts().len()), (3, 1), "it was sent once");
    // What may be done twice goes on, here to a mesh that is not there.
    let again = SAY_AGAIN.call(&root, text("hi")).await.unwrap_err();
    assert!(matches!(again, CallError::NotOnMesh { .. }), "{again:?}");
    assert_eq!(again.attempts().len(), 1);
}

#[tokio::test]
async fn a_connection_that_its_other_end_closed_costs_no_call() {
    let folder = new_box();
    // It is gone after its answer, and does not say so before.
    let closing = said("hi").replacen("\r\n", "\r\nx-then: connection: close\r\n", 1);
    let neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&closing]);
    let root = Root(calls(folder.path()));
    for number in 1..=20 {
        assert_eq!(SAY.call(&root, text("hi")).await.unwrap().text, "hi");
        assert_eq!((neighbour.connections(), neighbour.heads().len()), (number, number));
        let closed = async {
            while root.0.neighbours.open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_did_not_take_a_call_is_passed_over_and_whoever_took_it_answers() {
    let goes_on = [
        problem(421, "unknown_capability", ""),
        problem(503, "draining", ""),
        problem(503, "unavailable", ""),
        problem(404, "unknown_capability", ""),
        problem(404, "unsupported_version", ""),
    ];
    for answer in goes_on {
        let folder = new_box();
        let neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&answer]);
        let error = SAY.call(&Root(calls(folder.path())), text("hi")).await.unwrap_err();
        assert!(matches!(error, CallError::NotOnMesh { .. }), "{answer}: {error:?}");
        assert_eq!((neighbour.heads().len(), error.attempts().len()), (1, 1));
    }
    // A handler that was reached may pass on what another service said.
    let answers = [
        (problem(503, "draining", ",\"call_id\":\"1\""), "draining"),
        (problem(404, "unknown_capability", ",\"call_id\":\"1\""), "unknown_capability"),
        (problem(422, "no_name", ",\"call_id\":\"1\""), "no_name"),
        (problem(403, "unauthorized", ""), "unauthorized"),
        (problem(503, "overloaded", ""), "overloaded"),
    ];
    for (answer, code) in answers {
        let folder = new_box();
        let _neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&answer]);
        let error = SAY.call(&Root(calls(folder.path())), text("hi")).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{answer}: {error:?}");
    }
    // A socket that nobody listens at.
    let folder = new_box();
    drop(Neighbour::at(folder.path(), "hecate-lab", &[""]));
    let socket = ServicePaths::new(folder.path(), "hecate-lab").api_socket();
    std::fs::remove_file(&socket).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = SAY.call(&Root(calls(folder.path())), text("hi")).await.unwrap_err();
    assert!(matches!(error, CallError::NotOnMesh { .. }), "{error:?}");
    assert_eq!(error.attempts().len(), 1);
}

#[tokio::test]
async fn a_reference_finds_whoever_offers_it_on_this_box() {
    let folder = new_box();
    let listing = |name: &str| {
        http("200 OK", &format!("{{\"service\":\"x\",\"capabilities\":[{{\"name\":\"{name}\",\"version\":1}}]}}"))
    };
    let other = Neighbour::at(folder.path(), "hecate-other", &[&listing("other.do")]);
    let misdirected = problem(421, "unknown_capability", "");
    let foreign = Neighbour::at(folder.path(), "hecate-foreign", &[&listing("rag.query"), &misdirected]);
    let rag = Neighbour::at(folder.path(), "hecate-rag", &[&listing("rag.query"), &said("found")]);
    std::fs::create_dir_all(folder.path().join("station")).unwrap();
    let root = Root(calls(folder.path()));
    let query = Reference::new("acme/rag.query", 1).unwrap();
    for _ in 0..2 {
        let said = query.call::<Text, Text>(&root, text("q")).detailed().await.unwrap();
        assert_eq!((said.reply.text.as_str(), said.via), ("found", Via::Box));
    }
    assert!(rag.heads()[1].contains("hecate-org: acme"), "{:?}", rag.heads());
    assert_eq!(other.heads().len(), 1, "it was asked what it offers, once");
    assert!(foreign.heads().len() <= 3);
}

#[tokio::test]
async fn a_reply_of_another_kind_names_what_is_wrong() {
    let folder = new_box();
    let _neighbour =
        Neighbour::at(folder.path(), "hecate-lab", &[&http("200 OK", "{\"text\":7}"), &http("200 OK", "[]")]);
    let root = Root(calls(folder.path()));
    let error = SAY.call(&root, text("hi")).await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("the reply is not what the caller expects: `text`: "), "{why}");
    assert_eq!(error.into_error().code(), "internal");
    let error = SAY.call(&root, text("hi")).await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("a reply is a JSON object"));
}

#[tokio::test]
async fn nothing_of_the_mesh_is_needed_for_what_is_near() {
    let folder = new_box();
    let root = Root(calls(folder.path()));
    let pinned = SAY.call(&root, text("hi")).pin(NodeId::from_bytes([1; 32])).await.unwrap_err();
    assert!(matches!(pinned, CallError::NotOnMesh { .. }), "{pinned}");
    assert!(pinned.to_string().contains("help: start the provider on this box"), "{pinned}");
}
