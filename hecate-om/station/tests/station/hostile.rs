//! Clients that mean ill, or write whatever comes: nobody but they have harm of it.
//!
//! `HECATE_TEST_SEED=<seed>` repeats the frames of a run, `HECATE_TEST_FRAMES=<count>` sends more of them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use macula_rust::cbor::{self, Value};
use macula_rust::frame::{self, Payload, PublicationSpec, RequestSpec};
use macula_rust::node_key::NodeKey;
use macula_rust::pool::Call;
use macula_rust::profile::Profile;
use macula_rust::record;
use tokio::runtime::Builder;

use crate::kit::{call, echo, key, map, node, soon, station, text, until};
use crate::raw::{Raw, now_ms};
use hecate_om_station::Station;

const FRAMES: usize = 240;
/// Each has an identity and a link of its own.
const CLIENTS: usize = 3;
const THREADS: &str = "beside-hostile-clients";

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.number().to_le_bytes()[0]).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Int((self.number() as i64 >> self.below(64)).into()),
            1 => Value::Bytes(self.bytes(64)),
            2 => Value::text("x".repeat(self.below(600))),
            3 => Value::Null,
            4 => Value::Float(0.5),
            5 => Value::List((0..self.below(5)).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Map((0..self.below(5)).map(|at| (text(&format!("k{at}")), self.value(depth - 1))).collect()),
        }
    }

    /// A frame in good order with something in it that is not.
    fn spoilt(&mut self, frame: &Value) -> Vec<u8> {
        let mut frame = frame.clone();
        if self.below(2) == 0 {
            self.spoil(&mut frame);
        }
        let mut bytes = cbor::encode(&frame).unwrap();
        match self.below(6) {
            0 => bytes.truncate(self.below(bytes.len())),
            1 => bytes.extend(self.bytes(8)),
            2 => (0..=self.below(3)).for_each(|_| {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
            }),
            _ => {}
        }
        bytes
    }

    /// Another value in the place of any, a key that is gone or one more.
    fn spoil(&mut self, value: &mut Value) {
        match value {
            Value::Map(fields) if !fields.is_empty() => {
                let at = self.below(fields.len());
                match self.below(8) {
                    0 => drop(fields.remove(at)),
                    1 => fields.push((text("one_more"), self.value(3))),
                    2 => fields[at].1 = self.value(3),
                    _ => self.spoil(&mut fields[at].1),
                }
            }
            Value::List(items) if !items.is_empty() && self.below(2) == 0 => {
                let at = self.below(items.len());
                self.spoil(&mut items[at]);
            }
            // What is signed is CBOR within CBOR.
            Value::Bytes(bytes) if self.below(4) > 0 => match cbor::decode(bytes) {
                Ok(mut within @ Value::Map(_)) => {
                    self.spoil(&mut within);
                    *bytes = cbor::encode(&within).unwrap();
                }
                _ => *bytes = self.bytes(64),
            },
            other => *other = self.value(3),
        }
    }
}

fn request(key: &NodeKey, target: [u8; 32], realm: [u8; 32], procedure: &str, payload: Value, id: [u8; 16]) -> Value {
    frame::sign_call(&spec(target, realm, procedure, payload, id), key).unwrap()
}

fn spec(target: [u8; 32], realm: [u8; 32], procedure: &str, payload: Value, id: [u8; 16]) -> RequestSpec {
    RequestSpec {
        request_id: id,
        realm,
        procedure: procedure.to_owned(),
        target,
        deadline: now_ms() + 10_000,
        payload,
        sealed: None,
        mode: None,
        token: None,
        proofs: Vec::new(),
        source_route: None,
        retry_budget: None,
    }
}

/// A node that advertises a procedure, and answers as its test likes.
async fn provider(station: &Station, key: &Arc<NodeKey>) -> (Raw, String) {
    let (id, stations) = (key.node_id().unwrap(), [station.node_id()]);
    let mut provider = Raw::link(station, key).await;
    let ring = record::own_procedure(&id, "ring");
    let options = record::ProcedureAdvertisementOptions::default();
    let unsigned = record::new_procedure_advertisement(&id, &station.realm_id(), &ring, &stations, &options).unwrap();
    let wire = record::encode(&record::sign(&unsigned, key).unwrap()).unwrap();
    provider.send(&frame::advertise_frame(&wire)).await;
    assert_eq!(provider.ack().await.1, None);
    (provider, ring)
}

