//! Each test has a clock of its own, which goes where it is put.

use super::*;

const LIMITS: Limits = Limits::DEFAULT;

struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn forward(&mut self, time: Duration) {
        self.0 += time;
    }
}

fn node(number: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    NodeId::from_bytes(bytes)
}

/// How many of `calls` by one caller are let in.
fn let_in(rates: &Rates, caller: &NodeId, calls: u32, now: Instant) -> u32 {
    (0..calls).map(|_| u32::from(rates.take(caller, now).is_ok())).sum()
}

#[test]
fn a_caller_gets_its_rate_and_is_told_when_to_come_again() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let caller = node(1);
    assert_eq!(let_in(&rates, &caller, 1000, clock.0), 600);
    let limited = rates.take(&caller, clock.0).unwrap_err();
    assert_eq!(limited.by, By::Caller);
    assert!(limited.retry_after <= Duration::from_millis(17), "{limited:?}");
    // A millisecond early is early; in time is in time, once.
    clock.forward(limited.retry_after - Duration::from_millis(1));
    assert!(rates.take(&caller, clock.0).is_err());
    clock.forward(Duration::from_millis(1));
    assert_eq!(let_in(&rates, &caller, 10, clock.0), 1);
    clock.forward(Duration::from_secs(5));
    assert_eq!(let_in(&rates, &caller, 1000, clock.0), 300);
    clock.forward(Duration::from_secs(3600));
    assert_eq!(let_in(&rates, &caller, 1000, clock.0), 600);
}

#[test]
fn a_caller_that_keeps_to_its_rate_is_never_refused() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    for call in 0..10_000 {
        assert_eq!(rates.take(&node(1), clock.0), Ok(()), "{call}");
        clock.forward(LIMITS.per_caller.period / LIMITS.per_caller.calls);
    }
}

#[test]
fn a_caller_without_a_place_gets_its_rate_and_no_more() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    for other in 0..PLACES as u32 {
        assert_eq!(let_in(&rates, &node(other), 1, clock.0), 1);
    }
    clock.forward(Duration::from_secs(30));
    let late = node(100_000);
    assert_eq!(let_in(&rates, &late, 1000, clock.0), 600);
    assert_eq!(rates.take(&late, clock.0).unwrap_err().by, By::Caller);
    // A place that becomes free does not make it forgotten.
    // A place that becomes free does not make its calls forgotten.
    let moment = Duration::from_millis(1);
    clock.forward(KEPT - Duration::from_secs(30) - moment);
    assert_eq!(let_in(&rates, &late, 300, clock.0), 300);
    clock.forward(moment);
    assert_eq!(let_in(&rates, &late, 1000, clock.0), 300);
    assert!(rates.counts.lock().unwrap().holders.contains(&rates.key.hash_one(late)));
}

#[test]
fn all_together_get_the_total() {
    let mut clock = Clock::new();
    let begun = clock.0;
    let rates = Rates::new(LIMITS, clock.0);
    let mut taken = 0;
    for caller in 0..10 {
        taken += let_in(&rates, &node(caller), 1000, clock.0);
    }
    assert_eq!(taken, LIMITS.total.calls, "ten callers use up what ten callers may");
    let stranger = rates.take(&node(99), clock.0).unwrap_err();
    assert_eq!((stranger.by, stranger.retry_after), (By::Total, Duration::from_millis(2)));
    // What is kept comes once on top, and then as much as the total gives.
    while clock.0 - begun < Duration::from_secs(60) {
        clock.forward(Duration::from_millis(100));
        for caller in 0..1000 {
            taken += let_in(&rates, &node(caller), 2, clock.0);
        }
    }
    let most = LIMITS.total.calls * 7 + LIMITS.total.calls / KEPT_PART;
    assert!((LIMITS.total.calls * 7 - 1..=most).contains(&taken), "{taken}");
}

#[test]
fn an_honest_caller_is_served_among_a_hundred_thousand_made_up_identities() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let honest = node(u32::MAX);
    assert_eq!(rates.take(&honest, clock.0), Ok(()));
    let mut strangers = (0..100_000).map(node).cycle();
    let (mut refused, mut served) = (0, 0);
    // Three times the total, for a minute, and then each of them as often as it can.
    for round in 0..600 {
        clock.forward(Duration::from_millis(100));
        for _ in 0..180 {
            let caller = strangers.next().unwrap();
            let calls = if round < 300 { 1 } else { 10 };
            let taken = let_in(&rates, &caller, calls, clock.0);
            served += taken;
            refused += calls - taken;
        }
        // Once a second, last of all: the least that its share gives it.
        if round % 10 == 0 {
            assert_eq!(rates.take(&honest, clock.0), Ok(()), "in round {round}");
        }
    }
    assert!(refused > served, "it was no flood: {served} served, {refused} refused");
    assert!(served <= LIMITS.total.calls * 7 + LIMITS.total.calls / KEPT_PART, "{served}");
}

