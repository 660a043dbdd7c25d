//! Calls that stream, to this process and to this box: both must look the same to a caller.

use std::future::poll_fn;
use std::task::Context;

use futures_core::Stream;
use tokio::sync::mpsc;

use super::*;
use crate::capability::{FromPoll, Kind, ReplyStream, RequestStream};
use crate::config::SettingsType;
use crate::config::mesh::CryptoProfile;
use crate::guard::access::Standing;
use crate::local::LocalApi;
use crate::service::Blueprint;

const TELL: Capability<Lab, Text, ReplyStream<Text>> = Capability::new("hecate-lab", "lab.tell", 1);
const HEAR: Capability<Lab, RequestStream<Text>, Text> = Capability::new("hecate-lab", "lab.hear", 1);
const CHAT: Capability<Lab, RequestStream<Text>, ReplyStream<Text>> = Capability::new("hecate-lab", "lab.chat", 1);

static STREAMS: [CapabilityInfo; 3] = [
    CapabilityInfo::new("lab.tell", 1, "Tells.", 2_000).kind(Kind::ServerStream),
    CapabilityInfo::new("lab.hear", 1, "Hears.", 2_000).kind(Kind::ClientStream),
    CapabilityInfo::new("lab.chat", 1, "Chats.", 2_000).kind(Kind::Bidi),
];
static STREAMING: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &STREAMS, identity, 1, "{}")
};

/// What is seen of the handlers from outside.
#[derive(Default)]
struct Seen {
    made: AtomicUsize,
    dropped: AtomicUsize,
    heard: AtomicUsize,
}

struct Dropped(Arc<Seen>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

async fn told(seen: Arc<Seen>, how: String) -> Result<ReplyStream<Text>, CapabilityError> {
    let refused = || CapabilityError::refused("enough", "that is enough").retryable(Some(Duration::from_secs(7)));
    if how == "refuse" {
        return Err(refused());
    }
    Ok(ReplyStream::produce(async move |sink| {
        let _dropped = Dropped(Arc::clone(&seen));
        let most = if how == "many" { usize::MAX } else { 3 };
        for number in 0..most {
            if !sink.send(text(&number.to_string().repeat(if how == "many" { 1000 } else { 1 }))).await {
                return Ok(());
            }
            seen.made.fetch_add(1, Ordering::SeqCst);
            match (how.as_str(), number) {
                ("fail", 1) => return Err(refused()),
                ("wait", 1) => std::future::pending().await,
                _ => {}
            }
        }
        Ok(())
    }))
}

async fn heard(seen: Arc<Seen>, mut texts: RequestStream<Text>) -> Result<Text, CapabilityError> {
    let mut all = Vec::new();
    while let Some(Text { text }) = texts.next().await.transpose()? {
        seen.heard.fetch_add(1, Ordering::SeqCst);
        match text.as_str() {
            "refuse" => return Err(CapabilityError::refused("enough", "that is enough")),
            "enough" => break,
            "wait" => std::future::pending().await,
            _ => all.push(text),
        }
    }
    Ok(text(&all.join(" ")))
}

async fn chatted(mut texts: RequestStream<Text>) -> Result<ReplyStream<Text>, CapabilityError> {
    Ok(ReplyStream::produce(async move |sink| {
        while let Some(said) = texts.next().await {
            sink.send(text(&said?.text.to_uppercase())).await;
        }
        Ok::<_, CapabilityError>(())
    }))
}

/// The service, as a caller finds it.
struct Streaming {
    root: Root,
    seen: Arc<Seen>,
    dispatch: Arc<Dispatch>,
    via: Via,
    _registration: Option<process::Registration>,
    _folder: tempfile::TempDir,
}

impl Streaming {
    fn at(via: Via) -> Self {
        let folder = new_box();
        let calls = Calls::new(&STREAMING, settings(folder.path()));
        let seen = Arc::<Seen>::default();
        let mut handlers = Handlers::<Seen>::new();
        handlers.server_stream(|seen, _call, request: Text| told(seen, request.text));
        handlers.client_stream(|seen, _call, texts| heard(seen, texts));
        handlers.bidi(|_seen, _call, texts| chatted(texts));
        let dispatch = Dispatch::new(&STREAMING);
        dispatch.open(handlers.bind(&seen, &calls));
        let registration = match via {
            Via::Process => Some(calls.offer(Arc::clone(&dispatch))),
            _ => {
                let org = INFO.name.to_owned();
                dispatch.stand(Standing { org, realm: None, profile: CryptoProfile::PqPure });
                let socket = ServicePaths::new(folder.path(), "hecate-lab").api_socket();
                std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
                let blueprint = Blueprint {
                    info: &STREAMING,
                    settings: SettingsType::of::<()>(),
                    contracts: Vec::new,
                    start: |_| Box::pin(std::future::pending()),
                };
                let api = LocalApi::new(blueprint, Arc::clone(&dispatch));
                tokio::spawn(api.serve(UnixListener::bind(socket).unwrap()));
                None
            }
        };
        Self { root: Root(calls), seen, dispatch, via, _registration: registration, _folder: folder }
    }

    fn both() -> [Self; 2] {
        [Via::Process, Via::Box].map(Self::at)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let seen = async {
            while !holds(&self.seen) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }
}

fn texts(texts: &'static [&'static str]) -> impl Stream<Item = Text> + Send + 'static {
    items(texts.iter().map(|each| text(each)))
}

