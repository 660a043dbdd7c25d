use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use tokio::sync::Semaphore;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// Nobody is cut here for being slow.
const LIMITS: Limits = Limits { connections: 4, read_buffer: 16 * 1024, head_timeout: HOUR, read_timeout: HOUR };
const HOUR: Duration = Duration::from_secs(3600);
const BOUND: Duration = Duration::from_secs(60);

/// Opens a connection to something that answers with `bytes` bytes once it is given a permit.
fn open(connections: &Arc<Connections>, permits: &Arc<Semaphore>, bytes: usize) -> UnixStream {
    let (client, server) = UnixStream::pair().unwrap();
    let permits = Arc::clone(permits);
    connections.open(server, |_| {
        move |_| {
            let permits = Arc::clone(&permits);
            async move {
                permits.acquire().await.unwrap().forget();
                Response::new(Full::new(Bytes::from(vec![b'x'; bytes])))
            }
        }
    });
    client
}

fn count(connections: &Connections, fits: impl Fn(&Connection) -> bool) -> usize {
    connections.table().values().filter(|entry| fits(&entry.connection)).count()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        tokio::task::yield_now().await;
    }
}

fn is_writing(connection: &Connection) -> bool {
    !connection.is_silent() && !connection.is_answering()
}

/// What a client reads without waiting; nothing where the connection is at its end.
async fn read(client: &UnixStream) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    tokio::time::timeout(BOUND, client.readable()).await.unwrap().unwrap();
    let read = client.try_read(&mut bytes).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

#[tokio::test]
async fn who_pauses_in_the_middle_of_a_reply_has_longer_than_who_sends_no_head() {
    for (read_timeout, left) in [(HOUR, 1), (Duration::ZERO, 0)] {
        let limits = Limits { head_timeout: Duration::ZERO, read_timeout, ..LIMITS };
        let (connections, permits) = (Connections::new(limits), Arc::new(Semaphore::new(1)));
        let client = open(&connections, &permits, 4 << 20);
        client.try_write(REQUEST).unwrap();
        until("its reply is stuck", || count(&connections, Connection::is_blocked) == 1).await;
        // The first look only sees that something was written since the last.
        connections.cut_the_late();
        connections.cut_the_late();
        assert_eq!(connections.table().len(), left);
    }
}