/// One frame of each kind that a station takes.
fn frames(station: &Station, key: &NodeKey, provider: [u8; 32], ring: &str, chance: &mut Chance) -> Vec<Value> {
    let (id, realm) = (key.node_id().unwrap(), station.realm_id());
    let own = record::own_procedure(&id, "x");
    let options = record::ProcedureAdvertisementOptions::default();
    let unsigned = record::new_procedure_advertisement(&id, &realm, &own, &[station.node_id()], &options).unwrap();
    let signed = record::sign(&unsigned, key).unwrap();
    let wire = record::encode(&signed).unwrap();
    let tombstone = record::new_tombstone(&signed, record::Reason::Shutdown, &Default::default()).unwrap();
    let withdrawal = record::encode(&record::sign(&tombstone, key).unwrap()).unwrap();
    let publication = PublicationSpec {
        realm,
        topic: "news".to_owned(),
        seq: 1,
        published_at: now_ms(),
        payload: Payload::Clear(text("hello")),
        ttl_ms: None,
    };
    let mut number = || [chance.number().to_le_bytes(), chance.number().to_le_bytes()].concat().try_into().unwrap();
    let mut ask = |procedure: &str, fields: Vec<(Value, Value)>| {
        let payload = Value::Map([vec![(text("v"), Value::Int(1))], fields].concat());
        request(key, station.node_id(), [0; 32], procedure, payload, number())
    };
    let mut frames = vec![
        ask("_dht.put_record", vec![(text("record"), Value::Bytes(wire.clone()))]),
        ask("_dht.find_record", vec![(text("key"), Value::Bytes(vec![1; 32]))]),
        ask("_dht.find_records_by_type", vec![(text("type"), Value::Int(3))]),
    ];
    let claim = "hecate.local/_realm/_realm/identity/request_provider_authorization_v1";
    let fields = map([("org", text("acme")), ("service_name", text("a")), ("box", text("a"))]);
    frames.push(request(key, station.node_id(), realm, claim, fields, number()));
    let relayed = request(key, provider, realm, ring, Value::Null, number());
    let to_itself = request(key, id, realm, ring, Value::Null, number());
    let verified = frame::verify_request(&to_itself, Profile::PqPure).unwrap();
    frames.extend([
        relayed,
        frame::sign_result(&verified, &text("not asked for"), None, key).unwrap(),
        frame::sign_provider_error(&verified, "internal", None, None, key).unwrap(),
        frame::subscribe_frame(b"news", &realm, &id).unwrap(),
        frame::unsubscribe_frame(b"news", &realm, &id).unwrap(),
        frame::advertise_frame(&wire),
        frame::unadvertise_frame(&withdrawal),
        frame::sign_publish(&publication, key).unwrap(),
        frame::liveness_ping_frame(&[1; 16]),
        frame::goodbye_frame("bye", None).unwrap(),
    ]);
    frames
}

/// Sends what is spoilt, and links anew each time that it is thrown out.
async fn be_hostile(station: Arc<Station>, provider: [u8; 32], ring: String, mut chance: Chance, count: usize) {
    let key = key();
    let frames = frames(&station, &key, provider, &ring, &mut chance);
    let mut sent = 0;
    while sent < count {
        // What is sent to it is never read.
        let Raw { dialed, mut send, recv: _recv } = Raw::link(&station, &key).await;
        // What follows a frame that ends the link is not read.
        let last = count.min(sent + 1 + chance.below(6));
        while sent < last && dialed.connection.close_reason().is_none() {
            sent += 1;
            let frame = &frames[chance.below(frames.len())];
            let body = match chance.below(12) {
                0 => chance.bytes(200),
                1 => cbor::encode(&chance.value(4)).unwrap(),
                _ => chance.spoilt(frame),
            };
            let length = match chance.below(40) {
                0 => u32::MAX,
                1 => 0,
                _ => u32::try_from(body.len()).unwrap(),
            };
            let bytes = [&length.to_be_bytes()[..], &body].concat();
            let written = match chance.below(8) {
                // Where the first frame of a stream belongs.
                0 => match soon(dialed.connection.open_bi()).await {
                    Ok((mut stream, _)) => {
                        let written = stream.write_all(&bytes).await;
                        let _ = stream.finish();
                        written
                    }
                    Err(_) => break,
                },
                _ => send.write_all(&bytes).await,
            };
            if written.is_err() {
                break;
            }
        }
        // The station ends it, at what it does not take or once it has read all.
        let _ = send.finish();
        soon(dialed.connection.closed()).await;
    }
}

