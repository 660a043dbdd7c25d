//! Streams of a service that really runs, over its socket, as a test of its author meets them.

use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om::testing::{self, block_on};

#[derive(Default)]
pub struct Mill;

#[message]
#[derive(Debug, PartialEq)]
pub struct Grain {
    weight: u64,
}

#[message]
#[derive(Debug)]
pub struct Flour {
    weight: u64,
    sacks: u64,
}

#[derive(Refusal, Debug)]
pub enum MillRefusal {
    /// There is nothing to grind.
    Empty,
    /// The stone is worn.
    Worn,
}

/// Grinds.
#[hecate_service(name = "hecate-mill", access = open)]
impl Mill {
    /// Pours as much as it is told, one by one.
    #[capability(version = 1, timeout = "60s")]
    pub async fn pour(&self, request: Grain) -> Result<ReplyStream<Grain>, MillRefusal> {
        if request.weight == 0 {
            return Err(MillRefusal::Empty);
        }
        Ok(ReplyStream::produce(async move |sink| {
            for weight in 1..=request.weight {
                sink.send(Grain { weight }).await;
                match weight {
                    13 => return Err(MillRefusal::Worn),
                    7 if request.weight == 7 => std::future::pending().await,
                    _ => {}
                }
            }
            Ok(())
        }))
    }

    /// Grinds all that it gets.
    #[capability(version = 1)]
    pub async fn grind(&self, mut grains: RequestStream<Grain>) -> Result<Flour, CapabilityError> {
        let mut flour = Flour { weight: 0, sacks: 0 };
        while let Some(grain) = grains.next().await {
            flour.weight += grain?.weight;
            flour.sacks += 1;
        }
        Ok(flour)
    }

    /// Weighs each twice.
    #[capability(version = 1)]
    pub async fn double(&self, mut grains: RequestStream<Grain>) -> Result<ReplyStream<Grain>, CapabilityError> {
        Ok(ReplyStream::produce(async move |sink| {
            while let Some(grain) = grains.next().await {
                sink.send(Grain { weight: grain?.weight * 2 }).await;
            }
            Ok::<_, CapabilityError>(())
        }))
    }
}

fn grains(weights: std::ops::RangeInclusive<u64>) -> impl futures_core::Stream<Item = Grain> + Send + 'static {
    hecate_om::items(weights.map(|weight| Grain { weight }))
}

#[test]
fn a_test_opens_streams_as_it_calls() {
    block_on(async {
        let mill = testing::start::<Mill>().await.unwrap();
        let mut poured = mill.stream(Mill::POUR, Grain { weight: 3 }).await.unwrap();
        for weight in 1..=3 {
            assert_eq!(poured.next().await.unwrap().unwrap(), Grain { weight });
        }
        assert!(poured.next().await.is_none());

        let refused = mill.stream(Mill::POUR, Grain { weight: 0 }).await.unwrap_err();
        assert_eq!(refused.code(), Some("empty"));
        let mut poured = mill.stream(Mill::POUR, Grain { weight: 20 }).await.unwrap();
        let mut count = 0;
        let error = loop {
            match poured.next().await.unwrap() {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((count, error.code()), (13, Some("worn")));

        let flour = mill.send_all(Mill::GRIND, grains(1..=100)).await.unwrap();
        assert_eq!((flour.weight, flour.sacks), (5050, 100));
        let mut doubled = mill.exchange(Mill::DOUBLE, grains(1..=1000)).await.unwrap();
        let mut total = 0;
        while let Some(grain) = doubled.next().await {
            total += grain.unwrap().weight;
        }
        assert_eq!(total, 1_001_000);
        assert_eq!(mill.stop().await, 0);
    });
}

#[test]
fn what_a_stream_holds_that_does_not_cross_the_mesh_is_told() {
    block_on(async {
        let mill = testing::start::<Mill>().await.unwrap();
        let beyond = || hecate_om::items([Grain { weight: 1 }, Grain { weight: u64::MAX }]);
        let error = mill.send_all(Mill::GRIND, beyond()).await.unwrap_err();
        assert!(matches!(error, CallError::Request(_)), "{error:?}");
        let mut doubled = mill.exchange(Mill::DOUBLE, hecate_om::items([Grain { weight: 1 << 62 }])).await.unwrap();
        let error = doubled.next().await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Reply(_)), "{error:?}");
    });
}

#[test]
fn a_service_that_goes_tells_those_who_listen() {
    block_on(async {
        let mill = testing::start::<Mill>().await.unwrap();
        let mut poured = mill.stream(Mill::POUR, Grain { weight: 7 }).await.unwrap();
        for _ in 0..7 {
            poured.next().await.unwrap().unwrap();
        }
        // It would go on for a minute; the budget for calls is less.
        let stopping = std::time::Instant::now();
        mill.begin_stop();
        let error = poured.next().await.unwrap().unwrap_err();
        let code = error.code().map(str::to_owned);
        assert!(code.as_deref() == Some("draining") && error.is_retryable(), "{error:?}");
        assert!(poured.next().await.is_none());
        assert_eq!(mill.stop().await, 0);
        assert!(stopping.elapsed() < Duration::from_secs(30), "{:?}", stopping.elapsed());
    });
}
