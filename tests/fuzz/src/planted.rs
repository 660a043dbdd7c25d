//! Bugs that are here to be found: a fuzzer that misses one of them finds nothing elsewhere either.

use std::hint::black_box;

use hecate_om::fuzzing::Target;

/// Each with the one thing that it does wrong.
pub(crate) const PLANTED: [(&str, Target); 3] =
    [("planted_crash", crash), ("planted_hang", hang), ("planted_memory", memory)];

/// Whoever guesses needs some hundred million inputs; whoever sees how far an input comes, some thousand.
fn is_reached(input: &[u8]) -> bool {
    let byte = |at: usize| black_box(input.get(at).copied());
    if byte(0) == Some(b'b') {
        if byte(1) == Some(b'u') {
            if byte(2) == Some(b'g') {
                return byte(3) == Some(b'!');
            }
        }
    }
    false
}

fn crash(input: &[u8]) {
    assert!(!is_reached(input), "the planted crash");
}

fn hang(input: &[u8]) {
    while is_reached(input) {
        black_box(input);
    }
}

fn memory(input: &[u8]) {
    let mut kept = Vec::new();
    while is_reached(input) && kept.len() < 256 {
        kept.push(black_box(vec![1_u8; 16 << 20]));
        // What a process has is looked at once a second.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