#[test]
fn callers_that_call_as_often_as_they_can_leave_each_other_their_shares() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let honest = node(u32::MAX);
    assert_eq!(rates.take(&honest, clock.0), Ok(()));
    let mut served = [0; PLACES - 1];
    for round in 0..600 {
        clock.forward(Duration::from_millis(100));
        // Whoever is first takes what there is: always the same ones.
        for (loud, served) in served.iter_mut().enumerate() {
            *served += let_in(&rates, &node(loud as u32), 8, clock.0);
        }
        if round % 10 == 0 {
            assert_eq!(rates.take(&honest, clock.0), Ok(()), "in round {round}");
        }
    }
    // 11 in 10 s, for a minute.
    assert!(served.iter().all(|served| *served >= 66), "{served:?}");
}

#[test]
fn identities_that_were_made_up_lock_nobody_out() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    // They have every place, and made calls until they were refused.
    for stranger in 0..100_000 {
        let _ = rates.take(&node(stranger), clock.0);
    }
    let full = rates.take(&node(200_000), clock.0).unwrap_err();
    assert_eq!(full.by, By::Total);
    // As soon as they do not use up the total, whoever comes new is served at its own rate.
    clock.forward(LIMITS.total.period);
    assert_eq!(let_in(&rates, &node(200_000), 600, clock.0), 600);
}

#[test]
fn what_others_do_does_not_count_against_a_caller() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    for other in 0..PLACES as u32 {
        assert_eq!(rates.take(&node(other), clock.0), Ok(()));
    }
    clock.forward(Duration::from_secs(20));
    // Nine at their limit, without places: all that can be let in of such.
    for loud in 1000..1009 {
        assert_eq!(let_in(&rates, &node(loud), 1000, clock.0), 600);
    }
    let blamed = (2000..2500).filter(|caller| rates.take(&node(*caller), clock.0).is_err()).count();
    // Where they fill a cell in each row: one caller of 650,000.
    assert!(blamed <= 2, "{blamed}");
}

#[test]
fn a_place_is_for_who_calls() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let holders = |rates: &Rates| rates.counts.lock().unwrap().holders.to_vec();
    for caller in 0..1000 {
        assert_eq!(rates.take(&node(caller), clock.0), Ok(()));
    }
    let first = holders(&rates);
    assert!(first.iter().all(|holder| *holder != 0));
    // All but ten are silent from now on.
    for _ in 0..10 {
        clock.forward(KEPT / 10);
        for caller in 0..10 {
            assert_eq!(rates.take(&node(caller), clock.0), Ok(()));
        }
    }
    for caller in 5000..6000 {
        assert_eq!(rates.take(&node(caller), clock.0), Ok(()));
    }
    let second = holders(&rates);
    assert_eq!(first[..10], second[..10]);
    assert!(first[10..].iter().all(|holder| !second.contains(holder)));
}

#[test]
fn calls_at_the_same_time_are_counted_one_by_one() {
    let clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let taken: u32 = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| let_in(&rates, &node(1), 200, clock.0))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!(taken, 600);
}

#[test]
fn refusals_are_told_once_in_a_period_and_never_in_a_quiet_one() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let told = |calls: u32, now: Instant| -> Vec<u64> {
        (0..calls).filter_map(|_| rates.take(&node(1), now).err()?.to_tell).collect()
    };
    assert_eq!(told(700, clock.0), [1]);
    clock.forward(Duration::from_secs(5));
    assert_eq!(told(310, clock.0), [0; 0]);
    clock.forward(Duration::from_secs(5));
    assert_eq!(told(301, clock.0), [99 + 10 + 1]);
    clock.forward(Duration::from_secs(3600));
    assert_eq!(told(600, clock.0), [0; 0]);
}