#[test]
fn whatever_a_client_writes_the_station_serves_the_others() {
    let given = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let seed = given("HECATE_TEST_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let count = given("HECATE_TEST_FRAMES").map_or(FRAMES, |count| usize::try_from(count).unwrap());
    println!("HECATE_TEST_SEED={seed}");

    let panics = Arc::new(AtomicUsize::new(0));
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new({
        let panics = panics.clone();
        move |panic| {
            // Other tests of this program panic as they like.
            panics.fetch_add(usize::from(std::thread::current().name() == Some(THREADS)), Ordering::Relaxed);
            told(panic);
        }
    }));
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(THREADS).enable_all().build().unwrap();
    runtime.block_on(async {
        let station = Arc::new(station().await);
        let (provider, caller) = (node(&station).await, node(&station).await);
        let ring = record::own_procedure(&provider.node_id(), "ring");
        let _served = provider.serve(echo(&station, &ring)).await.unwrap();
        let mut chance = Chance(seed);
        let clients = (0..CLIENTS).map(|_| {
            let chance = Chance(chance.number());
            tokio::spawn(be_hostile(station.clone(), provider.node_id(), ring.clone(), chance, count / CLIENTS))
        });
        for client in clients.collect::<Vec<_>>() {
            let served = caller.call(Call { payload: text("still here?"), ..call(&station, &ring) }).await.unwrap();
            assert_eq!(served.get("said"), Some(&text("still here?")));
            client.await.unwrap();
        }
        until("the hostile clients are gone", || station.counts().connections == 2).await;
        until("nothing of them is left", || {
            let counts = station.counts();
            (counts.procedures, counts.subscriptions, counts.streams, counts.pending_calls) == (1, 0, 0, 0)
        })
        .await;
        caller.call(Call { payload: text("and now?"), ..call(&station, &ring) }).await.unwrap();
        println!("{:?}", station.counts());
        assert!(station.counts().refused["malformed_frame"] > 0);
    });
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}

/// A reply is the provider's that was asked, or nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_in_the_place_of_another() {
    let station = station().await;
    let [provider_key, liar_key, caller_key] = [(); 3].map(|()| key());
    let (realm, provider_id) = (station.realm_id(), provider_key.node_id().unwrap());
    let (mut provider, ring) = provider(&station, &provider_key).await;
    let mut liar = Raw::link(&station, &liar_key).await;
    let mut caller = Raw::link(&station, &caller_key).await;
    let asked = request(&caller_key, provider_id, realm, &ring, text("who is there?"), [1; 16]);
    caller.send(&asked).await;
    let received = provider.received().await;
    let asked = frame::verify_request(&received, Profile::PqPure).unwrap();
    let unmatched = || station.counts().refused.get("unmatched_reply").copied().unwrap_or(0);
    // What it says in its own name, what it says in the provider's, and the call itself.
    let mut as_if_its_own = asked.clone();
    as_if_its_own.target = liar_key.node_id().unwrap();
    liar.send(&frame::sign_result(&as_if_its_own, &text("a liar"), None, &liar_key).unwrap()).await;
    liar.send(&frame::sign_result(&asked, &text("a forger"), None, &provider_key).unwrap()).await;
    until("both replies are refused", || unmatched() == 2).await;
    liar.send(&received).await;
    until("the call is refused", || station.counts().refused.contains_key("not_its_own")).await;
    // Nor does the provider answer another request than the one that it was asked.
    let other = request(&caller_key, provider_id, realm, &ring, text("something else"), [1; 16]);
    let other = frame::verify_request(&other, Profile::PqPure).unwrap();
    provider.send(&frame::sign_result(&other, &text("to something else"), None, &provider_key).unwrap()).await;
    until("it is refused", || unmatched() == 3).await;

    provider.send(&frame::sign_result(&asked, &text("the provider"), None, &provider_key).unwrap()).await;
    let reply = caller.received().await;
    let reply = frame::verify_reply(&reply, &asked, Profile::PqPure).unwrap();
    assert_eq!((reply.responded_by, reply.payload), (provider_id, Some(text("the provider"))));
    until("the caller has it", || station.counts().relayed_replies == 1).await;
    assert_eq!(station.counts().pending_calls, 0);
}

/// A station that ends waits for what is in flight: not for a call whose caller has given up long ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_is_not_in_flight_for_ever() {
    let station = station().await;
    let [provider_key, caller_key] = [(); 2].map(|()| key());
    let (realm, provider_id) = (station.realm_id(), provider_key.node_id().unwrap());
    let (mut provider, ring) = provider(&station, &provider_key).await;
    let mut caller = Raw::link(&station, &caller_key).await;
    let mut spec = spec(provider_id, realm, &ring, text("is anybody there?"), [1; 16]);
    spec.deadline = now_ms() + 200;
    caller.send(&frame::sign_call(&spec, &caller_key).unwrap()).await;
    provider.received().await;
    assert_eq!(station.counts().pending_calls, 1);
    until("nobody waits for it any more", || station.counts().pending_calls == 0).await;
}
