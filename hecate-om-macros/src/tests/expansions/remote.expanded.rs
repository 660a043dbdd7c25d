/// Answers questions.
#[derive(Default)]
pub struct Librarian;
/// Answers what readers ask.
impl Librarian {
    /// Finds a book.
    pub async fn find(&self) -> Result<()> {
        todo!()
    }
    /// Buys a book.
    async fn buy(&self) -> Result<()> {
        todo!()
    }
}
const _: () = {
    use ::hecate_om::__private as __hecate;
    #[capability(__taken)]
    const _: () = ();
    const MANIFEST: &::core::primitive::str = "{\n  \"schema\": \"hecate.manifest/1\",\n  \"name\": \"hecate-librarian\",\n  \"display_name\": \"Hecate Librarian\",\n  \"version\": \"1.2.3\",\n  \"description\": \"Answers what readers ask.\",\n  \"service_type\": \"container_daemon\",\n  \"tenancy\": \"realm\",\n  \"runs_on\": \"infrastructure_node\",\n  \"callback_module\": \"greeter::Librarian\",\n  \"license\": \"Apache-2.0\",\n  \"depends_on\": [],\n  \"scope\": \"librarian\",\n  \"capabilities\": [\n    {\n      \"name\": \"librarian.find\",\n      \"version\": 1,\n      \"description\": \"Finds a book.\",\n      \"kind\": \"unary\",\n      \"access\": \"open\",\n      \"timeout_ms\": 30000,\n      \"idempotent\": true\n    },\n    {\n      \"name\": \"librarian.buy\",\n      \"version\": 1,\n      \"description\": \"Buys a book.\",\n      \"kind\": \"unary\",\n      \"access\": \"issuer:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\n      \"timeout_ms\": 30000\n    }\n  ],\n  \"uses\": [\n    {\n      \"type\": \"Rag\"\n    },\n    {\n      \"capability\": \"acme/books.lend\",\n      \"version\": 2\n    }\n  ],\n  \"identity\": {\n    \"scope\": \"librarian\",\n    \"actions\": [\n      \"answer:librarian.find@1\",\n      \"answer:librarian.buy@1\",\n      \"call:acme/books.lend@2\"\n    ],\n    \"resources\": [\n      \"librarian/*\",\n      \"acme/books.lend\"\n    ],\n    \"ttl_days\": 7\n  },\n  \"ports\": {\n    \"health\": 8470\n  },\n  \"volumes\": {\n    \"secrets\": \"/etc/hecate/secrets\",\n    \"state\": \"/var/lib/hecate-librarian\"\n  },\n  \"min_om_version\": \"0.1.0\"\n}\n";
    #[allow(dead_code, private_interfaces, clippy::all)]
    impl Librarian {
        /// Calls `librarian.find` version 1.
        pub const FIND: __hecate::Capability<Self, (), ()> = __hecate::Capability::new(
                "hecate-librarian",
                "librarian.find",
                1,
            )
            .open()
            .idempotent();
        /// Calls `librarian.buy` version 1.
        const BUY: __hecate::Capability<Self, (), ()> = __hecate::Capability::new(
            "hecate-librarian",
            "librarian.buy",
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
            "hecate-librarian",
            "1.2.3",
            "Answers what readers ask.",
            "greeter::Librarian",
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            const {
                &[
                    __hecate::CapabilityInfo::new(
                            "librarian.find",
                            1,
                            "Finds a book.",
                            30000,
                        )
                        .access(__hecate::Access::Open)
                        .idempotent(),
                    __hecate::CapabilityInfo::new(
                            "librarian.buy",
                            1,
                            "Buys a book.",
                            30000,
                        )
                        .access(
                            __hecate::Access::Issuer(
                                __hecate::NodeId::from_bytes(
                                    *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0B\x0C\r\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F",
                                ),
                            ),
                        ),
                ]
            },
            __hecate::IdentitySpec::new(
                "librarian",
                &[
                    "answer:librarian.find@1",
                    "answer:librarian.buy@1",
                    "call:acme/books.lend@2",
                ],
                &["librarian/*", "acme/books.lend"],
                7u16,
            ),
            8470u16,
            MANIFEST,
        )
        .volumes("/etc/hecate/secrets", "/var/lib/hecate-librarian")
        .uses(const {
            &[
                __hecate::Use::Service {
                    name: <Rag as __hecate::Provider>::NAME,
                    closed: <Rag as __hecate::Provider>::CLOSED,
                },
                __hecate::Use::Capability {
                    reference: "acme/books.lend",
                    version: 2,
                },
            ]
        });
    #[automatically_derived]
    #[allow(deprecated, unused_imports, unused_qualifications, clippy::all)]
    impl __hecate::Service for Librarian {
        const INFO: &'static __hecate::ServiceInfo = &INFO;
        const SERVICE_NAME: &'static ::core::primitive::str = "hecate-librarian";
        type Settings = ();
        fn settings_type() -> __hecate::SettingsType {
            __hecate::settings::<()>()
        }
        fn describe_handlers(__handlers: &mut __hecate::Handlers<Self>)
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::handler::<
                _,
                (),
                (),
                _,
                _,
            >(__handlers, |__service, _, _| async move { __service.find().await });
            __hecate::handler::<
                _,
                (),
                (),
                _,
                _,
            >(__handlers, |__service, _, _| async move { __service.buy().await });
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
            __hecate::started(<Librarian as __hecate::StartsByDefault>::by_default())
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
                "hecate-librarian",
            )] = __hecate::record("hecate-librarian");
            __hecate::keep(&RUN);
        }
    }
    #[automatically_derived]
    #[allow(deprecated, unused_qualifications, clippy::all)]
    impl __hecate::Uses<Rag> for Librarian {}
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
fn hecate_librarian_keeps_its_contract() {
    ::hecate_om::__private::check_contract::<
        Librarian,
    >(::core::option_env!("CARGO_MANIFEST_DIR"));
}
/// Answers questions.
#[derive(::core::fmt::Debug)]
pub enum Rag {}
const _: () = {
    use ::hecate_om::__private as __hecate;
    #[automatically_derived]
    #[allow(deprecated)]
    impl __hecate::Provider for Rag {
        const NAME: &'static ::core::primitive::str = "hecate-rag";
        const CLOSED: &'static [(
            &'static ::core::primitive::str,
            ::core::primitive::u16,
        )] = &[("rag.ask", 3u16)];
    }
    #[allow(dead_code, deprecated, private_interfaces, clippy::all)]
    impl Rag {
        /// Calls `rag.query` version 1.
        pub const QUERY: __hecate::Capability<Rag, Query, Answer> = __hecate::Capability::new(
                "hecate-rag",
                "rag.query",
                1,
            )
            .open()
            .idempotent();
        #[deprecated = "ask nobody"]
        /// Calls `rag.ask` version 3.
        pub const ASK: __hecate::Capability<Rag, (), Answer> = __hecate::Capability::new(
            "hecate-rag",
            "rag.ask",
            3,
        );
    }
};