#[test]
fn rates_of_any_size_hold() {
    let rate = |calls| Rate { calls, period: Duration::from_secs(1) };
    for (own, total) in [(1, 1), (1, 3), (3, 3), (1, 6000), (1000, 1000), (1, u32::MAX), (u32::MAX, u32::MAX)] {
        let limits = Limits { per_caller: rate(own), total: rate(total), ..LIMITS };
        let clock = Clock::new();
        let rates = Rates::new(limits, clock.0);
        let calls = own.min(5000);
        assert_eq!(let_in(&rates, &node(1), calls, clock.0), calls, "{own} of {total}");
        if own == calls {
            assert!(rates.take(&node(1), clock.0).is_err(), "{own} of {total}");
        }
        assert!(memory(limits) <= 1 << 20, "{} bytes for {own} of {total}", memory(limits));
    }
}

fn with(own: u32, total: u32) -> Limits {
    let rate = |calls| Rate { calls, period: LIMITS.total.period };
    Limits { per_caller: rate(own), total: rate(total), ..LIMITS }
}

/// Rates whose places others have, so that whoever comes is counted in cells; and rates without anybody.
fn taken_and_free(clock: &mut Clock) -> [Rates; 2] {
    let [taken, free] = [Rates::new(LIMITS, clock.0), Rates::new(LIMITS, clock.0)];
    for other in 0..PLACES as u32 {
        assert_eq!(taken.take(&node(100_000 + other), clock.0), Ok(()));
    }
    clock.forward(Duration::from_secs(20));
    [taken, free]
}

#[test]
fn a_change_forgives_nothing_and_nobody_waits_longer_for_it_than_the_new_period() {
    let mut clock = Clock::new();
    for rates in taken_and_free(&mut clock) {
        let (all, half) = (node(1), node(2));
        assert_eq!((let_in(&rates, &all, 1000, clock.0), let_in(&rates, &half, 300, clock.0)), (600, 300));
        rates.change(with(6, 60), clock.0);
        let limited = rates.take(&all, clock.0).unwrap_err();
        assert_eq!((limited.by, limited.rate), (By::Caller, with(6, 60).per_caller));
        assert!(limited.retry_after <= Duration::from_millis(1667), "{limited:?}");
        assert_eq!(let_in(&rates, &half, 10, clock.0), 3, "half of what it has now");
        // Up again: who had used it up has used it up.
        rates.change(LIMITS, clock.0);
        assert_eq!(let_in(&rates, &all, 10, clock.0), 0);
        assert_eq!(let_in(&rates, &half, 10, clock.0), 0);
        clock.forward(Duration::from_secs(5));
        assert_eq!(let_in(&rates, &all, 1000, clock.0), 300);
        rates.change(with(6, 60), clock.0);
        clock.forward(LIMITS.total.period);
        assert_eq!(let_in(&rates, &all, 1000, clock.0), 6);
        clock.forward(LIMITS.total.period);
    }
}

#[test]
fn a_change_under_calls_lets_nobody_have_more() {
    let clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let taken: u32 = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| let_in(&rates, &node(1), 400, clock.0))).collect();
        for lower in 0..200 {
            rates.change(if lower % 2 == 0 { with(60, 600) } else { LIMITS }, clock.0);
        }
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!((1..=600).contains(&taken), "{taken}");
    rates.change(LIMITS, clock.0);
    assert!(taken + let_in(&rates, &node(1), 1000, clock.0) <= 600);
}

#[test]
fn an_honest_caller_is_served_among_made_up_identities_though_the_rates_were_lowered() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let honest = node(u32::MAX);
    assert_eq!(rates.take(&honest, clock.0), Ok(()));
    for stranger in 0..100_000 {
        let _ = rates.take(&node(stranger), clock.0);
    }
    // 100 places of the 128, with one call in 10 s each.
    let lower = with(40, 400);
    rates.change(lower, clock.0);
    let begun = clock.0;
    let mut strangers = (0..100_000).map(node).cycle();
    let (mut served, mut refused) = (0, 0);
    clock.forward(Duration::from_secs(10));
    for round in 0..600 {
        clock.forward(Duration::from_millis(100));
        for stranger in (0..127).map(node).chain(strangers.by_ref().take(50)) {
            let taken = let_in(&rates, &stranger, 2, clock.0);
            served += taken;
            refused += 2 - taken;
        }
        if round % 100 == 0 {
            assert_eq!(rates.take(&honest, clock.0), Ok(()), "in round {round}");
        }
    }
    assert!(refused > served, "it was no flood: {served} served, {refused} refused");
    let periods = u32::try_from((clock.0 - begun).as_secs() / 10).unwrap() + 1;
    assert!(served <= lower.total.calls * periods + lower.total.calls / KEPT_PART, "{served} in {periods}");
}