/// What is sent into it, as a stream.
fn channel() -> (mpsc::Sender<Text>, impl Stream<Item = Text> + Send + 'static) {
    let (sender, mut items) = mpsc::channel(1);
    (sender, FromPoll(move |context: &mut Context<'_>| items.poll_recv(context)))
}

#[tokio::test]
async fn replies_come_one_by_one_and_an_error_is_the_last() {
    for lab in Streaming::both() {
        let mut replies = TELL.stream(&lab.root, text("all")).await.unwrap();
        assert_eq!((replies.via(), replies.provider(), replies.attempts().len()), (lab.via, None, 0));
        for number in ["0", "1", "2"] {
            assert_eq!(replies.next().await.unwrap().unwrap().text, number);
        }
        assert!(replies.next().await.is_none() && replies.next().await.is_none());

        let refused = TELL.stream(&lab.root, text("refuse")).await.unwrap_err();
        assert_eq!(refused.code(), Some("enough"));

        let mut replies = TELL.stream(&lab.root, text("fail")).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap().text, "0");
        assert_eq!(replies.next().await.unwrap().unwrap().text, "1");
        let error = replies.next().await.unwrap().unwrap_err();
        let refusal = error.refusal().unwrap();
        assert_eq!((refusal.code(), refusal.message()), ("enough", "that is enough"));
        assert_eq!((refusal.is_retryable(), refusal.retry_after()), (true, Some(Duration::from_secs(7))));
        assert!(replies.next().await.is_none());

        // The provider's patience, and the caller's, which is told to the provider, too.
        let mut replies = TELL.stream(&lab.root, text("wait")).timeout(Duration::from_millis(300)).await.unwrap();
        let begun = Instant::now();
        while let Some(Ok(_)) = replies.next().await {}
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn who_reads_no_more_ends_the_stream_and_who_pauses_holds_the_producer() {
    for lab in Streaming::both() {
        let mut replies = TELL.stream(&lab.root, text("many")).await.unwrap();
        assert!(replies.next().await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_millis(300)).await;
        let made = lab.seen.made.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(lab.seen.made.load(Ordering::SeqCst), made, "{:?}", lab.via);
        // What two sockets and two ends of HTTP keep.
        assert!(made < 1500, "{made}");
        let begun = Instant::now();
        drop(replies);
        lab.until("its producer is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 1).await;
        // One of which nothing comes, too.
        let mut replies = TELL.stream(&lab.root, text("wait")).await.unwrap();
        replies.next().await.unwrap().unwrap();
        drop(replies);
        lab.until("its producer is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 2).await;
        assert!(begun.elapsed() < Duration::from_millis(1500), "not by its timeout");
    }
}

#[tokio::test]
async fn requests_go_out_as_they_come() {
    for lab in Streaming::both() {
        assert_eq!(HEAR.send_all(&lab.root, texts(&["a", "b", "c"])).await.unwrap().text, "a b c");
        assert_eq!(HEAR.send_all(&lab.root, texts(&[])).await.unwrap().text, "");
        assert_eq!(HEAR.send_all(&lab.root, texts(&["a", "enough", "b"])).await.unwrap().text, "a");
        let refused = HEAR.send_all(&lab.root, texts(&["a", "refuse", "b"])).await.unwrap_err();
        assert_eq!(refused.code(), Some("enough"));

        // Each when it comes, and as long as they come.
        let before = lab.seen.heard.load(Ordering::SeqCst);
        let (sender, sent) = channel();
        let sending = async {
            for number in 1..=6 {
                sender.send(text("x")).await.unwrap();
                lab.until("it was heard", |seen| seen.heard.load(Ordering::SeqCst) == before + number).await;
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            drop(sender);
        };
        let call = HEAR.send_all(&lab.root, sent).timeout(Duration::from_secs(1)).into_future();
        let (reply, ()) = tokio::join!(call, sending);
        assert_eq!(reply.unwrap().text, "x x x x x x", "{:?}", lab.via);

        // And not longer.
        let (sender, sent) = channel();
        let late = HEAR.send_all(&lab.root, sent).timeout(Duration::from_millis(200)).await.unwrap_err();
        assert!(late.code() == Some("timeout") || matches!(late, CallError::Timeout { .. }), "{late:?}");
        drop(sender);
    }
}

#[tokio::test]
async fn who_does_not_take_requests_holds_their_sender() {
    for lab in Streaming::both() {
        let made = Arc::new(AtomicUsize::new(0));
        let making = Arc::clone(&made);
        let large = "x".repeat(1000);
        let endless = items((0..).map(move |number| {
            making.fetch_add(1, Ordering::SeqCst);
            text(if number == 0 { "wait" } else { &large })
        }));
        let calling = HEAR.send_all(&lab.root, endless).timeout(Duration::from_secs(1)).into_future();
        let watching = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let before = made.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            (before, made.load(Ordering::SeqCst))
        };
        let (ended, (before, after)) = tokio::join!(calling, watching);
        assert!(ended.is_err());
        assert_eq!(before, after, "{:?}", lab.via);
        assert!((1..1500).contains(&after), "{after}");
    }
}

#[tokio::test]
async fn both_directions_go_on_side_by_side() {
    for lab in Streaming::both() {
        let (sender, sent) = channel();
        let mut replies = CHAT.exchange(&lab.root, sent).await.unwrap();
        for round in ["a", "b", "c"] {
            sender.send(text(round)).await.unwrap();
            assert_eq!(replies.next().await.unwrap().unwrap().text, round.to_uppercase());
        }
        drop(sender);
        assert!(replies.next().await.is_none());

        // More than all that lies between them holds, both ways at once.
        let large = "x".repeat(10_000);
        let many = items((0..2_000).map(move |_| text(&large)));
        let mut replies = CHAT.exchange(&lab.root, many).await.unwrap();
        let mut count = 0;
        while let Some(reply) = poll_fn(|context| std::pin::Pin::new(&mut replies).poll_next(context)).await {
            assert_eq!(reply.unwrap().text.len(), 10_000);
            count += 1;
        }
        assert_eq!(count, 2_000);
    }
}

#[tokio::test]
async fn who_turns_a_stream_away_has_taken_none_of_it() {
    for lab in Streaming::both() {
        lab.dispatch.drain();
        let made = Arc::new(AtomicUsize::new(0));
        let making = Arc::clone(&made);
        let counted = items((0..3).map(move |_| {
            making.fetch_add(1, Ordering::SeqCst);
            text("x")
        }));
        let error = HEAR.send_all(&lab.root, counted).await.unwrap_err();
        // It went on, to a mesh that is not there.
        assert!(matches!(error, CallError::NotOnMesh { .. }), "{error:?}");
        assert_eq!(error.attempts().len(), 1);
        assert!(error.attempts()[0].outcome.starts_with("draining: "), "{error}");
        assert_eq!(made.load(Ordering::SeqCst), 0, "{:?}", lab.via);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_written_ends_the_call() {
    #[derive(Serialize)]
    struct Unsendable {
        numbers: BTreeMap<(u8, u8), u8>,
    }
    let unsendable = Capability::<Lab, RequestStream<Unsendable>, Text>::new("hecate-lab", "lab.hear", 1);
    let chat = Capability::<Lab, RequestStream<Unsendable>, ReplyStream<Text>>::new("hecate-lab", "lab.chat", 1);
    let lab = Streaming::at(Via::Box);
    let one = || items([Unsendable { numbers: BTreeMap::from([((1, 2), 3)]) }]);
    let error = unsendable.send_all(&lab.root, one()).await.unwrap_err();
    assert!(matches!(error, CallError::Request(_)), "{error:?}");
    let error = match chat.exchange(&lab.root, one()).await {
        Ok(mut replies) => replies.next().await.unwrap().unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, CallError::Request(_)), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_not_one_that_ended() {
    let item = "11\r\n{\"text\":\"first\"}\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    for (rest, is_whole) in [("", false), ("8\r\n{\"text\":\r\n", false), ("0\r\n\r\n", true)] {
        let folder = new_box();
        let answer = format!("{head}connection: close\r\n\r\n{item}{rest}");
        let _neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&answer]);
        let root = Root(calls(folder.path()));
        let mut replies = TELL.stream(&root, text("x")).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap().text, "first");
        if is_whole {
            assert!(replies.next().await.is_none());
            continue;
        }
        let error = replies.next().await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Broken(_)), "{error:?}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "the stream was cut off after 1 items");
        assert!(replies.next().await.is_none());
    }
    // One reply is no stream.
    let folder = new_box();
    let _neighbour = Neighbour::at(folder.path(), "hecate-lab", &[&super::said("hi")]);
    let error = TELL.stream(&Root(calls(folder.path())), text("x")).await.unwrap_err();
    assert!(matches!(error, CallError::Reply(_)), "{error:?}");
}
