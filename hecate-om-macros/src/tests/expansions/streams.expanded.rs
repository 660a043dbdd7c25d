#[derive(Default)]
pub struct Counter;
/// Counts numbers.
impl Counter {
    /// Counts up to a number.
    pub async fn count(
        &self,
        request: Count,
    ) -> Result<ReplyStream<Number>, CountRefusal> {
        todo!()
    }
    /// Adds numbers.
    async fn sum(
        &self,
        mut numbers: RequestStream<Number>,
        call: &Call<Self>,
    ) -> Result<Number> {
        todo!()
    }
    /// Squares each number.
    async fn square(
        &self,
        numbers: stream::RequestStream<Number>,
    ) -> Result<stream::ReplyStream<Number>> {
        todo!()
    }
    /// Ticks.
    async fn tick(&self) -> Result<ReplyStream<()>> {
        todo!()
    }
}
const _: () = {
    use ::hecate_om::__private as __hecate;
    #[capability(__taken)]
    const _: () = ();
    const MANIFEST: &::core::primitive::str = "{\n  \"schema\": \"hecate.manifest/1\",\n  \"name\": \"hecate-counter\",\n  \"display_name\": \"Hecate Counter\",\n  \"version\": \"1.2.3\",\n  \"description\": \"Counts numbers.\",\n  \"service_type\": \"container_daemon\",\n  \"tenancy\": \"realm\",\n  \"runs_on\": \"infrastructure_node\",\n  \"callback_module\": \"greeter::Counter\",\n  \"license\": \"Apache-2.0\",\n  \"depends_on\": [],\n  \"scope\": \"counter\",\n  \"capabilities\": [\n    {\n      \"name\": \"counter.count\",\n      \"version\": 1,\n      \"description\": \"Counts up to a number.\",\n      \"kind\": \"server_stream\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 30000,\n      \"limits\": {\n        \"payload_bytes\": 1048576,\n        \"reply_bytes\": 16777216,\n        \"concurrency\": 8,\n        \"per_caller\": {\n          \"calls\": 60,\n          \"period_ms\": 60000\n        },\n        \"total\": {\n          \"calls\": 6000,\n          \"period_ms\": 10000\n        }\n      }\n    },\n    {\n      \"name\": \"counter.sum\",\n      \"version\": 1,\n      \"description\": \"Adds numbers.\",\n      \"kind\": \"client_stream\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 30000,\n      \"confidential\": \"required\"\n    },\n    {\n      \"name\": \"counter.square\",\n      \"version\": 1,\n      \"description\": \"Squares each number.\",\n      \"kind\": \"bidi\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 30000,\n      \"confidential\": \"off\",\n      \"idempotent\": true,\n      \"cancel_on_disconnect\": true\n    },\n    {\n      \"name\": \"counter.tick\",\n      \"version\": 1,\n      \"description\": \"Ticks.\",\n      \"kind\": \"server_stream\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 30000\n    }\n  ],\n  \"uses\": [],\n  \"identity\": {\n    \"scope\": \"counter\",\n    \"actions\": [\n      \"answer:counter.count@1\",\n      \"answer:counter.sum@1\",\n      \"answer:counter.square@1\",\n      \"answer:counter.tick@1\"\n    ],\n    \"resources\": [\n      \"counter/*\"\n    ],\n    \"ttl_days\": 30\n  },\n  \"ports\": {\n    \"health\": 8470\n  },\n  \"volumes\": {\n    \"secrets\": \"/etc/hecate/secrets\",\n    \"state\": \"/var/lib/hecate-counter\"\n  },\n  \"min_om_version\": \"0.1.0\"\n}\n";
    #[allow(dead_code, private_interfaces, clippy::all)]
    impl Counter {
        /// Calls `counter.count` version 1.
        pub const COUNT: __hecate::Capability<Self, Count, ReplyStream<Number>> = __hecate::Capability::new(
            "hecate-counter",
            "counter.count",
            1,
        );
        /// Calls `counter.sum` version 1.
        const SUM: __hecate::Capability<Self, RequestStream<Number>, Number> = __hecate::Capability::new(
            "hecate-counter",
            "counter.sum",
            1,
        );
        /// Calls `counter.square` version 1.
        const SQUARE: __hecate::Capability<
            Self,
            stream::RequestStream<Number>,
            stream::ReplyStream<Number>,
        > = __hecate::Capability::new("hecate-counter", "counter.square", 1)
            .idempotent();
        /// Calls `counter.tick` version 1.
        const TICK: __hecate::Capability<Self, (), ReplyStream<()>> = __hecate::Capability::new(
            "hecate-counter",
            "counter.tick",
            1,
        );
        /// The `manifest.json` of this service, byte for byte.
        pub const MANIFEST: &'static ::core::primitive::str = MANIFEST;
        /// What this service is.
        pub fn info() -> &'static __hecate::ServiceInfo {
            &INFO
        }
        /// What this service offers.
        pub fn capabilities() -> &'static [__hecate::CapabilityInfo] {
            INFO.capabilities
        }
        /// What this service asks of its realm.
        pub fn identity_spec() -> &'static __hecate::IdentitySpec {
            &INFO.identity
        }
        #[allow(non_upper_case_globals)]
        const start: () = ();
        #[allow(non_upper_case_globals)]
        const stop: () = ();
        #[allow(non_upper_case_globals)]
        const health: () = ();
    }
    const _: &[::core::option::Option<&::core::primitive::str>] = &[
        ::core::option_env!("CARGO_PKG_VERSION"),
        ::core::option_env!("CARGO_PKG_DESCRIPTION"),
        ::core::option_env!("CARGO_PKG_LICENSE"),
        ::core::option_env!("CARGO_PKG_REPOSITORY"),
    ];
    static INFO: __hecate::ServiceInfo = __hecate::ServiceInfo::new(
            "hecate-counter",
            "1.2.3",
            "Counts numbers.",
            "greeter::Counter",
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            const {
                &[
                    __hecate::CapabilityInfo::new(
                            "counter.count",
                            1,
                            "Counts up to a number.",
                            30000,
                        )
                        .kind(__hecate::Kind::ServerStream)
                        .limits(
                            __hecate::Limits::new(
                                1048576,
                                16777216,
                                8,
                                (60, 60000),
                                (6000, 10000),
                            ),
                        ),
                    __hecate::CapabilityInfo::new(
                            "counter.sum",
                            1,
                            "Adds numbers.",
                            30000,
                        )
                        .kind(__hecate::Kind::ClientStream)
                        .confidential(__hecate::Confidential::Required),
                    __hecate::CapabilityInfo::new(
                            "counter.square",
                            1,
                            "Squares each number.",
                            30000,
                        )
                        .kind(__hecate::Kind::Bidi)
                        .confidential(__hecate::Confidential::Off)
                        .idempotent()
                        .cancel_on_disconnect(),
                    __hecate::CapabilityInfo::new("counter.tick", 1, "Ticks.", 30000)
                        .kind(__hecate::Kind::ServerStream),
                ]
            },
            __hecate::IdentitySpec::new(
                "counter",
                &[
                    "answer:counter.count@1",
                    "answer:counter.sum@1",
                    "answer:counter.square@1",
                    "answer:counter.tick@1",
                ],
                &["counter/*"],
                30u16,
            ),
            8470u16,
            MANIFEST,
        )
        .volumes("/etc/hecate/secrets", "/var/lib/hecate-counter");
    #[automatically_derived]
    #[allow(deprecated, unused_imports, unused_qualifications, clippy::all)]
    impl __hecate::Service for Counter {
        const INFO: &'static __hecate::ServiceInfo = &INFO;
        const SERVICE_NAME: &'static ::core::primitive::str = "hecate-counter";
        type Settings = ();
        fn settings_type() -> __hecate::SettingsType {
            __hecate::settings::<()>()
        }
        fn describe_handlers(__handlers: &mut __hecate::Handlers<Self>)
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::Handlers::server_stream::<
                Count,
                Number,
                CountRefusal,
                _,
                _,
            >(
                __handlers,
                |__service, _, __request| async move { __service.count(__request).await },
            );
            __hecate::Handlers::client_stream::<
                Number,
                Number,
                _,
                _,
                _,
            >(
                __handlers,
                |__service, __call, __request| async move {
                    __service.sum(__request, &__call).await
                },
            );
            __hecate::Handlers::bidi::<
                Number,
                Number,
                _,
                _,
                _,
            >(
                __handlers,
                |__service, _, __request| async move {
                    __service.square(__request).await
                },
            );
            __hecate::Handlers::server_stream::<
                (),
                (),
                _,
                _,
                _,
            >(__handlers, |__service, _, _| async move { __service.tick().await });
        }
        fn boot(
            __context: __hecate::Context<Self>,
        ) -> __hecate::Callback<
            'static,
            ::core::result::Result<Self, __hecate::StartError>,
        >
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::started(<Counter as __hecate::StartsByDefault>::by_default())
        }
        fn shut_down(&self) -> __hecate::Callback<'_, ()>
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::nothing_to_stop()
        }
        fn probe(&self) -> __hecate::Callback<'_, __hecate::Health>
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::told(__hecate::Health::Ok)
        }
        fn mark_as_run() {
            #[cfg_attr(
                target_vendor = "apple",
                unsafe(link_section = "__DATA,__hecate_run")
            )]
            #[cfg_attr(
                not(target_vendor = "apple"),
                unsafe(link_section = "hecate_run")
            )]
            static RUN: [::core::primitive::u8; __hecate::record_len(
                "hecate-counter",
            )] = __hecate::record("hecate-counter");
            __hecate::keep(&RUN);
        }
    }
    __hecate::inventory::submit! {
        __hecate::Registration(& INFO)
    }
    #[used]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__hecate_om"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "hecate_om"))]
    static RECORD: [::core::primitive::u8; __hecate::record_len(MANIFEST)] = __hecate::record(
        MANIFEST,
    );
};
#[cfg(test)]
#[allow(unnameable_test_items)]
#[::core::prelude::v1::test]
fn hecate_counter_keeps_its_contract() {
    ::hecate_om::__private::check_contract::<
        Counter,
    >(::core::option_env!("CARGO_MANIFEST_DIR"));
}
/// The service `hecate-other`, of another program.
#[derive(::core::fmt::Debug)]
pub enum Other {}
const _: () = {
    use ::hecate_om::__private as __hecate;
    #[automatically_derived]
    #[allow(deprecated)]
    impl __hecate::Provider for Other {
        const NAME: &'static ::core::primitive::str = "hecate-other";
        const CLOSED: &'static [(
            &'static ::core::primitive::str,
            ::core::primitive::u16,
        )] = &[("other.count", 1u16), ("other.square", 1u16)];
    }
    #[allow(dead_code, deprecated, private_interfaces, clippy::all)]
    impl Other {
        /// Calls `other.count` version 1.
        pub const COUNT: __hecate::Capability<Other, Count, ReplyStream<Number>> = __hecate::Capability::new(
            "hecate-other",
            "other.count",
            1,
        );
        /// Calls `other.sum` version 1.
        pub const SUM: __hecate::Capability<Other, RequestStream<Number>, Number> = __hecate::Capability::new(
                "hecate-other",
                "other.sum",
                1,
            )
            .open();
        /// Calls `other.square` version 1.
        pub const SQUARE: __hecate::Capability<
            Other,
            RequestStream<Number>,
            ReplyStream<Number>,
        > = __hecate::Capability::new("hecate-other", "other.square", 1).idempotent();
    }
};