#[test]
fn fewer_places_forget_nobody() {
    let mut clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    for caller in 0..PLACES as u32 {
        assert_eq!(rates.take(&node(caller), clock.0), Ok(()));
    }
    clock.forward(Duration::from_secs(20));
    // The last of all has the last place, and uses up its rate.
    let last = node(PLACES as u32 - 1);
    assert_eq!(let_in(&rates, &last, 1000, clock.0), 600);
    rates.change(with(6, 40), clock.0);
    assert_eq!(rates.counts().holders.len(), 10);
    assert!(!rates.counts().holders.contains(&rates.key.hash_one(last)));
    assert_eq!(rates.take(&last, clock.0).unwrap_err().by, By::Caller);
    rates.change(with(1, 1), clock.0);
    assert_eq!(rates.counts().holders.len(), 0);
    rates.change(LIMITS, clock.0);
    assert_eq!(rates.counts().holders.len(), PLACES);
    assert_eq!(rates.take(&last, clock.0).unwrap_err().by, By::Caller);
}

#[test]
fn what_is_kept_stays_bounded_whatever_the_rates_become() {
    let clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    let hour = |calls| Rate { calls, period: Duration::from_secs(3600) };
    let late = node(7);
    for round in 0..50 {
        for (own, total) in [(1, 1), (1, 6000), (6000, 6000), (1, 1_000_000), (1_000_000, 1_000_000), (3, 7)] {
            rates.change(Limits { per_caller: hour(own), total: hour(total), ..LIMITS }, clock.0);
            for caller in 0..200 {
                let _ = rates.take(&node(round * 1000 + caller), clock.0);
            }
            let _ = rates.take(&late, clock.0);
            let counts = rates.counts();
            assert!(counts.holders.capacity() <= PLACES && counts.places.capacity() <= PLACES);
            assert!(counts.cells.capacity() <= ROWS * MOST_CELLS, "{}", counts.cells.capacity());
        }
    }
    let most = Limits { per_caller: hour(1), total: hour(1_000_000), ..LIMITS };
    assert!(memory(most) <= MOST_MEMORY && memory(LIMITS) <= 16 * 1024);
}

#[test]
fn more_cells_hold_what_fewer_did() {
    let mut clock = Clock::new();
    let [rates, _] = taken_and_free(&mut clock);
    let callers: Vec<_> = (1..9).map(node).collect();
    for caller in &callers {
        assert_eq!(let_in(&rates, caller, 1000, clock.0), 600);
    }
    rates.change(with(1, 6000), clock.0);
    assert!(rates.counts().cells_per_row > FEWEST_CELLS);
    for caller in &callers {
        assert_eq!(rates.take(caller, clock.0).unwrap_err().by, By::Caller);
    }
    let others = (2000..4000).filter(|caller| rates.take(&node(*caller), clock.0).is_ok()).count();
    assert!(others > 1000 / 2, "{others}");
}

#[test]
fn a_place_that_goes_to_another_does_not_make_its_calls_forgotten() {
    let mut clock = Clock::new();
    let hour = |calls| Rate { calls, period: Duration::from_secs(3600) };
    let rates = Rates::new(Limits { per_caller: hour(10), total: hour(6000), ..LIMITS }, clock.0);
    assert_eq!(let_in(&rates, &node(1), 100, clock.0), 10);
    clock.forward(Duration::from_secs(120));
    for other in 0..PLACES as u32 {
        assert_eq!(rates.take(&node(1000 + other), clock.0), Ok(()));
    }
    clock.forward(KEPT);
    assert_eq!(rates.take(&node(5000), clock.0), Ok(()));
    assert!(!rates.counts().holders.contains(&rates.key.hash_one(node(1))));
    // A sixth of the hour has gone, and a fifth more.
    assert_eq!(let_in(&rates, &node(1), 100, clock.0), 2);
}

#[test]
fn a_refusal_costs_microseconds() {
    let clock = Clock::new();
    let rates = Rates::new(LIMITS, clock.0);
    for caller in 0..10_000 {
        let _ = rates.take(&node(caller), clock.0);
    }
    const CALLS: u32 = 100_000;
    let begun = Instant::now();
    let served = (0..CALLS).filter(|caller| rates.take(&node(*caller), clock.0).is_ok()).count();
    let each = begun.elapsed() / CALLS;
    println!("a refusal takes {each:?}");
    assert!(served < 2000, "{served}");
    // Generous: this is an unoptimised build, on a machine that does other things.
    assert!(each < Duration::from_millis(1), "{each:?}");
}
