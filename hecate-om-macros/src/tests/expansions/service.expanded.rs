#[derive(Default)]
pub struct Greeter;
/// Greets people by name.
impl Greeter {
    /// Greets one person.
    pub async fn greet(
        &self,
        request: Greet,
        call: &Call<Self>,
    ) -> Result<Greeting, GreetRefusal> {
        todo!()
    }
    /// Says nothing.
    async fn nod(&self) -> Outcome {
        todo!()
    }
}
const _: () = {
    use ::hecate_om::__private as __hecate;
    #[capability(__taken)]
    const _: () = ();
    const MANIFEST: &::core::primitive::str = "{\n  \"schema\": \"hecate.manifest/1\",\n  \"name\": \"hecate-greeter\",\n  \"display_name\": \"Hecate Greeter\",\n  \"version\": \"1.2.3\",\n  \"description\": \"Greets people by name.\",\n  \"service_type\": \"container_daemon\",\n  \"tenancy\": \"realm\",\n  \"runs_on\": \"infrastructure_node\",\n  \"callback_module\": \"greeter::Greeter\",\n  \"license\": \"Apache-2.0\",\n  \"depends_on\": [],\n  \"scope\": \"greeter\",\n  \"capabilities\": [\n    {\n      \"name\": \"greeter.greet\",\n      \"version\": 1,\n      \"description\": \"Greets one person.\",\n      \"kind\": \"unary\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 5000\n    },\n    {\n      \"name\": \"greeter.nod\",\n      \"version\": 2,\n      \"description\": \"Says nothing.\",\n      \"kind\": \"unary\",\n      \"access\": \"realm\",\n      \"timeout_ms\": 30000,\n      \"deprecated\": \"nobody sees it\"\n    }\n  ],\n  \"uses\": [],\n  \"identity\": {\n    \"scope\": \"greeter\",\n    \"actions\": [\n      \"answer:greeter.greet@1\",\n      \"answer:greeter.nod@2\"\n    ],\n    \"resources\": [\n      \"greeter/*\"\n    ],\n    \"ttl_days\": 30\n  },\n  \"ports\": {\n    \"health\": 8470\n  },\n  \"volumes\": {\n    \"secrets\": \"/etc/hecate/secrets\",\n    \"state\": \"/var/lib/hecate-greeter\"\n  },\n  \"min_om_version\": \"0.1.0\"\n}\n";
    #[allow(dead_code, private_interfaces, clippy::all)]
    impl Greeter {
        /// Calls `greeter.greet` version 1.
        pub const GREET: __hecate::Capability<Self, Greet, Greeting> = __hecate::Capability::new(
            "hecate-greeter",
            "greeter.greet",
            1,
        );
        /// Calls `greeter.nod` version 2.
        #[deprecated = "nobody sees it"]
        const NOD: __hecate::Capability<
            Self,
            (),
            <Outcome as __hecate::Answer>::Reply,
        > = __hecate::Capability::new("hecate-greeter", "greeter.nod", 2);
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
            "hecate-greeter",
            "1.2.3",
            "Greets people by name.",
            "greeter::Greeter",
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            const {
                &[
                    __hecate::CapabilityInfo::new(
                        "greeter.greet",
                        1,
                        "Greets one person.",
                        5000,
                    ),
                    __hecate::CapabilityInfo::new(
                            "greeter.nod",
                            2,
                            "Says nothing.",
                            30000,
                        )
                        .deprecated("nobody sees it"),
                ]
            },
            __hecate::IdentitySpec::new(
                "greeter",
                &["answer:greeter.greet@1", "answer:greeter.nod@2"],
                &["greeter/*"],
                30u16,
            ),
            8470u16,
            MANIFEST,
        )
        .volumes("/etc/hecate/secrets", "/var/lib/hecate-greeter");
    #[automatically_derived]
    #[allow(deprecated, unused_imports, unused_qualifications, clippy::all)]
    impl __hecate::Service for Greeter {
        const INFO: &'static __hecate::ServiceInfo = &INFO;
        const SERVICE_NAME: &'static ::core::primitive::str = "hecate-greeter";
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
                Greet,
                Greeting,
                GreetRefusal,
                _,
            >(
                __handlers,
                |__service, __call, __request| async move {
                    __service.greet(__request, &__call).await
                },
            );
            __hecate::handler::<
                _,
                (),
                _,
                _,
                _,
            >(
                __handlers,
                |__service, _, _| async move {
                    {
                        use __hecate::NoResult as _;
                        __hecate::Returned(__service.nod().await).into_result()
                    }
                },
            );
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
            __hecate::started(<Greeter as __hecate::StartsByDefault>::by_default())
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
                "hecate-greeter",
            )] = __hecate::record("hecate-greeter");
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
fn hecate_greeter_keeps_its_contract() {
    ::hecate_om::__private::check_contract::<
        Greeter,
    >(::core::option_env!("CARGO_MANIFEST_DIR"));
}
