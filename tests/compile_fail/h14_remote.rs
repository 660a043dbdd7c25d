use hecate_om::prelude::*;

#[message]
struct Count {
    to: u64,
}

#[message]
struct Number {
    value: u64,
}

remote_service!(Counter in "hecate-counter" {
    COUNT: "counter.count" = 1, ReplyStream<Count> -> Option<ReplyStream<Number>>;
});

fn main() {
    let _ = Counter::COUNT;
}