#[tokio::test]
async fn of_a_burst_of_silent_connections_only_the_newest_stay() {
    let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(100)));
    let mut clients = Vec::new();
    for _ in 0..20 {
        // None of their tasks has run when the next one comes.
        clients.push(open(&connections, &permits, 1));
        assert!(connections.table().len() <= LIMITS.connections);
    }
    let newest = clients.split_off(20 - LIMITS.connections);
    for client in clients {
        assert!(read(&client).await.is_empty());
    }
    for client in newest {
        client.try_write(REQUEST).unwrap();
        assert!(read(&client).await.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn those_who_do_not_read_make_room_and_those_who_are_answered_do_not() {
    let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(0)));
    let busy: Vec<_> = (0..LIMITS.connections).map(|_| open(&connections, &permits, 4 << 20)).collect();
    for client in &busy {
        client.try_write(REQUEST).unwrap();
    }
    until("all are being answered", || count(&connections, Connection::is_answering) == busy.len()).await;
    let refused = open(&connections, &permits, 1);
    assert!(read(&refused).await.is_empty(), "nobody is cut for it who still waits for an answer");

    // Now they have their answers, and do not read them.
    permits.add_permits(1000);
    until("none is being answered", || count(&connections, Connection::is_answering) == 0).await;
    let mut deaf = busy;
    for _ in 0..20 {
        let client = open(&connections, &permits, 4 << 20);
        assert!(connections.table().len() <= LIMITS.connections + 1, "one may be on its way out");
        client.try_write(REQUEST).unwrap();
        deaf.push(client);
        until("its answer is being written", || count(&connections, is_writing) == connections.table().len()).await;
    }
    let polite = open(&connections, &permits, 1);
    polite.try_write(REQUEST).unwrap();
    assert!(read(&polite).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn who_came_before_the_end_is_answered_and_nobody_waits_for_the_rest() {
    let path = std::env::temp_dir().join(format!("hecate-listener-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (connections, listener) = (Connections::new(LIMITS), UnixListener::bind(&path).unwrap());
    let connect = |sent: &[u8]| {
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        std::io::Write::write_all(&mut client, sent).unwrap();
        client.set_nonblocking(true).unwrap();
        UnixStream::from_std(client).unwrap()
    };
    // None of them was accepted when it ends.
    let (asking, silent, half) = ([(); 2].map(|()| connect(REQUEST)), connect(b""), connect(&REQUEST[..10]));
    std::fs::remove_file(&path).unwrap();
    connections.closed.cancel();
    let answer = |_, _: &Arc<Connection>| |_| async { Response::new(Full::new(Bytes::from_static(b"x"))) };
    let serving = tokio::spawn(Arc::clone(&connections).serve(listener, answer));
    tokio::time::timeout(BOUND, serving).await.unwrap().unwrap();
    let begun = Instant::now();
    tokio::time::timeout(BOUND, connections.close()).await.unwrap();
    assert!(begun.elapsed() < HEAD_TIMEOUT, "{:?}", begun.elapsed());
    for client in &asking {
        let answer = String::from_utf8(read(client).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(read(client).await.is_empty(), "it is closed");
    }
    for client in [silent, half] {
        assert!(read(&client).await.is_empty());
    }
}

#[tokio::test]
async fn who_is_owed_nothing_for_too_long_is_cut_and_who_reads_slowly_is_not() {
    let limits = Limits { head_timeout: Duration::ZERO, ..LIMITS };
    let (connections, permits) = (Connections::new(limits), Arc::new(Semaphore::new(0)));
    let [asking, silent] = [(); 2].map(|()| open(&connections, &permits, 1));
    asking.try_write(REQUEST).unwrap();
    until("one is being answered", || count(&connections, Connection::is_answering) == 1).await;
    connections.cut_the_late();
    assert!(read(&silent).await.is_empty());
    assert_eq!(connections.table().len(), 1);
    permits.add_permits(1);
    assert!(read(&asking).await.starts_with(b"HTTP/1.1 200"));
    connections.cut_the_late();
    assert_eq!(connections.table().len(), 1, "it got something since it was looked at");
    connections.cut_the_late();
    assert!(connections.table().is_empty() && read(&asking).await.is_empty());
}

#[tokio::test]
async fn who_speaks_in_the_moment_it_is_cut_gets_all_of_its_answer() {
    let connections = Connections::new(LIMITS);
    let (client, server) = UnixStream::pair().unwrap();
    let cutting = Arc::clone(&connections);
    connections.open(server, |_| {
        move |_| {
            // Whoever cuts it had looked before the request was read.
            cutting.table().values().for_each(|entry| entry.connection.tell(Order::Cut));
            async { Response::new(Full::new(Bytes::from(vec![b'x'; 4 << 20]))) }
        }
    });
    client.try_write(REQUEST).unwrap();
    let (mut bytes, mut piece) = (0, vec![0; 1 << 16]);
    loop {
        tokio::time::timeout(BOUND, client.readable()).await.unwrap().unwrap();
        match client.try_read(&mut piece) {
            Ok(0) => break,
            Ok(read) => bytes += read,
            // It was readable a moment ago.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert!(bytes > 4 << 20, "{bytes}");
}

#[tokio::test]
async fn without_descriptors_those_who_do_not_read_are_let_go_and_then_cut() {
    let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(100)));
    let deaf = [(); 2].map(|()| open(&connections, &permits, 4 << 20));
    deaf.iter().for_each(|client| assert_eq!(client.try_write(REQUEST).unwrap(), REQUEST.len()));
    until("their answers are being written", || count(&connections, is_writing) == deaf.len()).await;
    assert!(connections.make_room() && connections.table().len() == 2, "the oldest may still be read");
    assert!(connections.make_room() && connections.table().len() == 1);
    assert!(connections.make_room() && connections.make_room() && connections.table().is_empty());
    assert!(!connections.make_room());
}

/// Something, and then nothing for ever.
struct Begun {
    first: Option<Bytes>,
    _streaming: Streaming,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.first.take().map_or(Poll::Pending, |first| Poll::Ready(Some(Ok(hyper::body::Frame::data(first)))))
    }
}

#[tokio::test]
async fn a_stream_may_be_silent_and_one_that_nobody_reads_loses_its_connection() {
    for (bytes, is_read) in [(1, true), (4 << 20, false)] {
        let limits = Limits { head_timeout: Duration::ZERO, read_timeout: Duration::ZERO, ..LIMITS };
        let connections = Connections::new(limits);
        let (client, server) = UnixStream::pair().unwrap();
        connections.open(server, |connection| {
            let connection = Arc::clone(connection);
            move |_| {
                let first = Some(Bytes::from(vec![b'x'; bytes]));
                let begun = Begun { first, _streaming: connection.stream(Duration::from_millis(50)) };
                async { Response::new(begun) }
            }
        });
        client.try_write(REQUEST).unwrap();
        client.readable().await.unwrap();
        if !is_read {
            until("it is stuck", || count(&connections, Connection::is_blocked) == 1).await;
        }
        connections.cut_the_late();
        connections.cut_the_late();
        assert_eq!(connections.table().len(), 1, "its reader may come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
        connections.cut_the_late();
        assert_eq!(connections.table().len(), usize::from(is_read));
        if !is_read {
            until("its task has ended", || connections.tasks.is_empty()).await;
        }
    }
}
